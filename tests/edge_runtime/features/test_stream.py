"""The frames of a stream against those of the whole clip."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.config_ids import config_id

from edge_runtime import AudioError, ConfigError, Mfcc, MfccConfig, MfccStream, mfcc
from edge_runtime.audio.resample import resample
from edge_runtime.features.config import PAD_MODES
from edge_runtime.features.stream import CHUNKED_EQUALS_WHOLE


def run(stream: MfccStream, samples: np.ndarray, chunks: list[int]) -> np.ndarray:
    """Return all frames of `samples`, pushed in chunks of the sizes `chunks`, cyclically."""
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


@pytest.mark.parametrize("config", CONFIGS, ids=config_id)
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


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    n=st.integers(1, 3000),
    chunks=st.lists(st.integers(0, 700), min_size=1).filter(any),
    n_fft=st.integers(16, 700),
    hop=st.integers(1, 900),
    mode=st.sampled_from(PAD_MODES),
    center=st.booleans(),
)
def test_any_chunks_of_any_clip_equal_whole_clip(n, chunks, n_fft, hop, mode, center):
    config = MfccConfig(
        n_fft=n_fft, hop_length=hop, pad_mode=mode, center=center, n_mels=16, n_mfcc=8
    )
    samples = np.random.default_rng(n).standard_normal(n).astype(np.float32) * 0.1
    frames = run(MfccStream(config), samples, chunks)
    try:
        expected = mfcc(samples, config)
    except AudioError:
        assert len(frames) == 0
        return
    np.testing.assert_allclose(frames, expected, rtol=0, atol=CHUNKED_EQUALS_WHOLE)


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("chunk", [37, 480, 100_000])
def test_resampled_chunks_equal_the_resampled_clip(rate, chunk):
    samples = np.random.default_rng(0).standard_normal(2 * rate).astype(np.float32) * 0.1
    expected = mfcc(resample(samples, rate, 16_000))
    frames = run(MfccStream(sample_rate=rate), samples, [chunk])
    np.testing.assert_allclose(frames, expected, rtol=0, atol=CHUNKED_EQUALS_WHOLE / 10)


def test_flush_and_reset_begin_a_new_clip(speech):
    stream = MfccStream()
    first = run(stream, speech[0], [500])
    stream.push(speech[-1][:5000])
    stream.reset()
    assert stream.n_frames == 0
    np.testing.assert_array_equal(run(stream, speech[0], [500]), first)


def test_frames_are_counted(speech):
    stream = MfccStream()
    n_frames = sum(len(stream.push(speech[0][k : k + 160])) for k in range(0, 8000, 160))
    assert stream.n_frames == n_frames > 0


def test_memory_does_not_grow():
    stream = MfccStream(sample_rate=48_000)
    chunk = np.zeros(48_000, np.float32)
    held = set()
    for _ in range(600):  # ten minutes
        stream.push(chunk)
        held.add(stream._held.nbytes)
    assert max(held) <= 4 * (MfccConfig().n_fft + MfccConfig().hop_length)


@pytest.mark.parametrize("n", [0, 1, 2])
def test_tiny_clips_equal_whole_clip(n):
    samples = np.full(n, 0.1, np.float32)
    expected = mfcc(samples) if n else np.empty((0, 13), np.float32)
    np.testing.assert_array_equal(run(MfccStream(), samples, [1]), expected)


@pytest.mark.parametrize("config", [MfccConfig(), MfccConfig(center=False)], ids=config_id)
def test_empty_results_are_float32(config):
    stream = MfccStream(config)
    samples = np.zeros(1000, np.float32)
    pushed = [stream.push(samples[:0]), stream.push(samples), stream.flush(), stream.flush()]
    assert [chunk.dtype for chunk in pushed] == [np.float32] * 4
    assert [chunk.shape[1] for chunk in pushed] == [13] * 4


def test_hop_of_one_sample_with_pre_emphasis():
    config = MfccConfig.python_speech_features(winstep=1 / 16_000)
    samples = np.random.default_rng(0).standard_normal(600).astype(np.float32)
    np.testing.assert_allclose(
        run(MfccStream(config), samples, [400, 1, 1, 50]), mfcc(samples, config), atol=1e-6
    )


def test_top_db_cannot_be_streamed():
    with pytest.raises(ConfigError, match="top_db=80.0 .* cannot be streamed"):
        MfccStream(MfccConfig(top_db=80.0))


def test_refused_chunk_leaves_the_state_unchanged(speech):
    stream = MfccStream(Mfcc(MfccConfig()))
    head = stream.push(speech[0][:4000])
    for invalid in (np.array([np.nan], np.float32), np.zeros((2, 2), np.float32)):
        with pytest.raises(AudioError):
            stream.push(invalid)
    rest = run(stream, speech[0][4000:], [1000])
    np.testing.assert_allclose(
        np.concatenate([head, rest]), mfcc(speech[0]), atol=CHUNKED_EQUALS_WHOLE / 10
    )


def test_unsupported_rate_is_refused():
    with pytest.raises(ConfigError, match="sample_rate=3 must be from 1000 to 768000 Hz"):
        MfccStream(sample_rate=3)
