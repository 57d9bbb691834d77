"""Formats that libsndfile does not read, through PyAV (extra `formats`), which contains FFmpeg.

Only containers of recordings are opened, each by its own demuxer: others of FFmpeg follow
references to files and network addresses.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

from ..errors import AudioError
from .other_formats import INSTALL_ADVICE

SIGNATURE_BYTES = 16


def demuxer_of(begin: bytes) -> tuple[str, str] | None:
    """Recognise a format by the first bytes of a file.

    Args:
        begin: The first `SIGNATURE_BYTES` bytes.

    Returns:
        FFmpeg's name of the demuxer and a name for messages, or None.
    """
    if begin[4:8] == b"ftyp":
        return "mov", "3GP" if begin[8:10] == b"3g" else "M4A (MP4)"
    if begin[:4] == b"\x1aE\xdf\xa3":
        return "matroska", "WebM (Matroska)"
    if begin[:5] == b"#!AMR":
        return "amr", "AMR"
    if begin[:4] == b"0&\xb2u":
        return "asf", "WMA"
    if begin[:1] == b"\xff" and len(begin) > 1 and begin[1] & 0xF6 == 0xF0:
        return "aac", "AAC"
    return None


class AvFile:
    """An open file, with the members of `soundfile.SoundFile` that `AudioFile` uses.

    Args:
        file: The file.
        demuxer: FFmpeg's name of its format.
        name: Name of the format.
        path: Name of the file, for messages.

    Attributes:
        format: Name of the format.
        subtype: Name of the codec.
        frames: Samples per channel; -1, as it is not known.
        samplerate: Rate in Hz.
        channels: Number of channels.

    Raises:
        AudioError: If PyAV is not installed, or the file has no audio.
    """

    frames = -1

    def __init__(self, file: BinaryIO, demuxer: str, name: str, path: object) -> None:
        try:
            import av
        except ImportError as error:
            raise AudioError(
                f"{path}: is {name}, which requires the package av: run {INSTALL_ADVICE}, or "
                "convert it: `ffmpeg -i INPUT -ac 1 OUTPUT.wav`"
            ) from error
        file.seek(0, os.SEEK_SET)
        self._container: Any = av.open(file, format=demuxer)
        if not self._container.streams.audio:
            self._container.close()
            raise AudioError(f"{path}: is {name} without an audio stream")
        stream = self._container.streams.audio[0]
        self.format, self.subtype = name, str(stream.codec_context.name).upper()
        self._blocks = self._decoded(av, stream)
        self._held = np.empty((0, 1), np.float32)
        # The header may state the core of an AAC stream only; what is decoded counts.
        self.samplerate, self.channels = 0, 1
        self._rate = 0
        first = next(self._blocks, None)
        if first is None:
            raise AudioError(f"{path}: holds no samples")
        self._held = first
        self.samplerate, self.channels = self._rate, first.shape[1]

    def _decoded(self, av: Any, stream: Any) -> Iterator[np.ndarray]:
        """Yield the samples of each packet, float32 `(n_samples, n_channels)`."""
        resampler = None
        for frame in self._container.decode(stream):
            if resampler is None:
                self._rate = frame.sample_rate
                resampler = av.AudioResampler("flt", frame.layout, frame.sample_rate)
                n_channels = len(frame.layout.channels)
            for part in resampler.resample(frame):
                yield part.to_ndarray().reshape(-1, n_channels)
        if resampler is not None:
            for part in resampler.resample(None):
                yield part.to_ndarray().reshape(-1, n_channels)

    def read(self, frames: int, dtype: str = "float32", always_2d: bool = True) -> np.ndarray:
        """Read the next samples.

        Args:
            frames: Maximum number of samples per channel.
            dtype: Accepted for compatibility with soundfile; samples are float32.
            always_2d: Accepted for compatibility with soundfile.

        Returns:
            Samples `(n_samples, n_channels)`; n_samples is 0 at the end.
        """
        blocks, n_held = [self._held], len(self._held)
        while n_held < frames and (block := next(self._blocks, None)) is not None:
            blocks.append(block)
            n_held += len(block)
        samples = np.concatenate(blocks)
        self._held = samples[frames:]
        return samples[:frames]

    def close(self) -> None:
        """Close the file."""
        self._container.close()
