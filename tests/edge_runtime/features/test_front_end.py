"""The rows of a front end, from whole clips and from streams."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime import AudioError, ConfigError, MfccConfig, MfccStream, mfcc
from edge_runtime.audio.resample import resample
from edge_runtime.features.descriptor_config import DescriptorConfig
from edge_runtime.features.descriptors import descriptors
from edge_runtime.features.front_end import FrontEnd, FrontEndStream
from edge_runtime.features.stream import CHUNKED_EQUALS_WHOLE

# The front end of the default recipe, and of the bundled model.
CONFIG = MfccConfig(n_fft=1024, hop_length=320, n_mels=16, fmin=40.0, fmax=4000.0)
FRONT_END = FrontEnd(CONFIG, with_descriptors=True)

# Differences of the descriptors due to chunking, in their units.
DESCRIPTOR_TOLERANCE = 1e-2


def noise(n: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def run(stream: FrontEndStream, samples: np.ndarray, chunks: list[int]) -> np.ndarray:
    """Return all rows of `samples`, pushed in chunks of the sizes `chunks`, cyclically."""
    out, start, k = [], 0, 0
    while start < len(samples):
        size = chunks[k % len(chunks)]
        out.append(stream.push(samples[start : start + size]))
        start, k = start + size, k + 1
    out.append(stream.flush())
    return np.concatenate(out)


def assert_same_rows(rows: np.ndarray, expected: np.ndarray) -> None:
    assert rows.shape == expected.shape
    n = CONFIG.n_mfcc
    np.testing.assert_allclose(rows[:, :n], expected[:, :n], rtol=0, atol=CHUNKED_EQUALS_WHOLE)
    np.testing.assert_allclose(rows[:, n:], expected[:, n:], rtol=0, atol=DESCRIPTOR_TOLERANCE)


def test_rows_are_mfcc_and_descriptors(speech):
    config = DescriptorConfig.from_mfcc(CONFIG)
    for samples in speech:
        rows = FRONT_END(samples)
        assert rows.dtype == np.float32
        assert rows.shape[1] == FRONT_END.width == 25
        expected = np.concatenate([mfcc(samples, CONFIG), descriptors(samples, config)], axis=1)
        assert_same_rows(rows, expected)
        np.testing.assert_array_equal(rows[:, :13], expected[:, :13])


def test_rows_without_descriptors_are_the_mfcc(speech):
    for config in (CONFIG, MfccConfig.python_speech_features()):
        front_end = FrontEnd(config)
        assert front_end.descriptors is None
        assert front_end.width == front_end.n_mfcc == config.n_mfcc
        np.testing.assert_array_equal(front_end(speech[0]), mfcc(speech[0], config))
        rows = run(FrontEndStream(front_end, sample_rate=48_000), speech[0], [997])
        stream = MfccStream(config, sample_rate=48_000)
        np.testing.assert_array_equal(rows, run(stream, speech[0], [997]))


@pytest.mark.parametrize("chunks", [[1], [7, 0, 997], [320], [10**6]], ids=str)
def test_chunked_equals_whole_clip(speech, chunks):
    for samples in (speech[0], speech[-1]):
        samples = samples[:6000] if chunks == [1] else samples
        assert_same_rows(run(FrontEndStream(FRONT_END), samples, chunks), FRONT_END(samples))


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 20_000),
    chunks=st.lists(st.integers(0, 5000), min_size=1).filter(any),
    hop=st.sampled_from([160, 320, 1000]),
    center=st.booleans(),
)
def test_any_chunks_of_any_clip_equal_whole_clip(n, chunks, hop, center):
    config = MfccConfig(n_fft=1024, hop_length=hop, center=center)
    front_end = FrontEnd(config, with_descriptors=True)
    tone = 0.1 * np.cos(2 * np.pi * 150 * np.arange(n)[:, None] / 16_000 * np.arange(1, 9))
    samples = noise(n, n) + tone.sum(axis=1).astype(np.float32)
    rows = run(FrontEndStream(front_end), samples, chunks)
    try:
        expected = front_end(samples)
    except AudioError:
        assert rows.shape == (0, front_end.width)
        return
    assert_same_rows(rows, expected)


@pytest.mark.parametrize("rate", [8000, 44_100, 48_000])
def test_resampled_chunks_equal_the_resampled_clip(rate):
    samples = noise(rate)
    rows = run(FrontEndStream(FRONT_END, sample_rate=rate), samples, [480])
    assert_same_rows(rows, FRONT_END(resample(samples, rate, 16_000)))


def test_flush_and_reset_begin_a_new_clip(speech):
    stream = FrontEndStream(FRONT_END)
    first = run(stream, speech[0], [500])
    stream.push(speech[-1][:5000])
    stream.reset()
    assert stream.n_frames == 0
    np.testing.assert_array_equal(run(stream, speech[0], [500]), first)


def test_refused_chunk_leaves_the_state_unchanged(speech):
    stream = FrontEndStream(FRONT_END)
    head = stream.push(speech[0][:4000])
    assert stream.n_frames == len(head) > 0
    with pytest.raises(AudioError):
        stream.push(np.array([np.nan], np.float32))
    rest = run(stream, speech[0][4000:], [1000])
    assert_same_rows(np.concatenate([head, rest]), FRONT_END(speech[0]))


def test_memory_does_not_grow():
    stream = FrontEndStream(FRONT_END, sample_rate=48_000)
    held = set()
    for _ in range(120):  # two minutes
        stream.push(np.zeros(48_000, np.float32))
        held.add((len(stream._held), len(stream._history._candidates[0])))
    assert max(samples for samples, _ in held) <= 1024 + 320
    assert max(frames for _, frames in held) <= FRONT_END.descriptors.config.reach


def test_framings_without_descriptors_are_refused():
    with pytest.raises(ConfigError, match="voice descriptors require convention='librosa'"):
        FrontEnd(MfccConfig.python_speech_features(), with_descriptors=True)
    with pytest.raises(ConfigError, match="top_db=80.0 must be None"):
        FrontEnd(MfccConfig(top_db=80.0), with_descriptors=True)
