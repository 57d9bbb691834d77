"""Streams, compared with the prediction for the whole clip."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime import AudioError, ConfigError, EmotionModel
from edge_runtime.audio.level import Loudness


@pytest.fixture(scope="module")
def model():
    return EmotionModel.load()


def final(stream, samples, sizes):
    """Push samples in chunks of the sizes, over and over, and return the last event."""
    events, start, k = [], 0, 0
    while start < len(samples):
        size = sizes[k % len(sizes)]
        events += stream.push(samples[start : start + size])
        start, k = start + size, k + 1
    events += stream.flush()
    assert [event.final for event in events] == [False] * (len(events) - 1) + [True]
    assert [e.end for e in events] == sorted(e.end for e in events)
    return events[-1]


@pytest.mark.parametrize("sizes", [[160], [7, 0, 997], [4801], [10**7]], ids=str)
def test_chunked_equals_whole_clip(model, speech, sizes):
    for samples in speech[::4]:
        whole = model.classify(samples)
        event = final(model.stream(), samples, sizes)
        assert event.prediction.label == whole.label
        assert list(event.prediction.probabilities.values()) == pytest.approx(
            list(whole.probabilities.values()), abs=1e-5
        )
        assert event.end == pytest.approx(len(samples) / 16_000)


@settings(max_examples=30, deadline=None)
@given(
    n=st.integers(1, 20_000),
    sizes=st.lists(st.integers(0, 3000), min_size=1).filter(any),
    seed=st.integers(0, 9),
)
def test_any_chunk_sizes_equal_whole_clip(model, n, sizes, seed):
    samples = 0.1 * np.random.default_rng(seed).standard_normal(n).astype(np.float32)
    event = final(model.stream(), samples, sizes)
    whole = model.classify(samples)
    assert list(event.prediction.probabilities.values()) == pytest.approx(
        list(whole.probabilities.values()), abs=1e-5
    )
    assert event.prediction.label == whole.label


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000])
def test_chunks_are_resampled(model, speech, rate):
    from edge_runtime.audio.resample import resample

    samples = resample(speech[0], 16_000, rate)
    event = final(model.stream(sample_rate=rate), samples, [rate // 100, 1, 3333])
    assert list(event.prediction.probabilities.values()) == pytest.approx(
        list(model.classify(samples, rate).probabilities.values()), abs=1e-4
    )


def test_streams_of_one_model_are_independent(model, speech):
    clips = [speech[k % len(speech)] for k in range(8)]
    alone = [model.classify(clip).probabilities for clip in clips]
    streams = [model.stream() for _ in clips]
    for start in range(0, max(map(len, clips)), 1600):
        for stream, clip in zip(streams, clips):
            stream.push(clip[start : start + 1600])
    for stream, expected in zip(streams, alone):
        probabilities = stream.flush()[-1].prediction.probabilities
        assert list(probabilities.values()) == pytest.approx(list(expected.values()), abs=1e-5)


def test_threads_share_a_model(model, speech):
    expected = final(model.stream(), speech[0], [1600])
    events = []
    threads = [
        threading.Thread(target=lambda: events.append(final(model.stream(), speech[0], [1600])))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert events == [expected] * 8


def test_reset_and_flush_start_a_new_clip(model, speech):
    stream = model.stream()
    first = final(stream, speech[0], [1600])
    stream.push(speech[-1])
    stream.reset()
    assert stream.flush() == []
    assert final(stream, speech[0], [1600]) == first


def test_prediction_before_the_end_of_the_clip(model, speech):
    events = model.stream().push(speech[0][:16_000])
    assert len(events) == 1 and not events[0].final and events[0].end == 1.0


def test_memory_does_not_grow(model):
    stream = model.stream(sample_rate=48_000)
    noise = 0.1 * np.random.default_rng(0).standard_normal(48_000).astype(np.float32)
    sizes = set()
    for _ in range(20):
        stream.push(noise)
        running = stream._running
        held = running._output.state, running._pending, running._loudness._blocks._held
        sizes.add(sum(array.nbytes for array in held))
    assert max(sizes) - min(sizes) < 4000


def test_invalid_samples_leave_the_stream_unchanged(model, speech):
    stream = model.stream()
    stream.push(speech[0][:8000])
    for bad in (np.array([np.nan], np.float32), np.zeros((2, 2), np.float32), np.zeros(3, int)):
        with pytest.raises(AudioError):
            stream.push(bad)
    stream.push(speech[0][8000:])
    expected = model.classify(speech[0]).probabilities
    assert list(stream.flush()[-1].prediction.probabilities.values()) == pytest.approx(
        list(expected.values()), abs=1e-5
    )


def test_invalid_arguments_are_rejected(model):
    with pytest.raises(ConfigError, match="threshold=2"):
        model.stream(threshold=2)
    with pytest.raises(ConfigError, match="sample_rate=0"):
        model.stream(sample_rate=0)


@given(st.lists(st.integers(0, 999), min_size=1), st.integers(0, 5))
def test_loudness_does_not_depend_on_chunk_sizes(sizes, seed):
    rng = np.random.default_rng(seed)
    samples = (rng.standard_normal(sum(sizes)) * rng.uniform(0, 1)).astype(np.float32)
    whole, chunked = Loudness(16_000), Loudness(16_000)
    whole.push(samples)
    start = 0
    for size in sizes:
        chunked.push(samples[start : start + size])
        start += size
    assert chunked.dbfs() == pytest.approx(whole.dbfs(), abs=1e-4)
