"""Search for native FLAC streams in a file.

https://www.rfc-editor.org/rfc/rfc9639
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

# The marker of a stream and the header of its first metadata block, STREAMINFO of 34 bytes.
_SIGNATURES = (b"fLaC\x00\x00\x00\x22", b"fLaC\x80\x00\x00\x22")
_SEARCH_BYTES = 1 << 20


def next_stream(file: BinaryIO, offset: int, size: int) -> int:
    """Return the offset of the next native FLAC stream, or the size of the file."""
    overlap = len(_SIGNATURES[0]) - 1
    for block, at in _blocks(file, offset, overlap):
        hits = [hit for hit in map(block.find, _SIGNATURES) if hit >= 0]
        if hits:
            return at + min(hits)
    return size


def _blocks(file: BinaryIO, offset: int, overlap: int) -> Iterator[tuple[bytes, int]]:
    """Yield overlapping blocks of a file and their offsets."""
    file.seek(offset)
    held = b""
    while data := file.read(_SEARCH_BYTES):
        yield held + data, offset - len(held)
        offset += len(data)
        held = data[-overlap:]
