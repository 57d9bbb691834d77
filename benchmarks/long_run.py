"""`python -m benchmarks.long_run`: a day of audio and thousands of clips, as fast as they go.

Memory that grows, answers that drift, state that piles up, denormal numbers that slow the
processor down, counters that overflow: each part is a process of its own, and the report has a row
for it. Times are of the processor, so that other programs do not matter. Linux only.
"""

from __future__ import annotations

import benchmarks.one_thread  # noqa: F401
from edge_runtime.inference.network import network_of

# isort: split
import argparse
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime import EmotionModel
from edge_runtime.audio.resample import StreamResampler
from edge_runtime.diagnostics.system_info import processor
from edge_runtime.inference.pooling import pooled_shape
from edge_runtime.streaming.listener import Listener
from edge_runtime.streaming.timeline import TimelineStream

from .endurance import LOOP_SECONDS, Watch, chunks, lenient_model, programme, rss_kib, slope, steady

RATES = (8_000, 16_000, 22_050, 44_100, 48_000)
LEAD_SECONDS = 2 * LOOP_SECONDS  # after which a fresh stream is where one of many hours is
COMPARED_SECONDS = LOOP_SECONDS


def distance(a: dict[str, float], b: dict[str, float]) -> float:
    return max(abs(a[label] - b[label]) for label in a)


def after_rounds(model: EmotionModel, loop: np.ndarray) -> Callable[[int], dict[str, float]]:
    """The answer to an even number of rounds of a programme in exact arithmetic: each two rounds
    but the first few add the same to the sums over time, which the network divides by the last."""
    step = model.card.frames_per_step
    kept = [
        network_of(model)
        .new_silence_gate()
        .whole(network_of(model).front_end(np.tile(loop, rounds)))
        for rounds in (4, 6)
    ]
    counts = np.array([len(frames) for frames in kept]) // step * step
    assert (len(kept[1]) - len(kept[0])) % step == 0
    states = [network_of(model).run(kept[1][:count]).state.astype(np.float64) for count in counts]
    shape = pooled_shape(model.card.architecture, len(states[0]))
    sums = slice(len(states[0]) - shape[0] * shape[1], None)

    def answer(rounds: int) -> dict[str, float]:
        state = states[1].copy()
        total = states[0][sums] + (rounds - 4) / 2 * (states[1] - states[0])[sums]
        total = total.reshape(shape)
        # Beside which what is asked with weighs nothing.
        state[sums] = (total / total[:, -1:] * 1e12).ravel()
        silence = np.zeros((step, model.card.mfcc_config.n_mfcc), np.float32)
        heard = network_of(model).run(silence, state.astype(np.float32))
        return dict(zip(model.labels, heard.probabilities.tolist()))

    return answer


def one_stream(hours: int) -> dict[str, Any]:
    """An `EmotionStream` that nobody flushes, whose programme repeats."""
    rate, rng, model = 16_000, np.random.default_rng(0), lenient_model()
    loop = programme(rate)
    expected, rounds = after_rounds(model, loop), 0
    sounds = {"programme": loop, **{kind: steady(kind, rate) for kind in ("zeros", "denormals")}}
    kinds = {hours - 2: "zeros", hours - 1: "denormals", 2: "zeros", 3: "denormals"}
    stream = model.stream()
    watch = Watch(stream)
    drift: dict[int, float] = {}
    by_kind: dict[str, list[float]] = {}
    for hour in range(hours):
        kind = kinds.get(hour, "programme") if hours > 7 else "programme"
        for piece in chunks(sounds[kind], rate, 3600, rng):
            for event in stream.push(piece):
                answer = event.prediction.probabilities
            watch.look_at_state()
        watch.look(hour + 1)
        rounds += 3600 // LOOP_SECONDS * (kind == "programme")
        drift[hour + 1] = distance(answer, expected(rounds))
        by_kind.setdefault(kind, []).append(watch.cpu[-1])
    event = stream.flush()[-1]
    late = event.end - 3600 * hours  # of the time stamp, in seconds
    return {
        "slope": watch.slope(hours / 8),
        "state": watch.state,
        "late": late,
        "cpu": by_kind,
        "drift": drift,
    }


def sessions(hours: int) -> dict[str, Any]:
    """Streams at one rate after the other, each flushed after up to two minutes, against
    `classify` of the same samples as one clip."""
    model, rng = lenient_model(), np.random.default_rng(0)
    loops = {rate: programme(rate) for rate in RATES}
    watch, worst = Watch(None), []
    wrong = 0
    for hour in range(hours):
        rate = RATES[hour % len(RATES)]
        stream, loop, differences = model.stream(rate), loops[rate], []
        left = 3600.0
        while left > 0:
            seconds, start = min(left, rng.uniform(1, LOOP_SECONDS)), rng.uniform(0, LOOP_SECONDS)
            pieces = list(chunks(loop, rate, seconds, rng, start))
            if not sum(map(len, pieces)):
                break
            for piece in pieces:
                stream.push(piece)
            found = stream.flush()[-1].prediction
            whole = model.classify(np.concatenate(pieces), rate)
            differences.append(distance(found.probabilities, whole.probabilities))
            wrong += found.label != whole.label
            left -= seconds
        worst.append(max(differences))
        watch.look(hour + 1)
    return {
        "slope": watch.slope(min(hours / 2, 2 * len(RATES))),
        "worst": worst,
        "wrong": wrong,
        "cpu": watch.cpu,
    }


