"""Noises of the training examples: synthesised, and recordings without speech from folders."""

from __future__ import annotations

import functools
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge_runtime import AudioError, read_audio
from edge_runtime.audio.resample import resample
from edge_runtime.datasets.clip import DatasetError
from edge_runtime.datasets.folders import audio_files
from edge_runtime.messages import printable

from ..data.noise import SYNTHESIS_RATE, synthetic_noise
from .examples import SYNTHETIC, Noise

_LOGGER = logging.getLogger(__name__)

MAX_SECONDS = 20.0  # of a recording; bounds the memory of long pieces of music


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
    for folder in folders:
        recordings = [
            Noise(file.parent.name, functools.partial(_recorded, samples))
            for file, samples in _read_folder(folder, sample_rate)
        ]
        if not recordings:
            raise DatasetError(f"{folder}: contains no readable recording of noise")
        noises += recordings
    return noises


def _read_folder(folder: Path, sample_rate: int) -> list[tuple[Path, np.ndarray]]:
    recordings = []
    for file in audio_files(folder):
        try:
            samples = read_audio(file, sample_rate)[: int(MAX_SECONDS * sample_rate)]
        except AudioError as error:
            _LOGGER.info("%s", printable(f"Skipped: {error}"))
            continue
        recordings.append((file, samples.astype(np.float16)))
    return recordings


def _recorded(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return samples.astype(np.float32)


def _synthesised(sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    noise = synthetic_noise(rng)
    return noise if sample_rate == SYNTHESIS_RATE else resample(noise, SYNTHESIS_RATE, sample_rate)
