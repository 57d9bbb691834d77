"""The `fmt ` chunk of RIFF files (WAV, RIFX, RF64), and lengths that a header leaves open.

http://soundfile.sapp.org/doc/WaveFormat/
"""

from __future__ import annotations

import struct
from typing import NamedTuple

PCM, FLOAT, ALAW, MULAW, MP2, MP3, EXTENSIBLE = 1, 3, 6, 7, 0x50, 0x55, 0xFFFE  # format tags

FORMAT_BYTES = 16  # of the fields that every `fmt ` chunk has


class WavFormat(NamedTuple):
    """The fields of a `fmt ` chunk, as they are stored.

    Attributes:
        tag: The format tag, such as `PCM`, `FLOAT` or `EXTENSIBLE`.
        codec: The tag, or for `EXTENSIBLE` the one that its GUID begins with.
        n_channels: Number of channels.
        sample_rate: Rate in Hz.
        byte_rate: Bytes per second.
        block_align: Bytes of one sample of every channel.
        bits: Bits of one sample.
    """

    tag: int
    codec: int
    n_channels: int
    sample_rate: int
    byte_rate: int
    block_align: int
    bits: int

    @classmethod
    def parse(cls, chunk: bytes, byte_order: str = "<") -> WavFormat | None:
        """Parse the content of a `fmt ` chunk.

        Args:
            chunk: The content, without name and length.
            byte_order: "<" for RIFF, ">" for RIFX.

        Returns:
            The fields, or None if the chunk is too short. The values are not checked.

        Example:
            >>> WavFormat.parse(struct.pack("<HHIIHH", 1, 2, 16_000, 64_000, 4, 16)).n_channels
            2
        """
        if len(chunk) < FORMAT_BYTES:
            return None
        tag, *fields = struct.unpack(f"{byte_order}HHIIHH", chunk[:FORMAT_BYTES])
        codec = tag
        if tag == EXTENSIBLE and len(chunk) >= 26:
            (codec,) = struct.unpack(f"{byte_order}H", chunk[24:26])
        return cls(tag, codec, *fields)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel, computed from the bits of a sample."""
        return self.n_channels * -(-self.bits // 8)


def is_unknown_length(length: int) -> bool:
    """Return True for a 32-bit length that stands for an unknown one.

    Programs that write to a pipe store zero, or about the largest signed or unsigned number:
    sox 0x7FFFF000, arecord 0x80000000, ffmpeg 0xFFFFFFFF.
    """
    return length == 0 or 0x7FFF_0000 <= length <= 0x8000_1000 or length >= 0xFFFF_0000
