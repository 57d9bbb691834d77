"""The parser of the RIFF format chunk."""

from __future__ import annotations

import struct

import pytest

from edge_runtime.audio.riff import EXTENSIBLE, FLOAT, PCM, WavFormat, is_unknown_length


@pytest.mark.parametrize("byte_order", ["<", ">"], ids=["RIFF", "RIFX"])
def test_fields_follow_the_specification(byte_order):
    chunk = struct.pack(f"{byte_order}HHIIHH", PCM, 3, 48_000, 432_000, 9, 20)
    wav = WavFormat.parse(chunk + b"extra", byte_order)
    assert wav == (PCM, PCM, 3, 48_000, 432_000, 9, 20)
    assert wav.frame_bytes == 9


def test_extensible_codec_is_in_the_guid():
    chunk = struct.pack("<HHIIHH", EXTENSIBLE, 1, 8000, 32_000, 4, 32)
    guid = struct.pack("<H", FLOAT) + bytes(14)
    assert WavFormat.parse(chunk + bytes(8) + guid).codec == FLOAT
    assert WavFormat.parse(chunk).codec == EXTENSIBLE


def test_short_chunk_has_no_format():
    assert WavFormat.parse(bytes(15)) is None


@pytest.mark.parametrize("length", [0, 0x7FFF_F000, 0x8000_0000, 0xFFFF_FFFF], ids=hex)
def test_markers_of_an_unknown_length(length):
    assert is_unknown_length(length)
    assert not is_unknown_length(length + 36 if length == 0 else length - 0x10_0000)
