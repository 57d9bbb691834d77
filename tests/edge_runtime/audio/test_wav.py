"""Our own reader of 16-bit WAV beside libsndfile, on headers good and damaged."""

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
from edge_runtime.audio.wav import Pcm16File

SAMPLES = np.random.default_rng(0).integers(-32768, 32767, (500, 2)).astype(np.int16)


def wav(samples: np.ndarray = SAMPLES, rate: int = 16_000, subtype: str = "PCM_16") -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="WAV", subtype=subtype)
    return buffer.getvalue()


def chunk(name: bytes, n_bytes: int) -> bytes:
    return name + struct.pack("<I", n_bytes) + bytes(n_bytes + n_bytes % 2)


def opened(content: bytes) -> Pcm16File | None:
    file = io.BytesIO(content)
    try:
        announced = declared_size(file, "it")
    except AudioError:  # contradicts itself
        return None
    return Pcm16File.open(file, announced, len(content))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("extra", [b"", chunk(b"LIST", 5), chunk(b"JUNK", 28), chunk(b"fact", 4)])
@pytest.mark.parametrize("at", [12, 36])
def test_samples_are_those_of_libsndfile(channels, extra, at):
    content = wav(SAMPLES[:, :channels])
    content = content[:at] + extra + content[at:]
    file = opened(content)
    assert file is not None and file.samplerate == 16_000
    expected, _ = soundfile.read(io.BytesIO(content), dtype="int16", always_2d=True)
    pieces = []
    while len(piece := file.read(123)):
        pieces.append(piece)
    np.testing.assert_array_equal(np.concatenate(pieces), expected)


def test_no_damaged_header_is_read_otherwise_than_by_libsndfile():
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
        except soundfile.LibsndfileError:  # it is the stricter one for names of chunks
            continue
        n_read += 1
        assert file.samplerate == rate
        np.testing.assert_array_equal(file.read(1000), expected)
    assert n_read > 50


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "PCM_32", "FLOAT", "ULAW"])
def test_other_kinds_of_samples_are_left_to_libsndfile(subtype):
    assert opened(wav(subtype=subtype)) is None


def test_16_bits_are_read_without_libsndfile(tmp_path):
    """Importing it takes longer than everything that is done with a clip."""
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
