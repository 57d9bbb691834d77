"""Read audio files as mono float32 samples at a given rate."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from ..errors import AudioError
from .decode import BLOCK_SAMPLES, AudioFile
from .limits import AudioLimits
from .resample import StreamResampler


class AudioSource(Protocol):
    """Mono float32 samples that arrive in blocks `(n_samples,)`.

    Attributes:
        path: The file, or a name for messages.
        sample_rate: Rate in Hz.
        n_samples: Samples per channel; None if not known.
        n_channels: Number of channels that are averaged, or one of which is used.
    """

    path: Path
    sample_rate: int
    n_samples: int | None
    n_channels: int

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the blocks, once."""
        ...

    def channels(self) -> Iterator[np.ndarray]:
        """Yield the blocks of all channels instead, float32 `(n_samples, n_channels)`, once."""
        ...


class Block(NamedTuple):
    """Samples as a microphone or a stream delivers them.

    Attributes:
        samples: Float32 `(n_samples, n_channels)`.
        lost: Seconds of audio right before them that were lost.
    """

    samples: np.ndarray
    lost: float


def read_audio(
    path: str | os.PathLike[str],
    sample_rate: int | None = 16_000,
    *,
    limits: AudioLimits | None = None,
    channel: int | None = None,
) -> np.ndarray:
    """Read an audio file as mono samples.

    It reads the formats of libsndfile: WAV of 8 to 32 bits and float, FLAC, OGG, MP3 and others.
    A WAV may leave its length open, as one that was written to a pipe does; it is read to the end
    of the file. Resampling is soxr's "HQ".

    Args:
        path: The file.
        sample_rate: Rate of the result in Hz. None: the rate of the file.
        limits: Maximum duration and size of the file. Default: 30 minutes and 1 GiB.
        channel: Channel to use, counted from 1. Default: average all channels.

    Returns:
        Samples, float32 `(n_samples,)` in [-1, 1].

    Raises:
        AudioError: If the file is missing, not audio, empty, truncated (where its header declares
            a length; OGG and MP3 may not) or exceeds `limits`, if it has no such channel, or if
            it holds NaN, infinity or values far above full scale.
        ConfigError: If `sample_rate` is not supported.

    Example:
        >>> read_audio("samples/sad/1013_ITH_SAD_XX.wav", 16_000).dtype
        dtype('float32')
    """
    return read_whole(AudioFile(path, limits=limits or AudioLimits(), channel=channel), sample_rate)


def read_audio_bytes(
    content: bytes,
    sample_rate: int | None = 16_000,
    *,
    name: str = "audio in memory",
    limits: AudioLimits | None = None,
) -> np.ndarray:
    """Read the content of an audio file as mono samples, as `read_audio` does.

    Args:
        content: The bytes of the file.
        sample_rate: Rate of the result in Hz. None: the rate of the file.
        name: Name for messages.
        limits: Maximum duration and size. Default: 30 minutes and 1 GiB.

    Returns:
        Samples, float32 `(n_samples,)` in [-1, 1].

    Raises:
        AudioError: If the content cannot be used.
        ConfigError: If `sample_rate` is not supported.
    """
    return read_whole(AudioFile(name, content, limits or AudioLimits()), sample_rate)


def read_whole(audio: AudioSource, sample_rate: int | None) -> np.ndarray:
    """Read all samples of a source.

    Args:
        audio: The source.
        sample_rate: Rate of the result in Hz. None: the rate of the source.

    Returns:
        Samples, float32 `(n_samples,)` in [-1, 1].

    Raises:
        AudioError: If the source cannot be read to its end, or no sample is left.
        ConfigError: If `sample_rate` is not supported.
    """
    target_rate = audio.sample_rate if sample_rate is None else sample_rate
    resampler = StreamResampler(audio.sample_rate, target_rate)
    blocks = [resampler.push(block) for block in audio]
    blocks.append(resampler.push(np.empty(0, np.float32), last=True))
    blocks = [block for block in blocks if len(block)]
    if not blocks:
        raise AudioError(f"{audio.path}: is too short: no sample is left at {target_rate} Hz")
    samples = np.concatenate(blocks) if len(blocks) > 1 else blocks[0]
    return np.clip(samples, -1.0, 1.0, out=samples)  # the resampling filter overshoots


def split_into_blocks(samples: np.ndarray) -> Iterator[np.ndarray]:
    """Yield samples `(n_samples,)` in blocks of the size that files are read in."""
    return (samples[k : k + BLOCK_SAMPLES] for k in range(0, len(samples), BLOCK_SAMPLES))
