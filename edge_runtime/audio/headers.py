"""The number of bytes of samples that the header of an audio file declares.

libsndfile reads a truncated file without an error, as if it ended there. Comparing the declared
size with the actual one detects the truncation. FLAC and MP3 are left to their decoders, which
detect it as far as these files declare a length.

http://soundfile.sapp.org/doc/WaveFormat/ (RIFF, RIFX)
https://tech.ebu.ch/docs/tech/tech3306v1_1.pdf (RF64, BW64)
https://www.mmsp.ece.mcgill.ca/Documents/AudioFormats/AIFF/AIFF.html (AIFF, AIFC; IFF has BODY)
https://developer.apple.com/library/archive/documentation/MusicAudio/Reference/CAFSpec/ (CAF)
https://www.rfc-editor.org/rfc/rfc3533 (OGG)
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import BinaryIO

from ..errors import AudioError
from .riff import EXTENSIBLE, FLOAT, PCM, WavFormat, is_unknown_length

MAX_OGG_PAGE_BYTES = 27 + 255 + 255 * 255

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
    """

    position: int
    length: int | None
    zero_length_at: int | None = None
    format_chunks: tuple[bytes, ...] = ()


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
        _check_format(format_chunks, byte_order, name)
        return _declared_by_wave(file, begin, byte_order, chunk, format_chunks)
    if kind == b"FORM" and form in (b"AIFF", b"AIFC", b"8SVX", b"16SV"):
        samples = b"SSND" if form.startswith(b"AIF") else b"BODY"
        chunk = _find_samples(file, _ChunkLayout(">4sI", 12, 2, samples), name)
        return chunk and _declared(*chunk, is_unknown_length(chunk[1]))
    if begin[:16] == _W64_RIFF:
        chunk = _find_samples(file, _ChunkLayout("<16sQ", 40, 8, _W64_DATA, 24), name)
        return chunk and _declared(*chunk, chunk[1] + 24 >= UNKNOWN_LENGTH_64)
    if kind == b"caff":
        if begin[28:32] == b"alac":  # libsndfile's decoder prints to standard output
            raise AudioError(f"{name}: is ALAC, which is not supported: convert it to FLAC")
        chunk = _find_samples(file, _ChunkLayout(">4sQ", 8, 1, b"data"), name)
        return chunk and _declared(*chunk, chunk[1] == UNKNOWN_LENGTH_64)
    if kind in (b".snd", b"dns.") and len(begin) >= 12:
        position, length = struct.unpack(">II" if kind == b".snd" else "<II", begin[4:12])
        return _declared(position, length, is_unknown_length(length))
    if kind == b"OggS":
        return _last_ogg_page(file)
    return None


def _declared(position: int, length: int, unknown: bool) -> DeclaredSize:
    return DeclaredSize(position, None if unknown else length)


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


def _check_format(format_chunks: list[bytes], byte_order: str, name: object) -> None:
    """Raise AudioError for a frame size that contradicts the channels and bits.

    libsndfile would guess which of them is right.
    """
    wav = WavFormat.parse(format_chunks[-1], byte_order) if format_chunks else None
    if wav is None or wav.tag not in (PCM, FLOAT, EXTENSIBLE):
        return
    if wav.block_align != wav.frame_bytes:
        raise AudioError(
            f"{name}: contradicts itself: {wav.n_channels} channels of {wav.bits} bits take "
            f"{wav.frame_bytes} bytes, but its header declares {wav.block_align}"
        )


def _declared_by_wave(
    file: BinaryIO,
    begin: bytes,
    byte_order: str,
    chunk: tuple[int, int],
    format_chunks: list[bytes],
) -> DeclaredSize:
    position, length = chunk
    is_64_bit = begin[:4] in (b"RF64", b"BW64") and begin[12:16] == b"ds64" and len(begin) == 40
    if is_64_bit and length == 0xFFFF_FFFF:
        (length,) = struct.unpack("<Q", begin[28:36])
        return _declared(position, length, length in (0, UNKNOWN_LENGTH_64))
    if length:
        plain = tuple(format_chunks) if begin[:4] == b"RIFF" else ()
        unknown = is_unknown_length(length)
        return DeclaredSize(position, None if unknown else length, format_chunks=plain)
    (riff_length,) = struct.unpack(f"{byte_order}I", begin[4:8])
    end = 8 + riff_length
    # If the header accounts for what follows, that is another chunk, and the clip is empty.
    accounted = position < end < file.seek(0, os.SEEK_END) + 2
    if accounted and not is_unknown_length(riff_length):
        return DeclaredSize(position, 0)
    return DeclaredSize(position, None, zero_length_at=position - 4)


def _last_ogg_page(file: BinaryIO) -> DeclaredSize | None:
    """Return the extent of the last page of an OGG, which libsndfile drops if it is incomplete."""
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - MAX_OGG_PAGE_BYTES)
    file.seek(start)
    tail = file.read(MAX_OGG_PAGE_BYTES)
    offset = tail.rfind(b"OggS")
    if offset < 0:
        return None
    header = tail[offset : offset + 27]
    lengths = tail[offset + 27 : offset + 27 + header[26]] if len(header) == 27 else b""
    if len(header) < 27 or len(lengths) < header[26]:
        # Cut off before the page declares its length: any length beyond the file will do.
        return DeclaredSize(start + offset, MAX_OGG_PAGE_BYTES)
    return DeclaredSize(start + offset + 27 + len(lengths), sum(lengths))
