"""Minutes that stand for months: memory, state and answers of what runs on and on.

The whole of it, a day and ten thousand clips, is `python -m benchmarks.long_run`.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable

import numpy as np
import pytest
import scipy.fft  # noqa: F401  # so that it does not take over from numpy's within a test

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

# Leaks of a chunk, a frame or an event would exceed them many times: five minutes of samples
# are 18,750 KiB, of frames 760 KiB, of events of a stream 500 KiB.
STATE_KIB = 200
GROWTH_KIB = 600


@pytest.fixture(scope="module")
def model():
    return lenient_model()


@pytest.fixture(scope="module")
def loop():
    return programme(16_000)


def growth_kib(run: Callable[[], None]) -> float:
    """By how much memory grows while something runs. A leak grows every time, while what other
    tests left behind, or a module that is loaded, does so once."""
    for _ in range(3):
        gc.collect()
        before = rss_kib()
        run()
        growth = rss_kib() - before
        if growth < GROWTH_KIB:
            break
    return growth


KINDS = {
    "EmotionStream": lambda model: model.stream(),
    "TimelineStream": TimelineStream,
    "Listener": Listener,
    "MfccStream": lambda model: MfccStream(network_of(model).front_end),
}


@linux
@pytest.mark.parametrize("make", KINDS.values(), ids=KINDS)
def test_memory_and_state_of_a_stream_do_not_grow(model, loop, make):
    stream, rng = make(model), np.random.default_rng(0)
    for piece in chunks(loop, 16_000, 150, rng):  # the allocators find what they need
        stream.push(piece)

    def hear() -> None:
        for piece in chunks(loop, 16_000, 300, rng):
            stream.push(piece)
            assert held_bytes(stream) < 1024 * STATE_KIB

    assert growth_kib(hear) < GROWTH_KIB


@linux
def test_a_large_first_chunk_is_let_go(model, loop):
    for make in KINDS.values():
        stream = make(model)
        stream.push(loop)
        stream.push(loop[:3200])
        assert held_bytes(stream) < 1024 * STATE_KIB


@linux
def test_memory_does_not_grow_with_the_lengths_that_clips_have(model):
    """onnxruntime can keep a plan of its memory for every length that it has met."""
    frames = np.zeros((2400, 13), np.float32)
    network_of(model).run(frames)
    first = iter((1, 801, 1601))

    def run() -> None:
        start = next(first)
        for length in range(start, start + 800):
            network_of(model).run(frames[:length])

    assert growth_kib(run) < GROWTH_KIB


@linux
def test_clips_leave_nothing_behind(model, loop):
    rng = np.random.default_rng(0)
    probes = [loop[start : start + 48_000] for start in range(0, 480_000, 48_000)]
    first = [model.classify(probe) for probe in probes]

    def classify(count: int) -> None:
        for _ in range(count):
            length = rng.integers(1600, 80_000)
            start = rng.integers(0, len(loop) - length)
            model.classify(loop[start : start + length])

    classify(100)
    assert growth_kib(lambda: classify(300)) < GROWTH_KIB
    assert [model.classify(probe) for probe in probes] == first


@pytest.mark.parametrize("kind", ["TimelineStream", "Listener"])
def test_later_it_hears_what_a_fresh_one_hears(model, loop, kind):
    """Counters, levels and a resampler's phase after ten minutes."""
    rate, late = 44_100, 600.0
    rng, loop = np.random.default_rng(0), programme(rate)
    steps: list = []

    def moments(start: float, seconds: float) -> list:
        steps.clear()
        if kind == "Listener":
            stream = Listener(model, rate)
            for piece in chunks(loop, rate, seconds, rng, start):
                steps.extend(event for event in stream.push(piece) if event.kind == "end")
        else:
            stream = TimelineStream(model, rate, watch=steps.append)
            for piece in chunks(loop, rate, seconds, rng, start):
                stream.push(piece)
        return list(steps)

    def answers(found: list, shift: float, since: float) -> list:
        return [
            (
                s.start + shift,
                s.end + shift,
                *(getattr(s, "prediction", s).probabilities[k] for k in model.labels),
            )
            for s in found
            if s.start + shift > since
        ]

    long = answers(moments(0.0, late), 0.0, late - LOOP_SECONDS)
    start = late - 3 * LOOP_SECONDS
    fresh = answers(moments(start, late - start), start, late - LOOP_SECONDS)
    assert len(long) == len(fresh) >= 8
    np.testing.assert_allclose(long, fresh, atol=1e-4)


@pytest.mark.parametrize("kind", ["zeros", "denormals"])
def test_silence_after_speech_costs_no_more_than_speech(model, loop, kind):
    """Numbers below 1e-38 take some processors a hundred times as long."""
    import time

    stream, rng, seconds = model.stream(), np.random.default_rng(0), {}
    for sound in (loop, steady(kind, 16_000)):
        began = time.process_time()
        for piece in chunks(sound, 16_000, LOOP_SECONDS, rng):
            stream.push(piece)
        seconds[len(seconds)] = time.process_time() - began
    assert seconds[1] < 3 * seconds[0]


def test_eight_threads_give_the_answers_of_one(loop):
    """To the last bit: classifying, and each with a stream of its own."""
    model = EmotionModel.load()
    probes = [loop[start : start + 32_000] for start in range(0, 320_000, 32_000)]

    def answers(probe: np.ndarray, stream) -> tuple:
        events = [e for k in range(0, len(probe), 4000) for e in stream.push(probe[k : k + 4000])]
        return model.classify(probe), events + stream.flush(), list(model.timeline(probe))

    single = [answers(probe, model.stream()) for probe in probes]
    found: dict[int, list] = {}

    def work(seed: int) -> None:
        stream = model.stream()
        order = np.random.default_rng(seed).permutation(len(probes))
        found[seed] = [(k, answers(probes[k], stream)) for k in order]

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    for each in found.values():
        assert all(answer == single[k] for k, answer in each)
