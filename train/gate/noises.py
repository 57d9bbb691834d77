"""Noises of the training examples: synthesised, and recordings without speech from folders."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge_runtime.audio.resample import resample

from ..data.noise import SYNTHESIS_RATE, read_recordings, synthetic_noise
from .examples import SYNTHETIC, Noise
from .synthesis import bursts, melody

MAX_SECONDS = 20.0  # of a recording; bounds the memory of long pieces of music
LIKE_SPEECH_SHARE = 0.4  # of the synthesised noises
MELODY_SHARE = 0.6  # of those that resemble speech


def all_noises(folders: Sequence[Path], sample_rate: int) -> list[Noise]:
    """Return synthesised noise and the recordings of folders.

    The kind of a recording is the name of its folder.

    Args:
        folders: Folders of recordings without speech.
        sample_rate: Rate of the front end in Hz.

    Raises:
        DatasetError: If no recording in a folder can be read.
    """
    noises = [Noise(SYNTHETIC, functools.partial(_synthesised, sample_rate))]
    n_samples = int(MAX_SECONDS * sample_rate)
    for folder in folders:
        for file, samples in read_recordings(folder, sample_rate):
            stored = samples[:n_samples].astype(np.float16)
            noises.append(Noise(file.parent.name, functools.partial(_recorded, stored)))
    return noises


def _recorded(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return samples.astype(np.float32)


def _synthesised(sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    if rng.random() < LIKE_SPEECH_SHARE:
        n_samples = int(sample_rate * rng.uniform(1, 5))
        synthesise = melody if rng.random() < MELODY_SHARE else bursts
        return synthesise(n_samples, sample_rate, rng).astype(np.float32)
    noise = synthetic_noise(rng)
    return noise if sample_rate == SYNTHESIS_RATE else resample(noise, SYNTHESIS_RATE, sample_rate)
