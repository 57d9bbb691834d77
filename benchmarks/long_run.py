"""Endurance: a day of audio and thousands of clips, as fast as possible.

`python -m benchmarks.long_run` looks for memory leaks, drifting results, growing state, denormal
numbers that slow the processor down, and overflowing counters. Each part runs in a separate
process. Times are CPU times, so that other programs do not matter. Linux only.
"""

from __future__ import annotations

import benchmarks.one_thread  # noqa: F401

# isort: split
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
import typer

from edge_runtime import EmotionModel
from edge_runtime.audio.resample import StreamResampler
from edge_runtime.diagnostics.system_info import processor
from edge_runtime.inference.network import network_of
from edge_runtime.inference.pooling import pooled_shape
from edge_runtime.streaming.listener import Listener
from edge_runtime.streaming.timeline import TimelineStream
from train.command import run_function

from .endurance import LOOP_SECONDS, Watch, chunks, lenient_model, programme, rss_kib, slope, steady
from .long_run_report import as_markdown
from .report import Out, publish

RATES = (8_000, 16_000, 22_050, 44_100, 48_000)
LEAD_SECONDS = 2 * LOOP_SECONDS  # after which a new stream is in the state of one of many hours
COMPARED_SECONDS = LOOP_SECONDS


def distance(a: dict[str, float], b: dict[str, float]) -> float:
    """Return the largest difference between two sets of probabilities."""
    return max(abs(a[label] - b[label]) for label in a)


def exact_answer(model: EmotionModel, loop: np.ndarray) -> Callable[[int], dict[str, float]]:
    """Return a function that gives the exact probabilities after an even number of rounds.

    From the fourth round on, each two rounds of the programme add the same to the sums over time.
    Those of `rounds` are therefore a linear extrapolation, computed in float64.
    """
    network = network_of(model)
    step = network.card.frames_per_step
    frames = [network.speech_frames(np.tile(loop, rounds)) for rounds in (4, 6)]
    counts = np.array([len(part) for part in frames]) // step * step
    assert (len(frames[1]) - len(frames[0])) % step == 0
    states = [network.run(frames[1][:count]).state.astype(np.float64) for count in counts]
    shape = pooled_shape(network.card.architecture, len(states[0]))
    sums = slice(len(states[0]) - shape[0] * shape[1], None)

    def probabilities(rounds: int) -> dict[str, float]:
        state = states[1].copy()
        total = states[0][sums] + (rounds - 4) / 2 * (states[1] - states[0])[sums]
        total = total.reshape(shape)
        # Scaled up, so that the frames of silence below have no weight.
        state[sums] = (total / total[:, -1:] * 1e12).ravel()
        silence = np.zeros((step, network.card.mfcc_config.n_mfcc), np.float32)
        output = network.run(silence, state.astype(np.float32))
        return dict(zip(network.labels, output.probabilities.tolist()))

    return probabilities


def one_stream(hours: int) -> dict[str, Any]:
    """Run one `EmotionStream`, never flushed, on the repeated programme."""
    rate, rng, model = 16_000, np.random.default_rng(0), lenient_model()
    loop = programme(rate)
    expected, rounds = exact_answer(model, loop), 0
    sounds = {"programme": loop, **{kind: steady(kind, rate) for kind in ("zeros", "denormals")}}
    kinds = {hours - 2: "zeros", hours - 1: "denormals", 2: "zeros", 3: "denormals"}
    stream = model.stream()
    watch = Watch(stream)
    drift: dict[int, float] = {}
    by_kind: dict[str, list[float]] = {}
    for hour in range(hours):
        kind = kinds.get(hour, "programme") if hours > 7 else "programme"
        for chunk in chunks(sounds[kind], rate, 3600, rng):
            for event in stream.push(chunk):
                probabilities = event.prediction.probabilities
            watch.measure_state()
        watch.record(hour + 1)
        rounds += 3600 // LOOP_SECONDS * (kind == "programme")
        drift[hour + 1] = distance(probabilities, expected(rounds))
        by_kind.setdefault(kind, []).append(watch.cpu[-1])
    event = stream.flush()[-1]
    return {
        "slope": watch.slope(hours / 8),
        "state": watch.state,
        "late": event.end - 3600 * hours,  # seconds
        "cpu": by_kind,
        "drift": drift,
    }


