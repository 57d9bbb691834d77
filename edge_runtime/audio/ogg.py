"""The pages and links of an OGG file.

A chained file is several files one after the other, called links.

https://www.rfc-editor.org/rfc/rfc3533
https://xiph.org/flac/ogg_mapping.html (FLAC in OGG)
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

MAX_PAGE_BYTES = 27 + 255 + 255 * 255
SEARCH_BYTES = 1 << 16

_FIRST_PAGE = 2  # flag of the page that begins a logical stream
_FLAC_HEADER = b"\x7fFLAC"
_FLAC_HEADER_BYTES = 9  # before the native FLAC stream


class _Page(NamedTuple):
    start: int
    body: int  # offset of the content
    end: int
    is_first: bool  # of a logical stream
    serial: bytes


class OggLink(NamedTuple):
    """A link of a chained file.

    Attributes:
        start: Offset of its first page.
        end: Offset behind its last page.
        flac: Slices (offset, length) of a native FLAC stream, if it contains one.
    """

    start: int
    end: int
    flac: list[tuple[int, int]]


def links(file: BinaryIO, start: int, size: int) -> Iterator[OggLink]:
    """Yield the links of a file.

    Args:
        file: The file; its position changes.
        start: Offset of the first page.
        size: Size of the file.
    """
    in_header = True  # all logical streams of a link begin before its other pages
    flac_serial: bytes | None = None
    flac: list[tuple[int, int]] = []
    end = start
    for page in _pages(file, start, size):
        if page.is_first and not in_header:
            yield OggLink(start, page.start, flac)
            start, flac, flac_serial = page.start, [], None
        in_header = page.is_first
        if page.is_first and flac_serial is None:
            file.seek(page.body)
            if file.read(len(_FLAC_HEADER)) == _FLAC_HEADER:
                flac_serial = page.serial
                length = max(0, page.end - page.body - _FLAC_HEADER_BYTES)
                flac.append((page.body + _FLAC_HEADER_BYTES, length))
        elif page.serial == flac_serial:
            flac.append((page.body, page.end - page.body))
        end = page.end
    if end > start:
        yield OggLink(start, size, flac)


def _pages(file: BinaryIO, offset: int, size: int) -> Iterator[_Page]:
    """Yield the pages; damaged bytes between them are skipped."""
    while offset < size:
        file.seek(offset)
        header = file.read(27 + 255)
        if header[:4] != b"OggS":
            file.seek(offset)
            at = file.read(SEARCH_BYTES).find(b"OggS")
            offset += SEARCH_BYTES - 3 if at < 0 else at
            continue
        if len(header) < 27 or len(header) < 27 + header[26]:
            return
        body = offset + 27 + header[26]
        end = min(size, body + sum(header[27 : 27 + header[26]]))
        yield _Page(offset, body, end, bool(header[5] & _FIRST_PAGE), header[14:18])
        offset = end


def last_page(file: BinaryIO) -> tuple[int, int] | None:
    """Return the position and declared length of the content of the last page, None without one.

    libsndfile drops the last page if it is incomplete.
    """
    size = file.seek(0, os.SEEK_END)
    start = max(0, size - MAX_PAGE_BYTES)
    file.seek(start)
    tail = file.read(MAX_PAGE_BYTES)
    offset = tail.rfind(b"OggS")
    if offset < 0:
        return None
    header = tail[offset : offset + 27]
    lengths = tail[offset + 27 : offset + 27 + header[26]] if len(header) == 27 else b""
    if len(header) < 27 or len(lengths) < header[26]:
        # Cut off before the page declares its length: any length beyond the file will do.
        return start + offset, MAX_PAGE_BYTES
    return start + offset + 27 + len(lengths), sum(lengths)
