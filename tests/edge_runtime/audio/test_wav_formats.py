"""Unusual sample formats of WAV, in files and on standard input."""

from __future__ import annotations

import shutil
import struct
import subprocess

import numpy as np
import pytest
from support import encoders, hostile

from edge_runtime import AudioError, read_audio
from edge_runtime.audio.pcm import Encoding, PcmFormat
from edge_runtime.audio.pcm_reader import PcmReader

VALUES = np.array([0, 1, -1, 1 << 22, -(1 << 22), (1 << 23) - 1, -(1 << 23)], "<i4")


def as_file(content: bytes, tmp_path) -> np.ndarray:
    path = tmp_path / "clip.wav"
    path.write_bytes(content)
    return read_audio(path)


def as_pipe(content: bytes, tmp_path) -> np.ndarray:
    reader = PcmReader()
    samples = np.concatenate([reader.push(content[k : k + 7]) for k in range(0, len(content), 7)])
    reader.close()
    return samples.mean(axis=1)


both = pytest.mark.parametrize("read", [as_file, as_pipe])


@both
@pytest.mark.parametrize("top", [0, 0x7F000000], ids=["zeros on top", "noise on top"])
def test_arecord_stores_24_bits_in_the_lower_bytes(tmp_path, read, top):
    data = ((VALUES & 0xFFFFFF) | top).astype("<i4").tobytes()
    samples = read(hostile.wav(data, bits=24, align=4), tmp_path)
    np.testing.assert_array_equal(samples, VALUES / 2**23)


@both
@pytest.mark.parametrize("bits", [24, 32])
def test_extensible_format_stores_24_bits_in_the_upper_bytes(tmp_path, read, bits):
    extra = hostile.extensible(hostile.PCM_GUID, valid_bits=24)
    data = (VALUES << 8).astype("<i4").tobytes()
    content = hostile.wav(data, kind=0xFFFE, bits=bits, align=4, fmt_size=40, extra=extra)
    np.testing.assert_array_equal(read(content, tmp_path), VALUES / 2**23)


@both
@pytest.mark.parametrize(("bits", "n_bytes"), [(12, 2), (20, 3), (14, 2), (30, 4)])
def test_other_bits_are_stored_in_the_upper_ones(tmp_path, read, bits, n_bytes):
    values = (VALUES >> (24 - bits) << (8 * n_bytes - bits)) if bits <= 24 else VALUES << 8
    data = b"".join(int(v).to_bytes(n_bytes, "little", signed=True) for v in values)
    samples = read(hostile.wav(data, bits=bits, align=n_bytes), tmp_path)
    np.testing.assert_allclose(samples, VALUES / 2**23, atol=2.0 ** (1 - min(bits, 24)))


@both
@pytest.mark.parametrize("codec", ["pcm_mulaw", "pcm_alaw", "pcm_u8", "pcm_s24le", "pcm_f64le"])
def test_wav_of_ffmpeg_is_read(tmp_path, read, codec):
    source = encoders.write_source(tmp_path / "source.wav", seconds=0.1)
    target = encoders.run(f"ffmpeg -i {{}} -c:a {codec}", source, tmp_path / "coded.wav")
    samples = read(target.read_bytes(), tmp_path)
    assert np.corrcoef(samples, read_audio(source))[0, 1] > 0.99


@pytest.mark.parametrize("encoding", ["mulaw", "alaw", "s24le"])
def test_raw_encoding_equals_ffmpeg(tmp_path, encoding):
    source = encoders.write_source(tmp_path / "source.wav", seconds=0.1)
    raw = encoders.run(f"ffmpeg -i {{}} -f {encoding}", source, tmp_path / "raw")
    decoded = PcmFormat(16_000, 1, Encoding(encoding)).decode(raw.read_bytes())[:, 0]
    command = f"ffmpeg -f {encoding} -ar 16000 -i {{}} -c:a pcm_f32le"
    expected = read_audio(encoders.run(command, raw, tmp_path / "expected.wav"))
    np.testing.assert_allclose(decoded, expected, atol=1e-6)


@pytest.mark.parametrize("format", ["S24_LE", "S24_3LE", "S32_LE", "S16_LE", "U8"])
def test_stream_of_arecord_is_read(format):
    """ALSA's null device delivers samples without a sound card."""
    if shutil.which("arecord") is None:
        pytest.skip("requires arecord, which .ci/run installs by apt")
    command = ["arecord", "-q", "-D", "null", "-f", format, "-r", "16000", "-t", "wav", "-d", "1"]
    stream = subprocess.run(command, capture_output=True, timeout=20)
    if stream.returncode or not stream.stdout:
        pytest.skip("ALSA has no null device here")
    reader = PcmReader()
    assert np.abs(reader.push(stream.stdout)).max() <= 1
    assert reader.format.frame_bytes == struct.unpack("<H", stream.stdout[32:34])[0]


@both
def test_contradicting_frame_size_is_an_error(tmp_path, read):
    with pytest.raises(AudioError, match="contradicts itself: 1 channels of 16 bits take 2 bytes"):
        read(hostile.wav(align=4), tmp_path)
