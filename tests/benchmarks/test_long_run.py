"""Memory, state and results of streams and models over minutes.

`python -m benchmarks.long_run` runs a day of audio and ten thousand clips.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable

import numpy as np
import pytest
import scipy.fft  # noqa: F401  # else it would replace numpy's within a test

from benchmarks.endurance import (
    LOOP_SECONDS,
    chunks,
    held_bytes,
    lenient_model,
    programme,
    rss_kib,
    steady,
)
from edge_runtime import EmotionModel, MfccStream
from edge_runtime.inference.network import network_of
from edge_runtime.streaming.listener import Listener
from edge_runtime.streaming.timeline import TimelineStream

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

# A leak of chunks, frames or events exceeds these many times: five minutes of samples are 18,750
# KiB, of frames 760 KiB, of events of a stream 500 KiB.
MAX_STATE_KIB = 300  # the rows of 30 s of clip statistics are 150 KiB
MAX_GROWTH_KIB = 600


@pytest.fixture(scope="module")
def model():
    return lenient_model()


@pytest.fixture(scope="module")
def loop():
    return programme(16_000)


def growth_kib(run: Callable[[], None]) -> float:
    """Return how much memory grows while `run` runs, at best of three times.

    A leak grows every time; loading a module, or what other tests leave, grows only once.
    """
    for _ in range(3):
        gc.collect()
        before = rss_kib()
        run()
        growth = rss_kib() - before
        if growth < MAX_GROWTH_KIB:
            break
    return growth


KINDS = {
    "EmotionStream": lambda model: model.stream(),
    "TimelineStream": TimelineStream,
    "Listener": Listener,
    "MfccStream": lambda model: MfccStream(network_of(model).front_end.mfcc),
}


@pytest.mark.slow
@linux
@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_memory_and_state_of_streams_do_not_grow(model, loop, make):
    stream, rng = make(model), np.random.default_rng(0)
    for piece in chunks(loop, 16_000, 150, rng):  # warms up the allocators
        stream.push(piece)

    def push() -> None:
        for piece in chunks(loop, 16_000, 300, rng):
            stream.push(piece)
            assert held_bytes(stream) < 1024 * MAX_STATE_KIB

    assert growth_kib(push) < MAX_GROWTH_KIB


@linux
def test_large_first_chunk_is_released(model, loop):
    for make in KINDS.values():
        stream = make(model)
        stream.push(loop)
        stream.push(loop[:3200])
        assert held_bytes(stream) < 1024 * MAX_STATE_KIB


@pytest.mark.slow
@linux
def test_memory_does_not_grow_with_clips_of_many_lengths(model):
    """onnxruntime can keep a memory plan for every length."""
    frames = np.zeros((2400, 13), np.float32)
    network_of(model).run(frames)
    first = iter((1, 801, 1601))

    def run() -> None:
        start = next(first)
        for length in range(start, start + 800):
            network_of(model).run(frames[:length])

    assert growth_kib(run) < MAX_GROWTH_KIB


@pytest.mark.slow
@linux
def test_clips_do_not_grow_memory_or_change_results(model, loop):
    rng = np.random.default_rng(0)
    probes = [loop[start : start + 48_000] for start in range(0, 480_000, 48_000)]
    first = [model.classify(probe) for probe in probes]

    def classify(count: int) -> None:
        for _ in range(count):
            length = rng.integers(1600, 80_000)
            start = rng.integers(0, len(loop) - length)
            model.classify(loop[start : start + length])

    classify(100)
    assert growth_kib(lambda: classify(300)) < MAX_GROWTH_KIB
    assert [model.classify(probe) for probe in probes] == first


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["TimelineStream", "Listener"])
def test_long_stream_equals_a_new_one(model, loop, kind):
    """Counters, levels and the phase of the resampler are right after ten minutes."""
    rate, late = 44_100, 600.0
    rng, loop = np.random.default_rng(0), programme(rate)
    steps: list = []

    def results(start: float, seconds: float) -> list:
        steps.clear()
        if kind == "Listener":
            stream = Listener(model, rate)
            for piece in chunks(loop, rate, seconds, rng, start):
                steps.extend(event for event in stream.push(piece) if event.kind == "end")
        else:
            stream = TimelineStream(model, rate, on_step=steps.append)
            for piece in chunks(loop, rate, seconds, rng, start):
                stream.push(piece)
        return list(steps)

    def after(since: float, segments: list, shift: float) -> list:
        return [
            (
                s.start + shift,
                s.end + shift,
                *(getattr(s, "prediction", s).probabilities[k] for k in model.labels),
            )
            for s in segments
            if s.start + shift > since
        ]

    since, start = late - LOOP_SECONDS, late - 3 * LOOP_SECONDS
    long = after(since, results(0.0, late), 0.0)
    new = after(since, results(start, late - start), start)
    assert len(long) == len(new) >= 5  # the gate rejects noise and some synthesised voices
    differences = np.abs(np.array(long) - np.array(new))
    assert differences[:, :2].max() < 1e-4  # times
    # Candidates for the pitch may tie within rounding, which changes a statistic of few windows.
    assert np.median(differences[:, 2:]) < 1e-4 and differences[:, 2:].max() < 0.03


@pytest.mark.timing
@pytest.mark.parametrize("kind", ["zeros", "denormals"])
def test_silence_after_speech_is_not_slower_than_speech(model, loop, kind):
    """Some processors take a hundred times as long for numbers below 1e-38."""
    import time

    stream, rng, seconds = model.stream(), np.random.default_rng(0), {}
    for sound in (loop, steady(kind, 16_000)):
        started = time.process_time()
        for piece in chunks(sound, 16_000, LOOP_SECONDS, rng):
            stream.push(piece)
        seconds[len(seconds)] = time.process_time() - started
    assert seconds[1] < 3 * seconds[0]


@pytest.mark.slow
def test_eight_threads_equal_one(loop):
    """Bit-identical: `classify`, and one stream per thread."""
    model = EmotionModel.load()
    probes = [loop[start : start + 32_000] for start in range(0, 320_000, 32_000)]

    def answers(probe: np.ndarray, stream) -> tuple:
        events = [e for k in range(0, len(probe), 4000) for e in stream.push(probe[k : k + 4000])]
        return model.classify(probe), events + stream.flush(), list(model.timeline(probe))

    single = [answers(probe, model.stream()) for probe in probes]
    by_thread: dict[int, list] = {}

    def work(seed: int) -> None:
        stream = model.stream()
        order = np.random.default_rng(seed).permutation(len(probes))
        by_thread[seed] = [(k, answers(probes[k], stream)) for k in order]

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(by_thread) == 8
    for results in by_thread.values():
        assert all(answer == single[k] for k, answer in results)
