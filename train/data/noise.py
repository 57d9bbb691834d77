"""What is no speech: synthesised noise, and recordings of it, to train the speech output on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge_runtime import AudioError, Mfcc, MfccConfig, read_audio
from edge_runtime.features.silence import SilenceConfig, SilenceGate

from .clip import DatasetError
from .folders import audio_files

N_SYNTHETIC = 300
RATE = 16_000


def noise_features(
    config: MfccConfig, silence: SilenceConfig | None, folders: list[Path], seed: int = 0
) -> list[np.ndarray]:
    """Features, float32 `(n_frames, n_mfcc)` each, of synthesised noise and of all recordings
    below `folders`. DatasetError if a folder holds none that can be read."""
    extractor = Mfcc(config)
    gate = None if silence is None else SilenceGate(silence, config)
    rng = np.random.default_rng(seed)
    found = [synthetic_noise(rng) for _ in range(N_SYNTHETIC)]
    if config.sample_rate != RATE:
        from edge_runtime.audio.resample import resample

        found = [resample(noise, RATE, config.sample_rate) for noise in found]
    for folder in folders:
        found += _recordings(folder, config.sample_rate)
    features = [extractor(samples) for samples in found]
    return features if gate is None else [gate.whole(frames) for frames in features]


def _recordings(folder: Path, sample_rate: int) -> list[np.ndarray]:
    files = audio_files(folder)
    samples = []
    for file in files:
        try:
            samples.append(read_audio(file, sample_rate))
        except AudioError as error:
            print(f"Skipped: {error}")
    if not samples:
        raise DatasetError(f"{folder}: no recording of noise that can be read")
    return samples


def synthetic_noise(rng: np.random.Generator) -> np.ndarray:
    """One to five seconds of something that nobody says, float32 at 16 kHz, of any level."""
    n = int(rng.integers(RATE, 5 * RATE))
    kind = rng.choice([_silence, _coloured, _hum, _clicks, _siren], p=[0.1, 0.3, 0.2, 0.2, 0.2])
    samples = kind(n, rng)
    if rng.random() < 0.4:  # swelling and falling, as waves and engines do
        beat = np.sin(np.pi * rng.uniform(0.2, 6) * np.arange(n) / RATE)
        samples = samples * (rng.uniform(0, 0.5) + np.abs(beat))
    level = 10 ** (rng.uniform(-60, 0) / 20)
    return (level * samples / max(np.abs(samples).max(), 1e-9)).astype(np.float32)


def _white(n: int, rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal(n)


def _silence(n: int, rng: np.random.Generator) -> np.ndarray:
    """Digital silence, but for one sample in a few."""
    samples = np.zeros(n)
    if rng.random() < 0.5:
        samples[rng.integers(n)] = 1.0
    return samples


def _coloured(n: int, rng: np.random.Generator) -> np.ndarray:
    """Noise with a falling spectrum: white, pink, brown and between."""
    spectrum = np.fft.rfft(_white(n, rng))
    slope = np.maximum(np.arange(len(spectrum)), 1) ** -rng.uniform(0, 1.2)
    return np.fft.irfft(spectrum * slope, n)


def _hum(n: int, rng: np.random.Generator) -> np.ndarray:
    """A steady tone with harmonics in some noise: mains, motors, alarms."""
    pitch = rng.uniform(50, 1000)
    time = np.arange(n) / RATE
    tone = sum(
        rng.random() * np.sin(2 * np.pi * pitch * k * time) / k**0.5
        for k in range(1, int(7000 / pitch))
    )
    return tone + rng.uniform(0, 0.5) * _white(n, rng)


def _clicks(n: int, rng: np.random.Generator) -> np.ndarray:
    """Knocks, ticks and crackling: impulses through a short decay, over faint noise."""
    impulses = np.zeros(n)
    impulses[rng.integers(0, n, int(rng.integers(1, 40)))] = 1.0
    decay = np.exp(-np.arange(800) / rng.uniform(5, 200)) * _white(800, rng)
    return np.convolve(impulses, decay)[:n] + 10 ** rng.uniform(-4, -2) * _white(n, rng)


def _siren(n: int, rng: np.random.Generator) -> np.ndarray:
    """A gliding tone: birds, sirens, whistles."""
    time = np.arange(n) / RATE
    swing = 1 + rng.uniform(0, 0.7) * np.sin(2 * np.pi * rng.uniform(0.2, 5) * time)
    phase = 2 * np.pi * np.cumsum(rng.uniform(200, 3000) * swing) / RATE
    overtones = sum(rng.random() ** 2 * np.sin(k * phase) for k in (2, 3))
    return np.sin(phase) + overtones + 10 ** rng.uniform(-4, -1) * _white(n, rng)