def _late(rate: int, hours: int, make: Callable[[], Any], moments: Callable) -> dict[str, Any]:
    """Something that gives moments `(start, end, label, probabilities)`, after each quarter of the
    hours against a fresh one that heard the last six minutes only."""
    loop, rng, old = programme(rate), np.random.default_rng(0), make()
    watch, differences, missing, compared = Watch(old), {}, 0, 0
    for hour in range(hours):
        recent: list[tuple] = []
        for piece in chunks(loop, rate, 3600, rng, 3600 * hour):
            recent = (recent + moments(old, piece))[-1000:]
            watch.look_at_state()
        watch.look(hour + 1)
        if (hour + 1) % max(1, hours // 4):
            continue
        fresh, expected = make(), []
        lead = LEAD_SECONDS + COMPARED_SECONDS
        offset = 3600 * (hour + 1) - lead
        for piece in chunks(loop, rate, lead, rng, offset):
            expected += moments(fresh, piece)
        known = {(round(start, 3), round(end, 3)): rest for start, end, *rest in recent}
        worst = 0.0
        for start, end, label, probabilities in expected:
            if start < LEAD_SECONDS:
                continue
            compared += 1
            found = known.get((round(start + offset, 3), round(end + offset, 3)))
            if found is None or found[0] != label:
                missing += 1
            else:
                worst = max(worst, distance(found[1], probabilities))
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
    model, steps = lenient_model(), []

    def heard(stream: TimelineStream, piece: np.ndarray) -> list[tuple]:
        steps.clear()
        stream.push(piece)
        return [(s.start, s.end, s.label, s.probabilities) for s in steps]

    return _late(44_100, hours, lambda: TimelineStream(model, 44_100, watch=steps.append), heard)


def listener(hours: int) -> dict[str, Any]:
    model = lenient_model()

    def heard(listener: Listener, piece: np.ndarray) -> list[tuple]:
        return [
            (e.start, e.end, e.prediction.label, e.prediction.probabilities)
            for e in listener.push(piece)
            if e.kind == "end"
        ]

    return _late(48_000, hours, lambda: Listener(model, 48_000), heard)


def resampler(hours: int) -> dict[str, Any]:
    """The last two minutes of a resampled stream against a fresh one's."""
    rate, rng = 48_000, np.random.default_rng(0)
    loop, old, n = programme(rate), StreamResampler(rate, 16_000), 0
    for hour in range(hours):
        tail = np.empty(0, np.float32)
        for piece in chunks(loop, rate, 3600, rng, 3600 * hour):
            out = old.push(piece)
            n += len(out)
            tail = np.concatenate([tail, out])[-16_000 * COMPARED_SECONDS :]
    rest = old.push(loop[:0], last=True)
    fresh = StreamResampler(rate, 16_000)
    last = [fresh.push(p) for p in chunks(loop, rate, LEAD_SECONDS, rng)]
    expected = np.concatenate([*last, fresh.push(loop[:0], last=True)])
    found = np.concatenate([tail, rest])
    error = np.abs(found - expected[-len(found) :]).max()
    return {
        "lost": 3600 * 16_000 * hours - n - len(rest),
        "error": float(error),
        "pushed": 3600 * rate * hours,
    }


def clips(count: int) -> dict[str, Any]:
    """Clips of random lengths through one model, and whether it still says what it said."""
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
    """Eight threads on one model, each with clips and a stream of its own."""
    import scipy.fft  # noqa: F401  # which would take over from numpy's in between

    model, rate = EmotionModel.load(), 16_000
    loop = programme(rate)
    probes = [loop[start : start + 3 * rate] for start in range(0, len(loop), 6 * rate)]

    def stream_answers(stream: Any, probe: np.ndarray) -> list[Any]:
        rng = np.random.default_rng(len(probe))
        events = [e for p in chunks(probe, rate, len(probe) / rate, rng) for e in stream.push(p)]
        return events + stream.flush()

    single = [(model.classify(p), stream_answers(model.stream(), p)) for p in probes]
    done, different = [], []

    def work(seed: int) -> None:
        stream = model.stream()
        for k in np.random.default_rng(seed).integers(0, len(probes), count // 8):
            same = (model.classify(probes[k]), stream_answers(stream, probes[k])) == single[k]
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=int, default=24, help="of each stream; 4 or more")
    parser.add_argument("--clips", type=int, default=10_000, help="1000 or more")
    parser.add_argument("--report", type=Path, default=Path("reports/long-run.md"))
    parser.add_argument("--part", choices=PARTS, help="one of them alone, as JSON")
    options = parser.parse_args()

    def amount(part: str) -> int:
        if part == "resampler":
            return options.hours + 6  # at 48 kHz the count of samples exceeds 32 bits
        if part in ("timeline", "listener"):
            return max(4, options.hours // 4)
        if part == "sessions":
            return max(len(RATES), options.hours * 2 // 5)
        return {"clips": options.clips, "threads": options.clips // 20}.get(part, options.hours)

    if options.part:
        print(json.dumps(PARTS[options.part](amount(options.part))))
        return
    from .long_run_report import as_markdown

    found = {}
    for part in PARTS:
        command = [
            sys.executable,
            "-m",
            "benchmarks.long_run",
            "--part",
            part,
            "--hours",
            str(options.hours),
            "--clips",
            str(options.clips),
        ]
        print(f"{part} …", file=sys.stderr, flush=True)
        found[part] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    text = as_markdown(found, options.hours, options.clips, processor())
    options.report.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
