"""What is no speech: features of noise, synthesised and recorded, to train the speech output on."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edge_runtime import AudioError, Mfcc, MfccConfig, read_audio
from edge_runtime.silence import SilenceConfig, SilenceGate

from .clip import DatasetError
from .folders import audio_files
from .synthetic_noise import RATE, synthetic_noise

N_SYNTHETIC = 300


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
        from edge_runtime.audio import resample

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
