"""The samples of a WAV that are 16-bit PCM, as they mostly are, without libsndfile.

Importing soundfile takes longer than everything that is done with a clip.
"""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np

from .headers import DeclaredSize

PCM = 1  # the kind of whole numbers, not compressed


class Pcm16File:
    """What `soundfile.SoundFile` would be, with those of its members that we use."""

    format, subtype = "WAV", "PCM_16"

    def __init__(self, file: Any, position: int, frames: int, rate: int, channels: int) -> None:
        self.samplerate, self.channels, self.frames = rate, channels, frames
        self._file, self._left = file, frames
        file.seek(position)

    @classmethod
    def open(
        cls, file: io.FileIO | io.BytesIO, announced: DeclaredSize | None, size: int
    ) -> Pcm16File | None:
        """The samples in `file`, of `size` bytes; None for what libsndfile had better look at:
        anything but the plainest of headers, with all that it announces."""
        if announced is None or [len(format) for format in announced.formats] not in ([16], [18]):
            return None
        kind, channels, rate, byte_rate, frame, bits = struct.unpack(
            "<HHIIHH", announced.formats[0][:16]
        )
        length = announced.length
        if kind != PCM or bits != 16 or channels < 1 or frame != 2 * channels:
            return None
        if byte_rate != rate * frame or not length or length % frame:
            return None
        if announced.position + length > size:
            return None
        return cls(file, announced.position, length // frame, rate, channels)

    def read(self, frames: int, dtype: str = "int16", always_2d: bool = True) -> np.ndarray:
        """The next samples, int16 `(n, n_channels)`, n of 0 at the end."""
        frames = min(frames, self._left)
        samples = np.frombuffer(self._file.read(2 * frames * self.channels) or b"", "<i2")
        samples = samples[: len(samples) // self.channels * self.channels]
        self._left -= frames
        return samples.reshape(-1, self.channels)

    def __enter__(self) -> Pcm16File:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
