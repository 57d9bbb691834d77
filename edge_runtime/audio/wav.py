"""A reader of PCM WAV files without libsndfile.

Most files are of this kind, and importing soundfile takes longer than classifying a clip.
"""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from .headers import DeclaredSize
from .pcm import Encoding, decode, wav_encoding
from .riff import EXTENSIBLE, WavFormat

_SUBTYPES = {  # libsndfile's names
    Encoding.u8: "PCM_U8",
    Encoding.s16le: "PCM_16",
    Encoding.s24le: "PCM_24",
    Encoding.s24_4le: "PCM_24",
    Encoding.s32le: "PCM_32",
    Encoding.f32le: "FLOAT",
    Encoding.f64le: "DOUBLE",
    Encoding.mulaw: "ULAW",
    Encoding.alaw: "ALAW",
}


class PcmWavFile:
    """An open WAV of PCM, with the members of `soundfile.SoundFile` that `AudioFile` uses.

    Args:
        file: The file.
        wav: The format in its header.
        encoding: Encoding of its samples.
        chunks: Position and length of each chunk of samples.

    Attributes:
        format: "WAV" or "WAVEX".
        subtype: The encoding, under libsndfile's name.
        frames: Samples per channel.
        samplerate: Rate in Hz.
        channels: Number of channels.
        byte_rate: Bytes per second.
    """

    def __init__(
        self, file: BinaryIO, wav: WavFormat, encoding: Encoding, chunks: list[tuple[int, int]]
    ) -> None:
        self.format = "WAVEX" if wav.tag == EXTENSIBLE else "WAV"
        self.subtype = _SUBTYPES[encoding]
        self.samplerate, self.channels = wav.sample_rate, wav.n_channels
        self._file, self._encoding = file, encoding
        self._frame_bytes = frame_bytes = wav.n_channels * encoding.n_bytes
        self.byte_rate = wav.sample_rate * frame_bytes
        self._chunks = [(start, length // frame_bytes) for start, length in chunks]
        self.frames = sum(n for _, n in self._chunks)

    @classmethod
    def open(cls, file: BinaryIO, declared: DeclaredSize | None, size: int) -> PcmWavFile | None:
        """Open a file if it is a little-endian WAV of PCM with one format.

        Args:
            file: The file.
            declared: The sizes that its header declares.
            size: Its size in bytes.

        Returns:
            The open file, or None if libsndfile must read it.
        """
        if declared is None or len(declared.format_chunks) != 1:
            return None
        wav = WavFormat.parse(declared.format_chunks[0])
        encoding = None if wav is None else wav_encoding(wav)
        if wav is None or encoding is None or not wav.n_channels:
            return None
        available = size - declared.position
        length = available if declared.length is None else min(declared.length, available)
        chunks = [(declared.position, max(0, length)), *declared.more]
        return cls(file, wav, encoding, chunks)

    def read(self, frames: int, dtype: str = "int16", always_2d: bool = True) -> np.ndarray:
        """Read the next samples.

        Args:
            frames: Maximum number of samples per channel.
            dtype: "int16" for 16-bit samples, else "float32".
            always_2d: Accepted for compatibility with soundfile.

        Returns:
            Samples `(n_samples, n_channels)`; n_samples is 0 at the end.
        """
        while self._chunks and not self._chunks[0][1]:
            self._chunks.pop(0)
        data = b""
        if self._chunks:
            start, n_left = self._chunks[0]
            frames = min(frames, n_left)
            self._file.seek(start)
            data = self._file.read(frames * self._frame_bytes) or b""
            self._chunks[0] = start + frames * self._frame_bytes, n_left - frames
        data = data[: len(data) // self._frame_bytes * self._frame_bytes]
        samples = np.frombuffer(data, "<i2") if dtype == "int16" else decode(data, self._encoding)
        return samples.reshape(-1, self.channels)

    def close(self) -> None:
        """Do nothing; the file belongs to the caller."""
