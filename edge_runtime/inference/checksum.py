"""A checksum in the model file, because a flipped bit in a weight changes answers without an error.

The last bytes of the file are the CRC-32 of all bytes before them, in a ModelProto field that ONNX
does not define and every reader skips. It protects against failing memory cards and transfers, not
against deliberate changes: anyone can recompute it.
"""

from __future__ import annotations

import zlib

from ..errors import ModelError

# Field 9001, length-delimited: https://protobuf.dev/programming-guides/encoding/
_TAG = 9001 << 3 | 2
_NAME = b"edge_ser.crc32="
_PREFIX = bytes([_TAG & 0x7F | 0x80, _TAG >> 7 & 0x7F | 0x80, _TAG >> 14, len(_NAME) + 8]) + _NAME

CHECKSUM_LENGTH = len(_PREFIX) + 8  # bytes


def add_checksum(content: bytes) -> bytes:
    """Return a serialised ONNX model with its checksum appended."""
    return content + _PREFIX + b"%08x" % zlib.crc32(content)


def verify_checksum(content: bytes) -> str:
    """Verify the checksum of a model file.

    Args:
        content: The whole file. A file without a checksum is accepted.

    Returns:
        The CRC-32 of the content without the checksum field, 8 hexadecimal digits.

    Raises:
        ModelError: If the stored checksum differs from the computed one.
    """
    end = len(content) - CHECKSUM_LENGTH
    if end < 0 or content[end:-8] != _PREFIX:  # not written by `export`
        return f"{zlib.crc32(content):08x}"
    checksum = f"{zlib.crc32(memoryview(content)[:end]):08x}"
    if checksum.encode() != content[-8:]:
        raise ModelError(
            "checksum mismatch: the file is damaged or was changed after its export; copy or "
            "export it again"
        )
    return checksum
