"""The reader of PCM WAV against libsndfile, on valid and damaged headers."""

from __future__ import annotations

import io
import random
import struct
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from edge_runtime import AudioError, read_audio
from edge_runtime.audio.headers import declared_size
from edge_runtime.audio.wav import PcmWavFile

SAMPLES = np.random.default_rng(0).integers(-32768, 32767, (500, 2)).astype(np.int16)


def wav(samples: np.ndarray = SAMPLES, rate: int = 16_000, subtype: str = "PCM_16") -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="WAV", subtype=subtype)
    return buffer.getvalue()


def chunk(name: bytes, n_bytes: int) -> bytes:
    return name + struct.pack("<I", n_bytes) + bytes(n_bytes + n_bytes % 2)


def opened(content: bytes) -> PcmWavFile | None:
    file = io.BytesIO(content)
    try:
        declared = declared_size(file, "clip")
    except AudioError:  # contradicts itself
        return None
    return PcmWavFile.open(file, declared, len(content))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("chunk_name", ["none", "LIST", "JUNK", "fact"])
@pytest.mark.parametrize("position", [12, 36])
def test_samples_equal_libsndfile(channels, chunk_name, position):
    extra = {
        "none": b"",
        "LIST": chunk(b"LIST", 5),
        "JUNK": chunk(b"JUNK", 28),
        "fact": chunk(b"fact", 4),
    }[chunk_name]
    content = wav(SAMPLES[:, :channels])
    content = content[:position] + extra + content[position:]
    file = opened(content)
    assert file is not None and file.samplerate == 16_000
    expected, _ = soundfile.read(io.BytesIO(content), dtype="int16", always_2d=True)
    pieces = []
    while len(piece := file.read(123)):
        pieces.append(piece)
    np.testing.assert_array_equal(np.concatenate(pieces), expected)


def test_damaged_headers_are_read_as_by_libsndfile():
    draw = random.Random(0)
    n_read = 0
    for _ in range(2000):
        content = bytearray(wav(SAMPLES[:50]))
        for _ in range(draw.randint(1, 3)):
            content[draw.randrange(44)] = draw.choice([draw.randrange(256), 0, 1, 255])
        file = opened(bytes(content))
        if file is None:
            continue
        try:
            expected, rate = soundfile.read(io.BytesIO(content), dtype="int16", always_2d=True)
        except soundfile.LibsndfileError:  # it is stricter about the names of chunks
            continue
        n_read += 1
        assert file.samplerate == rate
        np.testing.assert_array_equal(file.read(1000), expected)
    assert n_read > 50


ENCODINGS = ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"]


@pytest.mark.parametrize("subtype", ENCODINGS)
def test_other_encodings_equal_libsndfile(subtype):
    content = wav(subtype=subtype)
    file = opened(content)
    assert file is not None and (file.format, file.subtype) == ("WAV", subtype)
    expected, _ = soundfile.read(io.BytesIO(content), dtype="float32", always_2d=True)
    np.testing.assert_array_equal(file.read(1000, "float32"), expected)


@pytest.mark.parametrize("subtype", ["IMA_ADPCM", "MS_ADPCM", "GSM610"])
def test_compressed_encodings_are_left_to_libsndfile(subtype):
    assert opened(wav(SAMPLES[:, :1], subtype=subtype)) is None


def test_16_bit_wav_needs_no_libsndfile(tmp_path):
    """Importing it takes longer than classifying a clip."""
    path = tmp_path / "clip.wav"
    path.write_bytes(wav(SAMPLES[:, :1]))
    code = (
        "import sys; from edge_runtime import EmotionModel\n"
        f"EmotionModel.load().classify({str(path)!r})\n"
        "print([m for m in ('soundfile', 'soxr', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    np.testing.assert_allclose(read_audio(path), SAMPLES[:, 0] / 32768, atol=1e-7)