def sessions(hours: int) -> dict[str, Any]:
    """Run short streams at one rate after the other, and compare each with `classify`."""
    model, rng = lenient_model(), np.random.default_rng(0)
    loops = {rate: programme(rate) for rate in RATES}
    watch, worst = Watch(None), []
    wrong = 0
    for hour in range(hours):
        rate = RATES[hour % len(RATES)]
        stream, loop, differences = model.stream(rate), loops[rate], []
        remaining = 3600.0
        while remaining > 0:
            seconds = min(remaining, rng.uniform(1, LOOP_SECONDS))
            start = rng.uniform(0, LOOP_SECONDS)
            pieces = list(chunks(loop, rate, seconds, rng, start))
            if not sum(map(len, pieces)):
                break
            for piece in pieces:
                stream.push(piece)
            streamed = stream.flush()[-1].prediction
            whole = model.classify(np.concatenate(pieces), rate)
            differences.append(distance(streamed.probabilities, whole.probabilities))
            wrong += streamed.label != whole.label
            remaining -= seconds
        worst.append(max(differences))
        watch.record(hour + 1)
    return {
        "slope": watch.slope(min(hours / 2, 2 * len(RATES))),
        "worst": worst,
        "wrong": wrong,
        "cpu": watch.cpu,
    }


