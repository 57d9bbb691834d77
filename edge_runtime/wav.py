"""The header of a WAV, and its samples where they are 16-bit PCM, as they mostly are.

http://soundfile.sapp.org/doc/WaveFormat/
"""

from __future__ import annotations

import io
import os
import struct
from typing import BinaryIO, NamedTuple

import numpy as np

PCM = 1  # the kind of whole numbers, not compressed


class Header(NamedTuple):
    """What a WAV says of itself before its samples."""

    end: int  # of the file, in bytes from its start
    start: int  # of the samples
    n_bytes: int  # of the samples
    formats: list[bytes]  # every chunk that says how they are written; one, if all is well


def read_header(file: BinaryIO) -> Header | None:
    """The header of the WAV in `file`; None if there is no WAV or if it has no samples."""
    file.seek(0)
    riff = file.read(12)
    if riff[:4] != b"RIFF" or riff[8:] != b"WAVE":
        return None
    position = 12
    formats: list[bytes] = []
    while len(chunk := file.read(8)) == 8:
        name, length = struct.unpack("<4sI", chunk)
        position += 8
        if name == b"data":
            return Header(8 + struct.unpack("<I", riff[4:8])[0], position, length, formats)
        if name == b"fmt ":
            formats.append(file.read(min(length, 64)))
        position += length + length % 2
        file.seek(position)
    return None


def with_length(content: bytes) -> bytes:
    """A WAV that was written to a pipe with zero for its length, with the largest instead."""
    header = read_header(io.BytesIO(content))
    # Unless something that the header knows of follows.
    if header is None or header.n_bytes or header.end > header.start:
        return content
    return content[: header.start - 4] + b"\xff" * 4 + content[header.start :]


class Pcm16File:
    """A WAV of 16-bit samples, with those members of `soundfile.SoundFile` that we use.

    Importing soundfile takes longer than everything that is done with a clip.
    """

    subtype = "PCM_16"

    def __init__(self, file: BinaryIO, header: Header, rate: int, channels: int) -> None:
        self.samplerate = rate
        self.frames = header.n_bytes // (2 * channels)
        self._file = file
        self._channels = channels
        self._left = self.frames
        file.seek(header.start)

    @classmethod
    def open(cls, file: BinaryIO, header: Header | None) -> Pcm16File | None:
        """The samples in `file`, which is ours from now on; None for what libsndfile had better
        look at: anything but the plainest of headers."""
        if header is None or [len(format) for format in header.formats] not in ([16], [18]):
            return None
        kind, channels, rate, byte_rate, frame_bytes, bits = struct.unpack(
            "<HHIIHH", header.formats[0][:16]
        )
        if kind != PCM or bits != 16 or channels < 1 or frame_bytes != 2 * channels:
            return None
        if byte_rate != rate * frame_bytes or not header.n_bytes or header.n_bytes % frame_bytes:
            return None
        if header.start + header.n_bytes > file.seek(0, os.SEEK_END):
            return None
        return cls(file, header, rate, channels)

    def read(self, frames: int, dtype: str = "int16", always_2d: bool = True) -> np.ndarray:
        """The next samples, int16 `(n, n_channels)`, n of 0 at the end."""
        frames = min(frames, self._left)
        samples = np.frombuffer(self._file.read(2 * frames * self._channels), "<i2")
        samples = samples[: len(samples) // self._channels * self._channels]
        self._left -= frames
        return samples.reshape(-1, self._channels)

    def close(self) -> None:
        self._file.close()
