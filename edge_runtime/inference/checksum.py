"""Damage to a model file is found: a flipped bit in a weight would give other answers in silence.

The last bytes of the file are the CRC-32 of all bytes before, as a field of the ModelProto that
ONNX does not know and every reader skips. That is for cards and cables that fail; whoever changes a
file on purpose can compute it as well.
"""

from __future__ import annotations

import zlib

from ..errors import ModelError

# Field 9001, of a length that follows: https://protobuf.dev/programming-guides/encoding/
_TAG = 9001 << 3 | 2
_NAME = b"edge_ser.crc32="
_BEFORE = bytes([_TAG & 0x7F | 0x80, _TAG >> 7 & 0x7F | 0x80, _TAG >> 14, len(_NAME) + 8]) + _NAME

SEAL_LENGTH = len(_BEFORE) + 8


def sealed(content: bytes) -> bytes:
    """A serialised ONNX model with its checksum at the end."""
    return content + _BEFORE + b"%08x" % zlib.crc32(content)


def check_seal(content: bytes) -> str:
    """The CRC-32 of a model file, but for the seal at its end; ModelError if that is another."""
    at = len(content) - SEAL_LENGTH
    if at < 0 or content[at:-8] != _BEFORE:  # made before there was one, or by somebody else
        return f"{zlib.crc32(content):08x}"
    found = f"{zlib.crc32(memoryview(content)[:at]):08x}"
    if found.encode() != content[-8:]:
        raise ModelError(
            "is damaged, or was changed after its export: its content is not that of its checksum; "
            "copy or export it again"
        )
    return found
