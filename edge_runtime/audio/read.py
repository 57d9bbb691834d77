"""Audio files to mono float32 samples at the rate a model wants."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from ..errors import AudioError
from .decode import BLOCK_SAMPLES, AudioFile
from .limits import AudioLimits
from .resample import StreamResampler


class Audio(Protocol):
    """Samples that come piece by piece, mono float32 `(n,)`, and what errors call them."""

    path: Path
    sample_rate: int  # Hz
    n_samples: int | None  # per channel; None where nothing tells

    def __iter__(self) -> Iterator[np.ndarray]: ...


def read_audio(
    path: str | os.PathLike[str],
    sample_rate: int | None = 16_000,
    *,
    limits: AudioLimits | None = None,
    channel: int | None = None,
) -> np.ndarray:
    """The samples of an audio file, mono, at `sample_rate` Hz (None: at the rate of the file).

    Reads what libsndfile reads: WAV of 8 to 32 bits and float, FLAC, OGG, MP3 and others.
    Channels are averaged, or one is taken: `channel`, counted from 1. Resampling is soxr's "HQ".
    A WAV may leave its length open, by zero or the largest number, as one from a pipe must; it is
    read to the end of the file.
    `limits`: how long and how large it may be (None: the defaults of `AudioLimits`).
    Returns float32 `(n_samples,)` within [-1, 1].
    Raises AudioError, naming the file, if it is missing, no audio, truncated (as far as its header
    announces a length: OGG and MP3 may have none), empty or beyond a limit, or if it holds NaN,
    infinity or values far above full scale.
    """
    return whole(AudioFile(path, limits=limits or AudioLimits(), channel=channel), sample_rate)


def read_audio_bytes(
    content: bytes,
    sample_rate: int | None = 16_000,
    *,
    name: str = "audio in memory",
    limits: AudioLimits | None = None,
) -> np.ndarray:
    """`read_audio` of what a file holds; `name` is what errors call it."""
    return whole(AudioFile(name, content, limits or AudioLimits()), sample_rate)


def whole(audio: Audio, sample_rate: int | None) -> np.ndarray:
    """All samples at `sample_rate` Hz (None: their own), float32 `(n,)` within [-1, 1]."""
    wanted = audio.sample_rate if sample_rate is None else sample_rate
    resampler = StreamResampler(audio.sample_rate, wanted)
    pieces = [resampler.push(piece) for piece in audio]
    pieces.append(resampler.push(np.empty(0, np.float32), last=True))
    pieces = [piece for piece in pieces if len(piece)]
    if not pieces:
        raise AudioError(f"{audio.path}: is too short: no sample is left at {wanted} Hz")
    samples = np.concatenate(pieces) if len(pieces) > 1 else pieces[0]
    return np.clip(samples, -1.0, 1.0, out=samples)  # a filter overshoots


def in_blocks(samples: np.ndarray) -> Iterator[np.ndarray]:
    """Samples `(n,)` in such pieces as a file is read in."""
    return (samples[k : k + BLOCK_SAMPLES] for k in range(0, len(samples), BLOCK_SAMPLES))
