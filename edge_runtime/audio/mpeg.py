"""The streams of an MPEG audio file (MP1, MP2, MP3).

Such a file is a sequence of frames without a length. A first frame of Xing, Info or VBRI declares
one; without it libsndfile guesses the length from the size of the file. A file may hold several
streams one after the other.

http://www.mp3-tech.org/programmer/frame_header.html (frames)
http://gabriel.mp3-tech.org/mp3infotag.html (Xing, Info)
https://id3.org/id3v2.4.0-structure (ID3v2)
"""

from __future__ import annotations

import struct
from typing import BinaryIO, NamedTuple

# Frames are searched this far behind tags and zeros.
MAX_SEARCH_BYTES = 1 << 16
# Consecutive frames that distinguish audio from random bytes.
MIN_FRAMES = 3
MAX_TAGS = 100
READ_BYTES = 1 << 16

_BIT_RATES = {  # kbit/s: (is MPEG 1, layer): by index
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


class FrameHeader(NamedTuple):
    """The fields of a frame header.

    Attributes:
        version: 3 for MPEG 1, 2 for MPEG 2, 0 for MPEG 2.5.
        layer: 1, 2 or 3.
        rate: Sample rate in Hz.
        n_channels: 1 or 2.
        n_bytes: Length of the frame.
    """

    version: int
    layer: int
    rate: int
    n_channels: int
    n_bytes: int

    @property
    def stream_format(self) -> tuple[int, int, int, int]:
        """Fields that all frames of a stream share: version, layer, rate and number of channels."""
        return self[:4]


class MpegStream(NamedTuple):
    """A stream of an MPEG audio file.

    Attributes:
        start: Offset of its first frame.
        end: Offset behind its last frame.
        is_declared: True if its first frame declares the length.
    """

    start: int
    end: int
    is_declared: bool


def parse_frame(header: bytes) -> FrameHeader | None:
    """Parse the four bytes of a frame header; return None if they are not one.

    Frames of a free bit rate do not declare their length and are not supported.
    """
    if len(header) < 4 or header[0] != 0xFF or header[1] < 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bit_rate, rate = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer == 4 or bit_rate in (0, 15) or rate == 3:
        return None
    hertz = _RATES[version][rate]
    bits = 1000 * _BIT_RATES[version == 3, layer][bit_rate]
    padding = header[2] >> 1 & 1
    if layer == 1:
        n_bytes = 4 * (12 * bits // hertz + padding)
    else:
        n_bytes = (72 if layer == 3 and version != 3 else 144) * bits // hertz + padding
    return FrameHeader(version, layer, hertz, 1 if header[3] >> 6 == 3 else 2, n_bytes)


def find_stream(file: BinaryIO, start: int, size: int, is_known: bool = False) -> MpegStream | None:
    """Find the next stream of a file.

    Args:
        file: The file; its position changes.
        start: Offset where the search starts. Tags and zeros are skipped.
        size: Size of the file.
        is_known: The file is known to be MPEG audio: frames may also follow other bytes.

    Returns:
        The stream, or None.
    """
    offset, is_tagged = skip_tags(file, start, size)
    file.seek(offset)
    begin = file.read(MAX_SEARCH_BYTES if is_known or is_tagged else 4)
    at = begin.find(b"\xff")
    while at >= 0:
        if parse_frame(begin[at : at + 4]) and _n_frames(file, offset + at, size) >= MIN_FRAMES:
            return _stream_at(file, offset + at, size)
        at = begin.find(b"\xff", at + 1)
    return None


def skip_tags(file: BinaryIO, offset: int, size: int) -> tuple[int, bool]:
    """Skip tags and zeros.

    Returns:
        The offset behind them, and whether an ID3v2 tag was among them.
    """
    is_tagged = False
    for _ in range(MAX_TAGS):
        file.seek(offset)
        begin = file.read(READ_BYTES)
        if begin[:3] == b"ID3" and len(begin) >= 10:
            length = 0
            for byte in begin[6:10]:
                length = length << 7 | byte & 0x7F
            offset += 10 + length + 10 * (begin[5] >> 4 & 1)
            is_tagged = True
        elif begin[:3] == b"TAG" and offset + 128 <= size:
            offset += 128
        elif begin[:8] == b"APETAGEX" and len(begin) >= 24:
            (length,) = struct.unpack("<I", begin[12:16])
            # The length includes the footer, but not the header that precedes the tag.
            offset += 32 + (length if begin[23] >> 5 & 1 else 0)
        elif begin[:1] == b"\0":
            offset += len(begin) - len(begin.lstrip(b"\0"))
        else:
            break
    return offset, is_tagged


def _n_frames(file: BinaryIO, offset: int, size: int) -> int:
    """Return the number of consecutive frames at an offset, MIN_FRAMES at most.

    The end of the file counts as a frame.
    """
    first = None
    for count in range(MIN_FRAMES):
        if first is not None and offset >= size:
            return MIN_FRAMES
        file.seek(offset)
        header = parse_frame(file.read(4))
        first = first or header
        if header is None or first is None or header.stream_format != first.stream_format:
            return count
        offset += header.n_bytes
    return MIN_FRAMES


def _stream_at(file: BinaryIO, start: int, size: int) -> MpegStream:
    file.seek(start)
    begin = file.read(256)
    declared = _declared_length(begin)
    if declared is None:
        return MpegStream(start, _end_of_frames(file, start, size), False)
    # A stream without the number of its bytes ends where its frames do.
    end = start + declared if declared else _end_of_frames(file, start, size)
    return MpegStream(start, min(end, size), True)


def _declared_length(begin: bytes) -> int | None:
    """Return the number of bytes that a frame of Xing, Info or VBRI declares.

    Returns:
        The bytes, 0 if the frame declares only the number of frames, or None for another frame.
    """
    header = parse_frame(begin[:4])
    if header is None or header.layer != 3:
        return None
    if header.version == 3:
        at = 4 + (17 if header.n_channels == 1 else 32)
    else:
        at = 4 + (9 if header.n_channels == 1 else 17)
    if begin[36:40] == b"VBRI" and len(begin) >= 54:
        return int.from_bytes(begin[46:50], "big")
    if begin[at : at + 4] not in (b"Xing", b"Info") or len(begin) < at + 16:
        return None
    (flags,) = struct.unpack(">I", begin[at + 4 : at + 8])
    if not flags & 1:  # the number of frames is missing
        return None
    return int.from_bytes(begin[at + 12 : at + 16], "big") if flags & 2 else 0


def _end_of_frames(file: BinaryIO, start: int, size: int) -> int:
    """Return the end of the consecutive frames of one format at an offset."""
    offset = start
    block_at, block = start, b""
    first = None
    while offset < size:
        if offset + 256 > block_at + len(block):
            file.seek(offset)
            block_at, block = offset, file.read(READ_BYTES)
        at = offset - block_at
        header = parse_frame(block[at : at + 4])
        if header is None:
            break
        first = first or header
        if header.stream_format != first.stream_format:
            break
        if offset > start and _declared_length(block[at : at + 256]) is not None:
            break  # the first frame of another stream
        offset += header.n_bytes
    return min(offset, size)
