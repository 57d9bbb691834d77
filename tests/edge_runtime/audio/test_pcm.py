"""PCM in chunks against libsndfile."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime import AudioError, ConfigError
from edge_runtime.audio.pcm import Encoding, PcmFormat, mono
from edge_runtime.audio.pcm_reader import PcmReader

SUBTYPES = {
    "PCM_U8": Encoding.u8,
    "PCM_16": Encoding.s16le,
    "PCM_24": Encoding.s24le,
    "PCM_32": Encoding.s32le,
    "FLOAT": Encoding.f32le,
    "DOUBLE": Encoding.f64le,
    "ULAW": Encoding.mulaw,
    "ALAW": Encoding.alaw,
}


def signal(n: int, channels: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.9, 0.9, (n, channels))


def encoded(samples: np.ndarray, subtype: str, format: str = "WAV", endian: str = "FILE") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, 16_000, subtype=subtype, format=format, endian=endian)
    return file.getvalue()


def read_in(reader: PcmReader, data: bytes, sizes: list[int]) -> np.ndarray:
    pieces, start, k = [], 0, 0
    while start < len(data):
        size = sizes[k % len(sizes)]
        pieces.append(reader.push(data[start : start + size]))
        start, k = start + size, k + 1
    reader.close()
    return np.concatenate([piece for piece in pieces if len(piece)])


@settings(max_examples=60, deadline=None)
@given(
    subtype=st.sampled_from(sorted(SUBTYPES)),
    channels=st.integers(1, 3),
    kind=st.sampled_from(["WAV", "WAVEX"]),
    sizes=st.lists(st.integers(1, 40), min_size=1),
)
def test_chunked_wav_equals_libsndfile(subtype, channels, kind, sizes):
    data = encoded(signal(50, channels), subtype, kind)
    expected, _ = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    reader = PcmReader()
    np.testing.assert_array_equal(read_in(reader, data, sizes), expected)
    assert reader.format == PcmFormat(16_000, channels, SUBTYPES[subtype])
    assert reader.ended


@pytest.mark.parametrize(
    ("encoding", "subtype", "endian"),
    [(e.value, s, "FILE") for s, e in SUBTYPES.items()]
    + [("s8", "PCM_S8", "FILE"), ("s16be", "PCM_16", "BIG")],
)
def test_chunked_raw_pcm_equals_libsndfile(encoding, subtype, endian):
    data = encoded(signal(50, 2), subtype, "RAW", endian)
    expected, _ = soundfile.read(
        io.BytesIO(data),
        dtype="float32",
        samplerate=16_000,
        channels=2,
        subtype=subtype,
        format="RAW",
        endian=endian,
    )
    reader = PcmReader(PcmFormat(16_000, 2, Encoding(encoding)))
    np.testing.assert_array_equal(read_in(reader, data, [3, 1, 7]), expected)


@pytest.mark.parametrize("length", [0, 0x7FFF_F000, 0xFFFF_FFFF], ids=hex)
def test_wav_of_unknown_length_ends_with_the_input(length):
    data = encoded(signal(50), "PCM_16")
    at = data.index(b"data")
    open_end = data[: at + 4] + struct.pack("<I", length) + data[at + 8 :]
    reader = PcmReader()
    assert len(read_in(reader, open_end, [13])) == 50
    assert reader.declared is None and not reader.ended


def test_truncated_wav_is_an_error_at_the_end():
    data = encoded(signal(16_000), "PCM_16")
    reader = PcmReader(name="a pipe")
    assert len(reader.push(data[: -2 * 4000 - 1])) == 11_999
    with pytest.raises(AudioError, match=r"a pipe: is truncated: .* 1\.00 s, got 0\.75 s"):
        reader.close()


def test_other_chunks_are_skipped():
    data = encoded(signal(50), "PCM_16")
    at = data.index(b"data")
    data = data[:at] + b"LIST" + struct.pack("<I", 5) + b"INFO!\0" + data[at:] + b"LIST" * 20
    reader = PcmReader()
    assert len(read_in(reader, data, [1])) == 50
    assert reader.ended


def test_shape_follows_the_format_chunk():
    data = encoded(signal(50, 2), "PCM_16")
    reader = PcmReader()
    assert reader.push(data[:20]).shape == (0, 1)
    assert reader.push(data[20:38]).shape == (0, 2)
    assert reader.push(data[38:]).shape == (50, 2)


def test_incomplete_last_sample_is_dropped():
    reader = PcmReader(PcmFormat(16_000, 2, Encoding.s24le))
    assert len(read_in(reader, bytes(6 * 10 + 5), [4])) == 10


UNSUPPORTED = {
    "ogg": (b"OggS" + bytes(40), "not a WAV stream"),
    "avi": (b"RIFF\0\0\0\0AVI " + bytes(40), "not a WAV stream"),
    "empty": (b"", "is empty"),
    "cut in the RIFF header": (b"RIFF\0\0", "ends within the WAV header"),
    "cut after the RIFF header": (b"RIFF\0\0\0\0WAVE", "ends within the WAV header"),
    "no format": (b"RIFF\0\0\0\0WAVEdata\0\0\0\0", "samples precede its format"),
    "short format": (b"RIFF\0\0\0\0WAVEfmt \4\0\0\0" + bytes(4), "format chunk of 4 bytes"),
    "ADPCM": (encoded(signal(9), "IMA_ADPCM"), "codec 17 with 4 bits"),
    "rate 0": (encoded(signal(9), "PCM_16").replace(b"\x80>\0\0", bytes(4)), "sample_rate=0"),
    "nan": (encoded(np.array([[np.nan]]), "FLOAT"), "NaN"),
}


@pytest.mark.parametrize(("data", "message"), UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_unsupported_input_is_an_error(data, message):
    reader = PcmReader(name="a pipe")
    with pytest.raises(AudioError, match=message) as caught:
        reader.push(data)
        reader.close()
    assert str(caught.value).startswith("a pipe: ")


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80), st.booleans())
def test_any_bytes_are_samples_or_an_error(data, riff):
    reader = PcmReader()
    try:
        reader.push(b"RIFF\0\0\0\0WAVE" + data if riff else data)
        reader.close()
    except AudioError:
        pass


def test_channels_are_averaged_or_selected():
    samples = signal(10, 2).astype(np.float32)
    np.testing.assert_allclose(mono(samples), (samples[:, 0] + samples[:, 1]) / 2, atol=1e-7)
    np.testing.assert_array_equal(mono(samples, 2), samples[:, 1])
    with pytest.raises(ConfigError, match="channel 3 does not exist"):
        mono(samples, 3)


def test_invalid_format_is_refused():
    with pytest.raises(ConfigError, match="sample_rate=10 "):
        PcmFormat(10)
    with pytest.raises(ConfigError, match="channels=0"):
        PcmFormat(16_000, 0)
