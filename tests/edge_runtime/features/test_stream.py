"""Frames of a stream against the frames of the whole clip."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime import AudioError, ConfigError, Mfcc, MfccConfig, MfccStream, mfcc
from edge_runtime.audio.resample import resample
from edge_runtime.features.config import PAD_MODES
from edge_runtime.features.stream import CHUNKED_EQUALS_WHOLE


def run(stream: MfccStream, samples: np.ndarray, chunks: list[int]) -> np.ndarray:
    """All frames of `samples`, pushed in chunks of the sizes `chunks`, over and over."""
    out, start, k = [], 0, 0
    while start < len(samples):
        size = chunks[k % len(chunks)]
        out.append(stream.push(samples[start : start + size]))
        start, k = start + size, k + 1
    out.append(stream.flush())
    return np.concatenate(out)


CONFIGS = [
    *(MfccConfig(pad_mode=mode) for mode in PAD_MODES),
    MfccConfig(n_fft=511, hop_length=50, pad_mode="reflect"),
    MfccConfig(hop_length=1300, pad_mode="edge"),
    MfccConfig(center=False),
    MfccConfig(center=False, hop_length=1300),
    MfccConfig(n_mels=128, lifter=22.0),
    MfccConfig.python_speech_features(),
    MfccConfig.python_speech_features(winstep=0.1),
]


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.parametrize("chunks", [[1], [7, 0, 997], [160], [10**6]], ids=str)
def test_chunked_equals_whole_clip(speech, config, chunks):
    for samples in (speech[0], speech[-1]):
        samples = samples[:6000] if chunks == [1] else samples
        np.testing.assert_allclose(
            run(MfccStream(config), samples, chunks),
            mfcc(samples, config),
            rtol=0,
            atol=CHUNKED_EQUALS_WHOLE / 10,
        )


@settings(max_examples=150, deadline=None)
@given(
    n=st.integers(1, 3000),
    chunks=st.lists(st.integers(0, 700), min_size=1).filter(any),
    n_fft=st.integers(16, 700),
    hop=st.integers(1, 900),
    mode=st.sampled_from(PAD_MODES),
    center=st.booleans(),
)
def test_any_chunking_of_any_length_equals_whole_clip(n, chunks, n_fft, hop, mode, center):
    config = MfccConfig(
        n_fft=n_fft, hop_length=hop, pad_mode=mode, center=center, n_mels=16, n_mfcc=8
    )
    samples = np.random.default_rng(n).standard_normal(n).astype(np.float32) * 0.1
    found = run(MfccStream(config), samples, chunks)
    try:
        expected = mfcc(samples, config)
    except AudioError:
        assert len(found) == 0
        return
    np.testing.assert_allclose(found, expected, rtol=0, atol=CHUNKED_EQUALS_WHOLE)


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("chunk", [37, 480, 100_000])
def test_resampled_chunks_equal_the_resampled_clip(rate, chunk):
    samples = np.random.default_rng(0).standard_normal(2 * rate).astype(np.float32) * 0.1
    expected = mfcc(resample(samples, rate, 16_000))
    found = run(MfccStream(sample_rate=rate), samples, [chunk])
    np.testing.assert_allclose(found, expected, rtol=0, atol=CHUNKED_EQUALS_WHOLE / 10)


def test_a_flushed_or_reset_stream_begins_anew(speech):
    stream = MfccStream()
    first = run(stream, speech[0], [500])
    stream.push(speech[-1][:5000])
    stream.reset()
    assert stream.n_frames == 0
    np.testing.assert_array_equal(run(stream, speech[0], [500]), first)


def test_counts_its_frames(speech):
    stream = MfccStream()
    given_out = sum(len(stream.push(speech[0][k : k + 160])) for k in range(0, 8000, 160))
    assert stream.n_frames == given_out > 0


def test_what_is_held_does_not_grow():
    stream = MfccStream(sample_rate=48_000)
    chunk = np.zeros(48_000, np.float32)
    held = set()
    for _ in range(600):  # ten minutes
        stream.push(chunk)
        held.add(stream._held.nbytes)
    assert max(held) <= 4 * (MfccConfig().n_fft + MfccConfig().hop_length)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_next_to_nothing_is_a_clip_too(n):
    samples = np.full(n, 0.1, np.float32)
    expected = mfcc(samples) if n else np.empty((0, 13), np.float32)
    np.testing.assert_array_equal(run(MfccStream(), samples, [1]), expected)


@pytest.mark.parametrize("config", [MfccConfig(), MfccConfig(center=False)], ids=str)
def test_frames_are_float32_however_few(config):
    stream = MfccStream(config)
    samples = np.zeros(1000, np.float32)
    pushed = [stream.push(samples[:0]), stream.push(samples), stream.flush(), stream.flush()]
    assert [frames.dtype for frames in pushed] == [np.float32] * 4
    assert [frames.shape[1] for frames in pushed] == [13] * 4


def test_a_frame_for_every_sample_keeps_the_one_before_it():
    config = MfccConfig.python_speech_features(winstep=1 / 16_000)
    samples = np.random.default_rng(0).standard_normal(600).astype(np.float32)
    np.testing.assert_allclose(
        run(MfccStream(config), samples, [400, 1, 1, 50]), mfcc(samples, config), atol=1e-6
    )


def test_top_db_cannot_be_streamed():
    with pytest.raises(ConfigError, match="top_db=80.0 .* cannot be streamed"):
        MfccStream(MfccConfig(top_db=80.0))


def test_a_refused_chunk_leaves_the_stream_as_it_was(speech):
    stream = MfccStream(Mfcc(MfccConfig()))
    head = stream.push(speech[0][:4000])
    for wrong in (np.array([np.nan], np.float32), np.zeros((2, 2), np.float32)):
        with pytest.raises(AudioError):
            stream.push(wrong)
    rest = run(stream, speech[0][4000:], [1000])
    np.testing.assert_allclose(
        np.concatenate([head, rest]), mfcc(speech[0]), atol=CHUNKED_EQUALS_WHOLE / 10
    )


def test_an_unheard_of_rate_is_refused():
    with pytest.raises(ConfigError, match="sample_rate=3 must be from 1000 to 768000 Hz"):
        MfccStream(sample_rate=3)
