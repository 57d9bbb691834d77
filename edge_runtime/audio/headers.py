"""The number of bytes of samples that the header of an audio file declares.

libsndfile reads a truncated file without an error, as if it ended there. Comparing the declared
size with the actual one detects the truncation. FLAC and MP3 are left to their decoders, which
detect it as far as these files declare a length.

http://soundfile.sapp.org/doc/WaveFormat/ (RIFF, RIFX)
https://tech.ebu.ch/docs/tech/tech3306v1_1.pdf (RF64, BW64)
https://www.mmsp.ece.mcgill.ca/Documents/AudioFormats/AIFF/AIFF.html (AIFF, AIFC; IFF has BODY)
https://developer.apple.com/library/archive/documentation/MusicAudio/Reference/CAFSpec/ (CAF)
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

from ..errors import AudioError
from .pcm import check_wav_format
from .riff import WavFormat, is_unknown_length

# A file with more chunks before its samples is no recording, and costs time to search.
MAX_CHUNKS = 1000

MAX_FORMAT_BYTES = 64  # that are read of a `fmt ` chunk

UNKNOWN_LENGTH_64 = (1 << 64) - 1
_W64_RIFF = bytes.fromhex("726966662e91cf11a5d628db04c10000")
_W64_DATA = bytes.fromhex("64617461f3acd3118cd100c04f8edb8a")


@dataclass(frozen=True)
class DeclaredSize:
    """The position and size of the samples (for OGG: of the last page) by the header.

    Attributes:
        position: Offset of the first byte.
        length: Number of bytes; None if the header leaves it open, as one written to a pipe must.
        zero_length_at: Offset of a 4-byte length that is zero although samples follow, else None.
        format_chunks: The content of every `fmt ` chunk of a little-endian WAV.
        more: Position and length of each further chunk of samples of a WAV.
        end: Offset behind the last chunk; None if not known.
    """

    position: int
    length: int | None
    zero_length_at: int | None = None
    format_chunks: tuple[bytes, ...] = ()
    more: tuple[tuple[int, int], ...] = ()
    end: int | None = None


@dataclass(frozen=True)
class _ChunkLayout:
    """The layout of the chunks of a container."""

    header: str  # name and length, in the notation of struct
    first: int  # offset of the first chunk
    align: int  # lengths are padded to multiples of this
    samples: bytes  # name of the chunk of samples
    included: int = 0  # bytes of the chunk's header that its length includes


def declared_size(file: BinaryIO, name: object) -> DeclaredSize | None:
    """Read the declared size from the header of a file.

    Args:
        file: The file; its position changes.
        name: Name of the file, for messages.

    Returns:
        The declared size, or None if the file is of another kind or has no samples.

    Raises:
        AudioError: If the header has too many chunks or contradicts itself, or if the file is
            ALAC.
    """
    file.seek(0)
    begin = file.read(40)
    kind, form = begin[:4], begin[8:12]
    if kind in (b"RIFF", b"RIFX", b"RF64", b"BW64") and form == b"WAVE":
        byte_order = ">" if kind == b"RIFX" else "<"
        format_chunks: list[bytes] = []
        layout = _ChunkLayout(f"{byte_order}4sI", 12, 2, b"data")
        chunk = _find_samples(file, layout, name, format_chunks)
        if chunk is None:
            return None
        # libsndfile would guess which of contradicting fields is right.
        wav = WavFormat.parse(format_chunks[-1], byte_order) if format_chunks else None
        if wav is not None:
            check_wav_format(wav, name)
        return _declared_by_wave(file, begin, byte_order, chunk, format_chunks)
    if kind == b"FORM" and form in (b"AIFF", b"AIFC", b"8SVX", b"16SV"):
        samples = b"SSND" if form.startswith(b"AIF") else b"BODY"
        chunk = _find_samples(file, _ChunkLayout(">4sI", 12, 2, samples), name)
        end = 8 + int.from_bytes(begin[4:8], "big")
        return chunk and _declared(*chunk, is_unknown_length(chunk[1]), end)
    if begin[:16] == _W64_RIFF:
        chunk = _find_samples(file, _ChunkLayout("<16sQ", 40, 8, _W64_DATA, 24), name)
        # ffmpeg writes the largest signed number to a pipe.
        return chunk and _declared(*chunk, chunk[1] + 24 >= UNKNOWN_LENGTH_64 >> 1)
    if kind == b"caff":
        if begin[28:32] == b"alac":  # libsndfile's decoder prints to standard output
            raise AudioError(f"{name}: is ALAC, which is not supported: convert it to FLAC")
        chunk = _find_samples(file, _ChunkLayout(">4sQ", 8, 1, b"data"), name)
        return chunk and _declared(*chunk, chunk[1] == UNKNOWN_LENGTH_64)
    if kind in (b".snd", b"dns.") and len(begin) >= 12:
        position, length = struct.unpack(">II" if kind == b".snd" else "<II", begin[4:12])
        return _declared(position, length, is_unknown_length(length), position + length)
    if kind == b"OggS":
        from . import ogg

        page = ogg.last_page(file)
        return page and DeclaredSize(*page)
    return None


def _declared(position: int, length: int, unknown: bool, end: int | None = None) -> DeclaredSize:
    return DeclaredSize(position, None if unknown else length, end=None if unknown else end)


def _find_samples(
    file: BinaryIO, layout: _ChunkLayout, name: object, format_chunks: list[bytes] | None = None
) -> tuple[int, int] | None:
    """Find the chunk of samples.

    Args:
        file: The file.
        layout: The layout of its chunks.
        name: Name of the file, for messages.
        format_chunks: The content of every `fmt ` chunk before the samples is appended to it.

    Returns:
        The position and the declared length of the samples, or None without such a chunk.
    """
    header_bytes = struct.calcsize(layout.header)
    position = layout.first
    for _ in range(MAX_CHUNKS):
        file.seek(position)
        header = file.read(header_bytes)
        if len(header) < header_bytes:
            return None
        chunk, length = struct.unpack(layout.header, header)
        position += header_bytes
        length = max(0, length - layout.included)
        if chunk == layout.samples:
            return position, length
        if format_chunks is not None and chunk == b"fmt ":
            format_chunks.append(file.read(min(length, MAX_FORMAT_BYTES)))
        position += length + -length % layout.align
        if position >= 1 << 62:  # beyond the maximum size of a file
            return None
    raise AudioError(f"{name}: has more than {MAX_CHUNKS} chunks before its samples")


def _declared_by_wave(
    file: BinaryIO,
    begin: bytes,
    byte_order: str,
    chunk: tuple[int, int],
    format_chunks: list[bytes],
) -> DeclaredSize:
    position, length = chunk
    size = file.seek(0, os.SEEK_END)
    is_64_bit = begin[:4] in (b"RF64", b"BW64") and begin[12:16] == b"ds64" and len(begin) == 40
    if is_64_bit and length == 0xFFFF_FFFF:
        (length,) = struct.unpack("<Q", begin[28:36])
        return _declared(position, length, length in (0, UNKNOWN_LENGTH_64))
    plain = tuple(format_chunks) if begin[:4] == b"RIFF" else ()
    if length:
        if is_unknown_length(length):
            return DeclaredSize(position, None, format_chunks=plain)
        if size - position - length >= 1 << 32:  # more than 4 GiB: the 32 bits wrapped
            length += (size - position - length) >> 32 << 32
        more, end = _following_chunks(file, position + length, byte_order, size)
        return DeclaredSize(position, length, None, plain, more, end)
    (riff_length,) = struct.unpack(f"{byte_order}I", begin[4:8])
    end = 8 + riff_length
    # If the header accounts for what follows, that is another chunk, and the clip is empty.
    accounted = position < end < size + 2
    if accounted and not is_unknown_length(riff_length):
        return DeclaredSize(position, 0, format_chunks=plain)
    return DeclaredSize(position, None, position - 4, plain)


def _following_chunks(
    file: BinaryIO, offset: int, byte_order: str, size: int
) -> tuple[tuple[tuple[int, int], ...], int]:
    """Find further chunks of samples of a WAV.

    Returns:
        Position and length of each, and the offset behind the last chunk of any kind.
    """
    more: list[tuple[int, int]] = []
    offset += offset % 2
    for _ in range(MAX_CHUNKS):
        file.seek(offset)
        header = file.read(8)
        if len(header) < 8 or header[:3] == b"RIF" or not header[:4].isascii() or not header[0]:
            break
        name, length = struct.unpack(f"{byte_order}4sI", header)
        if offset + 8 + length > size:
            break
        if name == b"data":
            more.append((offset + 8, length))
        offset += 8 + length + length % 2
    return tuple(more), min(offset, size)