def _compare_with_new(
    rate: int, hours: int, make: Callable[[], Any], push: Callable
) -> dict[str, Any]:
    """Compare a long stream, after each quarter of the hours, with a new one of six minutes.

    `push` feeds a chunk and returns the results as `(start, end, label, probabilities)`.
    """
    loop, rng, old = programme(rate), np.random.default_rng(0), make()
    watch, differences, missing, compared = Watch(old), {}, 0, 0
    for hour in range(hours):
        recent: list[tuple] = []
        for chunk in chunks(loop, rate, 3600, rng, 3600 * hour):
            recent = (recent + push(old, chunk))[-1000:]
            watch.measure_state()
        watch.record(hour + 1)
        if (hour + 1) % max(1, hours // 4):
            continue
        new, expected = make(), []
        lead = LEAD_SECONDS + COMPARED_SECONDS
        offset = 3600 * (hour + 1) - lead
        for chunk in chunks(loop, rate, lead, rng, offset):
            expected += push(new, chunk)
        by_time = {(round(start, 3), round(end, 3)): rest for start, end, *rest in recent}
        worst = 0.0
        for start, end, label, probabilities in expected:
            if start < LEAD_SECONDS:
                continue
            compared += 1
            result = by_time.get((round(start + offset, 3), round(end + offset, 3)))
            if result is None or result[0] != label:
                missing += 1
            else:
                worst = max(worst, distance(result[1], probabilities))
        differences[hour + 1] = worst
    return {
        "slope": watch.slope(hours / 2),
        "state": watch.state,
        "cpu": watch.cpu,
        "differences": differences,
        "missing": missing,
        "compared": compared,
    }


def timeline(hours: int) -> dict[str, Any]:
    """Compare the steps of a long `TimelineStream` with those of new ones."""
    model, steps = lenient_model(), []

    def push(stream: TimelineStream, chunk: np.ndarray) -> list[tuple]:
        steps.clear()
        stream.push(chunk)
        return [(s.start, s.end, s.label, s.probabilities) for s in steps]

    return _compare_with_new(
        44_100, hours, lambda: TimelineStream(model, 44_100, on_step=steps.append), push
    )


def listener(hours: int) -> dict[str, Any]:
    """Compare the utterances of a long `Listener` with those of new ones."""
    model = lenient_model()

    def push(listener: Listener, chunk: np.ndarray) -> list[tuple]:
        return [
            (e.start, e.end, e.prediction.label, e.prediction.probabilities)
            for e in listener.push(chunk)
            if e.kind == "end"
        ]

    return _compare_with_new(48_000, hours, lambda: Listener(model, 48_000), push)


def resampler(hours: int) -> dict[str, Any]:
    """Compare the last two minutes of a long resampled stream with a new stream."""
    rate, rng = 48_000, np.random.default_rng(0)
    loop, old, n = programme(rate), StreamResampler(rate, 16_000), 0
    for hour in range(hours):
        tail = np.empty(0, np.float32)
        for chunk in chunks(loop, rate, 3600, rng, 3600 * hour):
            out = old.push(chunk)
            n += len(out)
            tail = np.concatenate([tail, out])[-16_000 * COMPARED_SECONDS :]
    rest = old.push(loop[:0], last=True)
    new = StreamResampler(rate, 16_000)
    expected = [new.push(chunk) for chunk in chunks(loop, rate, LEAD_SECONDS, rng)]
    expected.append(new.push(loop[:0], last=True))
    found = np.concatenate([tail, rest])
    error = np.abs(found - np.concatenate(expected)[-len(found) :]).max()
    return {
        "lost": 3600 * 16_000 * hours - n - len(rest),
        "error": float(error),
        "pushed": 3600 * rate * hours,
    }


def clips(count: int) -> dict[str, Any]:
    """Classify clips of random lengths, and compare probe results before and after."""
    model, rng, rate = lenient_model(), np.random.default_rng(0), 16_000
    loop = programme(rate)
    probes = [loop[start : start + 3 * rate] for start in range(0, len(loop), 6 * rate)]
    before = [model.classify(probe).probabilities for probe in probes]
    rss, steps = [], []
    for k in range(count):
        length = rng.integers(rate // 10, 12 * rate)
        start = rng.integers(0, len(loop) - length)
        model.classify(loop[start : start + length] * np.float32(rng.uniform(0.1, 1)))
        if (k + 1) % 100 == 0:
            steps.append(k + 1)
            rss.append(rss_kib())
    after = [model.classify(probe).probabilities for probe in probes]
    return {
        "slope": 1000 * slope(steps, rss, count / 2),
        "rss": rss[-1] - rss[len(rss) // 10],
        "changed": max(map(distance, before, after)),
    }


def threads(count: int) -> dict[str, Any]:
    """Classify and stream in eight threads with one model, and compare with one thread."""
    import scipy.fft  # noqa: F401  # else it would replace numpy's FFT in between

    model, rate = EmotionModel.load(), 16_000
    loop = programme(rate)
    probes = [loop[start : start + 3 * rate] for start in range(0, len(loop), 6 * rate)]

    def stream_events(stream: Any, probe: np.ndarray) -> list[Any]:
        rng = np.random.default_rng(len(probe))
        events = [e for p in chunks(probe, rate, len(probe) / rate, rng) for e in stream.push(p)]
        return events + stream.flush()

    expected = [(model.classify(p), stream_events(model.stream(), p)) for p in probes]
    done, different = [], []

    def work(seed: int) -> None:
        stream = model.stream()
        for k in np.random.default_rng(seed).integers(0, len(probes), count // 8):
            same = (model.classify(probes[k]), stream_events(stream, probes[k])) == expected[k]
            done.append(k)
            if not same:
                different.append(k)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return {"clips": len(done), "different": len(different)}


PARTS: dict[str, Callable[[int], dict[str, Any]]] = {
    part.__name__: part
    for part in (one_stream, sessions, timeline, listener, resampler, clips, threads)
}


def amount(part: str, hours: int, n_clips: int) -> int:
    """Return the hours or clips of a part."""
    if part == "resampler":
        return hours + 6  # at 48 kHz, 30 hours are more samples than 32 bits can count
    if part in ("timeline", "listener"):
        return max(4, hours // 4)
    if part == "sessions":
        return max(len(RATES), hours * 2 // 5)
    return {"clips": n_clips, "threads": n_clips // 20}.get(part, hours)


def main(
    hours: Annotated[int, typer.Option(min=4, help="Hours of each stream.")] = 24,
    n_clips: Annotated[int, typer.Option("--clips", min=1000, help="Clips.")] = 10_000,
    part: Annotated[str, typer.Option(help="Run one part, and print its result as JSON.")] = "",
    out: Out = None,
) -> None:
    """Report memory, state, drift and time of long runs."""
    if part:
        if part not in PARTS:
            raise typer.BadParameter(f"{part!r} is not one of {', '.join(PARTS)}")
        print(json.dumps(PARTS[part](amount(part, hours, n_clips))))
        return
    results = {}
    module = [sys.executable, "-m", "benchmarks.long_run"]
    for name in PARTS:
        print(f"{name} …", file=sys.stderr, flush=True)
        command = [*module, "--part", name, "--hours", str(hours), "--clips", str(n_clips)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
        results[name] = json.loads(done.stdout)
    publish(as_markdown(results, hours, n_clips, processor()), out)


if __name__ == "__main__":
    run_function(main)
