"""A read-only view of parts of a file as one file."""

from __future__ import annotations

import bisect
import io
import itertools
import os
from collections.abc import Sequence
from typing import BinaryIO

# A part is bytes, or the offset and length of a slice of the file.
Part = bytes | tuple[int, int]


class VirtualFile(io.RawIOBase):
    """Parts of a file, one after the other, as one file.

    libsndfile handles no exceptions and seeks wherever a header points, so that neither reading nor
    seeking raises.

    Args:
        file: The file.
        parts: Bytes, or offsets and lengths of slices of the file.
        claimed_size: Size that seeking to the end reports; the file is padded with zeros only in
            its last 128 bytes. Default: the true size.

    Example:
        >>> VirtualFile(io.BytesIO(b"abcdef"), [b"12", (2, 3)]).read(4)
        b'12cd'
    """

    def __init__(
        self, file: BinaryIO, parts: Sequence[Part], claimed_size: int | None = None
    ) -> None:
        self._file = file
        self._parts = parts
        lengths = [len(part) if isinstance(part, bytes) else part[1] for part in parts]
        self._ends = list(itertools.accumulate(lengths))
        self._true_size = self._ends[-1] if parts else 0
        self._size = self._true_size if claimed_size is None else claimed_size
        self._position = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Seek as in other files; a position that no file can have has no effect."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        if 0 <= base + offset < 1 << 62:
            self._position = base + offset
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        """Fill a buffer as far as possible, also across parts, and return the number of bytes."""
        view = memoryview(buffer).cast("B")
        n_read = 0
        while n_read < len(view) and (data := self._read_part(len(view) - n_read)):
            view[n_read : n_read + len(data)] = data
            n_read += len(data)
            self._position += len(data)
        return n_read

    def _read_part(self, size: int) -> bytes:
        """Read from the part at the position."""
        k = bisect.bisect_right(self._ends, self._position)
        if k == len(self._ends):
            if self._true_size <= self._size - 128 <= self._position < self._size:
                return bytes(min(size, self._size - self._position))
            return b""
        part = self._parts[k]
        length = len(part) if isinstance(part, bytes) else part[1]
        start = self._position - (self._ends[k] - length)
        size = min(size, length - start)
        if isinstance(part, bytes):
            return part[start : start + size]
        try:
            self._file.seek(part[0] + start)
            return self._file.read(size) or b""
        except (OSError, ValueError, OverflowError):
            return b""
