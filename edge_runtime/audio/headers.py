"""How many bytes of samples the header of a file announces.

libsndfile reads a file that was cut off as if it ended there, without a word; comparing what is
announced with what is there tells the two apart. FLAC and MP3 are left to their decoders, which
notice as far as these files say how long they are.

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
from .pcm import is_open

MAX_PAGE = 27 + 255 + 255 * 255  # bytes of an OGG page

# More chunks before the samples are no recording, and would keep us busy.
MAX_CHUNKS = 1000

OPEN_64 = (1 << 64) - 1
_W64 = bytes.fromhex("726966662e91cf11a5d628db04c10000")
_W64_DATA = bytes.fromhex("64617461f3acd3118cd100c04f8edb8a")


@dataclass(frozen=True)
class DeclaredSize:
    """What a header, or the last page of an OGG, says of what follows it."""

    position: int  # where they begin
    length: int | None  # bytes; None where it leaves that open, as what is written to a pipe must
    # Where a length of 4 bytes stands that is zero, though samples follow; else None.
    zero_at: int | None = None
    # Of a little-endian WAV: each of its chunks that say how the samples are written.
    formats: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class _Chunks:
    """How the chunks of a container are laid out."""

    header: str  # name and length, as struct has it
    first: int  # where the first begins
    align: int  # to which multiple lengths are padded
    samples: bytes  # the name of the chunk of samples
    included: int = 0  # bytes of the header that its length counts


def declared_size(file: BinaryIO, name: object) -> DeclaredSize | None:
    """What the header of `file` announces; None if it is of another kind or has no samples.

    AudioError, about `name`, for a header that goes on for ever or contradicts itself, and for
    ALAC.
    """
    file.seek(0)
    begin = file.read(40)
    kind, form = begin[:4], begin[8:12]
    if kind in (b"RIFF", b"RIFX", b"RF64", b"BW64") and form == b"WAVE":
        order = ">" if kind == b"RIFX" else "<"
        formats: list[bytes] = []
        found = _find(file, _Chunks(f"{order}4sI", 12, 2, b"data"), name, formats)
        return found and _of_wave(file, begin, order, found, formats, name)
    if kind == b"FORM" and form in (b"AIFF", b"AIFC", b"8SVX", b"16SV"):
        aiff = form.startswith(b"AIF")
        found = _find(file, _Chunks(">4sI", 12, 2, b"SSND" if aiff else b"BODY"), name)
        return found and DeclaredSize(found[0], None if is_open(found[1]) else found[1])
    if begin[:16] == _W64:
        found = _find(file, _Chunks("<16sQ", 40, 8, _W64_DATA, 24), name)
        return found and DeclaredSize(found[0], None if found[1] + 24 >= OPEN_64 else found[1])
    if kind == b"caff":
        if begin[28:32] == b"alac":  # libsndfile's decoder prints to standard output
            raise AudioError(f"{name}: is ALAC, which is not read: convert it to FLAC")
        found = _find(file, _Chunks(">4sQ", 8, 1, b"data"), name)
        return found and DeclaredSize(found[0], None if found[1] == OPEN_64 else found[1])
    if kind in (b".snd", b"dns.") and len(begin) >= 12:
        position, length = struct.unpack(">II" if kind == b".snd" else "<II", begin[4:12])
        return DeclaredSize(position, None if is_open(length) else length)
    if kind == b"OggS":
        return _last_page(file)
    return None


def _find(
    file: BinaryIO, layout: _Chunks, name: object, formats: list[bytes] | None = None
) -> tuple[int, int] | None:
    """Where the samples begin, and how many bytes the header of their chunk says they have.

    What chunks of the name "fmt " hold that come before is appended to `formats`."""
    size = struct.calcsize(layout.header)
    position = layout.first
    for _ in range(MAX_CHUNKS):
        file.seek(position)
        header = file.read(size)
        if len(header) < size:
            return None
        chunk, length = struct.unpack(layout.header, header)
        position += size
        length = max(0, length - layout.included)
        if chunk == layout.samples:
            return position, length
        if formats is not None and chunk == b"fmt ":
            formats.append(file.read(min(length, 64)))
        position += length + -length % layout.align
        if position >= 1 << 62:  # farther than a file can reach
            return None
    raise AudioError(f"{name}: has more than {MAX_CHUNKS} chunks before its samples")


def _of_wave(
    file: BinaryIO,
    begin: bytes,
    order: str,
    found: tuple[int, int],
    formats: list[bytes],
    name: object,
) -> DeclaredSize:
    position, length = found
    if formats and len(formats[-1]) >= 16:
        kind, channels, _, _, frame, bits = struct.unpack(f"{order}HHIIHH", formats[-1][:16])
        # PCM, float, and either of them as extensible. libsndfile would guess which is right.
        if kind in (1, 3, 0xFFFE) and frame != channels * -(-bits // 8):
            raise AudioError(
                f"{name}: contradicts itself: {channels} channels of {bits} bits take "
                f"{channels * -(-bits // 8)} bytes, and its header says {frame}"
            )
    long = begin[:4] in (b"RF64", b"BW64") and begin[12:16] == b"ds64" and len(begin) == 40
    if long and length == 0xFFFF_FFFF:
        length = struct.unpack("<Q", begin[28:36])[0]
        return DeclaredSize(position, None if length in (0, OPEN_64) else length)
    if length:
        plain = tuple(formats) if begin[:4] == b"RIFF" else ()
        return DeclaredSize(position, None if is_open(length) else length, formats=plain)
    end = 8 + struct.unpack(f"{order}I", begin[4:8])[0]
    follows = position < end < file.seek(0, os.SEEK_END) + 2 and not is_open(end - 8)
    # Something that the header knows of follows an empty clip.
    return DeclaredSize(position, 0) if follows else DeclaredSize(position, None, position - 4)


def _last_page(file: BinaryIO) -> DeclaredSize | None:
    """The last page of an OGG, which libsndfile leaves out if it is not whole."""
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - MAX_PAGE)
    file.seek(start)
    end = file.read(MAX_PAGE)
    at = end.rfind(b"OggS")
    header = end[at : at + 27]
    if at < 0:
        return None
    lengths = end[at + 27 : at + 27 + header[26]] if len(header) == 27 else b""
    if len(header) < 27 or len(lengths) < header[26]:
        return DeclaredSize(start + at, MAX_PAGE)  # cut off before it says how long it is
    return DeclaredSize(start + at + 27 + len(lengths), sum(lengths))
