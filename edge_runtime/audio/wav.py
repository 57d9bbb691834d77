"""A reader of 16-bit PCM WAV files without libsndfile.

Most files are of this kind, and importing soundfile takes longer than classifying a clip.
"""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from .headers import DeclaredSize
from .riff import FORMAT_BYTES, PCM, WavFormat


class Pcm16File:
    """An open 16-bit WAV, with the members of `soundfile.SoundFile` that `AudioFile` uses.

    Args:
        file: The file.
        position: Offset of its first sample.
        frames: Samples per channel.
        samplerate: Rate in Hz.
        channels: Number of channels.
    """

    format, subtype = "WAV", "PCM_16"

    def __init__(
        self, file: BinaryIO, position: int, frames: int, samplerate: int, channels: int
    ) -> None:
        self.samplerate, self.channels, self.frames = samplerate, channels, frames
        self._file, self._frames_left = file, frames
        file.seek(position)

    @classmethod
    def open(cls, file: BinaryIO, declared: DeclaredSize | None, size: int) -> Pcm16File | None:
        """Open a file if its header is of the plainest kind and the file is complete.

        Args:
            file: The file.
            declared: The sizes that its header declares.
            size: Its size in bytes.

        Returns:
            The open file, or None if libsndfile must read it.
        """
        if declared is None or len(declared.format_chunks) != 1:
            return None
        (chunk,) = declared.format_chunks
        wav = WavFormat.parse(chunk)
        if wav is None or len(chunk) not in (FORMAT_BYTES, FORMAT_BYTES + 2):
            return None
        if wav.tag != PCM or wav.bits != 16 or wav.n_channels < 1:
            return None
        frame = wav.block_align
        if frame != wav.frame_bytes or wav.byte_rate != wav.sample_rate * frame:
            return None
        length = declared.length
        if not length or length % frame or declared.position + length > size:
            return None
        return cls(file, declared.position, length // frame, wav.sample_rate, wav.n_channels)

    def read(self, frames: int, dtype: str = "int16", always_2d: bool = True) -> np.ndarray:
        """Read the next samples.

        Args:
            frames: Maximum number of samples per channel.
            dtype: Accepted for compatibility with soundfile; samples are int16.
            always_2d: Accepted for compatibility with soundfile.

        Returns:
            Samples, int16 `(n_samples, n_channels)`; n_samples is 0 at the end.
        """
        frames = min(frames, self._frames_left)
        samples = np.frombuffer(self._file.read(2 * frames * self.channels) or b"", "<i2")
        samples = samples[: len(samples) // self.channels * self.channels]
        self._frames_left -= frames
        return samples.reshape(-1, self.channels)

    def __enter__(self) -> Pcm16File:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
