"""Noise without speech, synthesised and recorded, to train the speech output on."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edge_runtime import AudioError, Mfcc, MfccConfig, read_audio
from edge_runtime.datasets.clip import DatasetError
from edge_runtime.datasets.folders import audio_files
from edge_runtime.features.silence import SilenceConfig, SilenceGate
from edge_runtime.messages import printable

_LOGGER = logging.getLogger(__name__)

N_SYNTHETIC = 300  # clips of synthesised noise
SYNTHESIS_RATE = 16_000


def noise_features(
    config: MfccConfig, silence: SilenceConfig | None, folders: list[Path], seed: int = 0
) -> list[np.ndarray]:
    """Compute the features of synthesised noise and of recordings.

    Args:
        config: The front end.
        silence: Parameters of the silence gate. Default: keep silent frames.
        folders: Folders of recordings without speech.
        seed: Seed of the synthesis.

    Returns:
        MFCC of each clip, float32 `(n_frames, n_mfcc)`.

    Raises:
        DatasetError: If no recording in a folder can be read.
    """
    extractor = Mfcc(config)
    gate = None if silence is None else SilenceGate(silence, config)
    rng = np.random.default_rng(seed)
    clips = [synthetic_noise(rng) for _ in range(N_SYNTHETIC)]
    if config.sample_rate != SYNTHESIS_RATE:
        from edge_runtime.audio.resample import resample

        clips = [resample(noise, SYNTHESIS_RATE, config.sample_rate) for noise in clips]
    for folder in folders:
        clips += [samples for _, samples in read_recordings(folder, config.sample_rate)]
    features = [extractor(samples) for samples in clips]
    return features if gate is None else [gate.filter_clip(frames) for frames in features]


def read_recordings(folder: Path, sample_rate: int) -> Iterator[tuple[Path, np.ndarray]]:
    """Yield the readable recordings of a folder of noise, one at a time.

    Args:
        folder: The folder.
        sample_rate: Rate of the samples in Hz.

    Yields:
        The file and its samples, float32 `(n_samples,)`.

    Raises:
        DatasetError: If no recording can be read.
    """
    is_empty = True
    for file in audio_files(folder):
        try:
            samples = read_audio(file, sample_rate)
        except AudioError as error:
            _LOGGER.info("%s", printable(f"Skipped: {error}"))
            continue
        is_empty = False
        yield file, samples
    if is_empty:
        raise DatasetError(f"{folder}: contains no readable recording of noise")


def synthetic_noise(rng: np.random.Generator) -> np.ndarray:
    """Synthesise 1 to 5 s of noise at a random level, float32 `(n_samples,)` at 16 kHz."""
    n = int(rng.integers(SYNTHESIS_RATE, 5 * SYNTHESIS_RATE))
    kinds = (_silence, _coloured, _hum, _clicks, _siren)
    kind = kinds[rng.choice(len(kinds), p=[0.1, 0.3, 0.2, 0.2, 0.2])]
    samples = kind(n, rng)
    if rng.random() < 0.4:  # amplitude modulation, as of waves and engines
        beat = np.sin(np.pi * rng.uniform(0.2, 6) * np.arange(n) / SYNTHESIS_RATE)
        samples = samples * (rng.uniform(0, 0.5) + np.abs(beat))
    level = 10 ** (rng.uniform(-60, 0) / 20)
    noise: np.ndarray = (level * samples / max(np.abs(samples).max(), 1e-9)).astype(np.float32)
    return noise


def _white(n: int, rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal(n)


def _silence(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return digital silence; in half of the cases with a single impulse."""
    samples = np.zeros(n)
    if rng.random() < 0.5:
        samples[rng.integers(n)] = 1.0
    return samples


def _coloured(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return noise with a falling spectrum, from white over pink to beyond brown."""
    spectrum = np.fft.rfft(_white(n, rng))
    slope = np.maximum(np.arange(len(spectrum)), 1) ** -rng.uniform(0, 1.2)
    samples: np.ndarray = np.fft.irfft(spectrum * slope, n)
    return samples


def _hum(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return a steady tone with harmonics in noise, as of mains, motors and alarms."""
    pitch = rng.uniform(50, 1000)
    time = np.arange(n) / SYNTHESIS_RATE
    tone = sum(
        rng.random() * np.sin(2 * np.pi * pitch * k * time) / k**0.5
        for k in range(1, int(7000 / pitch))
    )
    samples: np.ndarray = tone + rng.uniform(0, 0.5) * _white(n, rng)
    return samples


def _clicks(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return decaying impulses over faint noise, as of knocks, ticks and crackling."""
    impulses = np.zeros(n)
    impulses[rng.integers(0, n, int(rng.integers(1, 40)))] = 1.0
    decay = np.exp(-np.arange(800) / rng.uniform(5, 200)) * _white(800, rng)
    return np.convolve(impulses, decay)[:n] + 10 ** rng.uniform(-4, -2) * _white(n, rng)


def _siren(n: int, rng: np.random.Generator) -> np.ndarray:
    """Return a gliding tone, as of birds, sirens and whistles."""
    time = np.arange(n) / SYNTHESIS_RATE
    swing = 1 + rng.uniform(0, 0.7) * np.sin(2 * np.pi * rng.uniform(0.2, 5) * time)
    phase = 2 * np.pi * np.cumsum(rng.uniform(200, 3000) * swing) / SYNTHESIS_RATE
    overtones = sum(rng.random() ** 2 * np.sin(k * phase) for k in (2, 3))
    samples: np.ndarray = np.sin(phase) + overtones + 10 ** rng.uniform(-4, -1) * _white(n, rng)
    return samples
