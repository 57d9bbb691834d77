"""Damage to a model file is found: a flipped bit in a weight would give other answers in silence.

The last metadata of the file, and its last bytes, are the CRC-32 of all bytes before. That is for
cards and cables that fail; whoever changes a file on purpose can compute it as well.
"""

from __future__ import annotations

import zlib

from .errors import ModelError

CHECKSUM_KEY = "edge_ser.crc32"

# A StringStringEntryProto, field 14 of a ModelProto: the key, and a value of 8 characters.
_ENTRY = bytes([0x0A, len(CHECKSUM_KEY)]) + CHECKSUM_KEY.encode() + bytes([0x12, 8])
_BEFORE = bytes([0x72, len(_ENTRY) + 8]) + _ENTRY


def sealed(content: bytes) -> bytes:
    """A serialised ONNX model with its checksum at the end."""
    return content + _BEFORE + b"%08x" % zlib.crc32(content)


def check_seal(content: bytes) -> None:
    """ModelError if a file ends with a checksum that is not its own."""
    at = len(content) - len(_BEFORE) - 8
    if at < 0 or content[at:-8] != _BEFORE:
        return  # made before there was one, or by somebody else
    view = memoryview(content)
    if b"%08x" % zlib.crc32(view[:at]) != content[-8:]:
        raise ModelError(
            "is damaged: its content is not what its checksum was made of; copy or export it again"
        )
