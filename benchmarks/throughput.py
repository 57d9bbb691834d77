"""Clips per second of warm processes: `python -m benchmarks.throughput --data FOLDER`.

Each candidate is a process that has loaded its model and classified all clips once. They take
turns; a round is all clips. The two processes of `--jobs 2` start anew in each round and are timed
once they are warm. Wall time is what a user waits for. CPU time is steadier on a busy machine.

BLAS, OpenMP, MKL and PyTorch are limited to one thread per process.
"""

from __future__ import annotations

import benchmarks.one_thread  # noqa: F401

# isort: split
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from edge_runtime.diagnostics.system_info import processor
from train.command import run_function

from .report import Out, command, publish, table

WARM_UP_CLIPS = 64  # results of `--jobs 2` that are not timed

Round = Callable[[], tuple[int, float, float]]  # clips, seconds, CPU seconds (0: not measured)


def timed(classify: Callable[[str], object], files: list[str]) -> Round:
    """Return a round that times `classify` on all files."""

    def run() -> tuple[int, float, float]:
        wall, cpu = time.perf_counter(), time.process_time()
        for file in files:
            classify(file)
        return len(files), time.perf_counter() - wall, time.process_time() - cpu

    return run


def edge_ser(files: list[str]) -> Round:
    """Classify in this process."""
    from edge_runtime import EmotionModel

    return timed(EmotionModel.load().classify, files)


def edge_ser_jobs(files: list[str]) -> Round:
    """Classify in two processes."""
    from edge_runtime import EmotionModel, classify_many

    model = EmotionModel.load()

    def run() -> tuple[int, float, float]:
        warm_up = files[:WARM_UP_CLIPS]
        results = classify_many(model, warm_up + 2 * files, jobs=2)
        for _ in warm_up:
            next(results)
        wall = time.perf_counter()
        count = sum(1 for _ in results)
        return count, time.perf_counter() - wall, 0.0

    return run


def librosa_torch(files: list[str]) -> Round:
    """Classify with the baseline."""
    import torch

    from .librosa_torch import Network, classify

    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    network = Network().eval()
    return timed(lambda file: classify(network, file), files)


def fft_and_network(files: list[str]) -> Round:
    """Compute only the lower bound: the Fourier transforms of the frames, and onnxruntime."""
    import numpy as np

    from edge_runtime import EmotionModel
    from edge_runtime.inference.network import network_of

    network = network_of(EmotionModel.load())
    config = network.card.mfcc_config
    inputs = {}
    for file in files:
        samples = network.read_samples(file)
        padded = np.pad(samples, config.n_fft // 2)
        windows = np.lib.stride_tricks.sliding_window_view(padded, config.n_fft)
        inputs[file] = windows[:: config.hop_length].copy(), network.speech_frames(samples)

    def work(file: str) -> None:
        windows, frames = inputs[file]
        np.fft.rfft(windows)
        network.run(frames)

    return timed(work, files)


BASELINE = "librosa + PyTorch, 1 thread"
ONE_THREAD = "edge-ser, 1 thread"
TWO_JOBS = "edge-ser, --jobs 2"
CANDIDATES = {
    BASELINE: librosa_torch,
    ONE_THREAD: edge_ser,
    "FFT and onnxruntime only": fft_and_network,
    TWO_JOBS: edge_ser_jobs,
}


def serve(candidate: str, folder: str, count: int) -> None:
    """Run a round for every line of stdin; print clips per second and per CPU second."""
    files = sorted(map(str, Path(folder).rglob("*.wav")))
    files = files[:: max(1, len(files) // count)][:count]
    run = CANDIDATES[candidate](files)
    run()
    print(len(files), flush=True)
    for _ in sys.stdin:
        clips, wall, cpu = run()
        print(clips / wall, clips / cpu if cpu else 0.0, flush=True)


def measure(data: str, clips: int, rounds: int) -> tuple[int, dict[str, list[tuple[float, ...]]]]:
    """Return the number of clips, and clips per second and per CPU second in each round."""
    module = [sys.executable, "-m", "benchmarks.throughput"]
    processes = {
        name: subprocess.Popen(
            [*module, "--data", data, "--clips", str(clips), "--serve", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in CANDIDATES
    }
    n_clips = [int(process.stdout.readline()) for process in processes.values()][0]  # type: ignore
    rates: dict[str, list[tuple[float, ...]]] = {name: [] for name in processes}
    for _ in range(rounds):
        for name, process in processes.items():
            process.stdin.write("\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            line = process.stdout.readline().split()  # type: ignore[union-attr]
            rates[name].append(tuple(map(float, line)))
    for process in processes.values():
        process.communicate()
    return n_clips, rates


def main(
    data: Annotated[str, typer.Option(help="Folder of WAV files.")],
    clips: Annotated[int, typer.Option(help="Clips per round, spread over the folder.")] = 100,
    rounds: Annotated[int, typer.Option(help="Alternating rounds.")] = 11,
    out: Out = None,
    candidate: Annotated[str, typer.Option("--serve", hidden=True)] = "",
) -> None:
    """Report clips per second of warm processes next to librosa + PyTorch."""
    if candidate:
        serve(candidate, data, clips)
        return
    n_clips, rates = measure(data, clips, rounds)
    rows = []
    for name, measured in rates.items():
        cells = []
        for k in (0, 1):
            factor = statistics.median(a[k] / b[k] for a, b in zip(measured, rates[BASELINE]))
            rate = statistics.median(values[k] for values in measured)
            cells += [f"{rate:.0f}", f"{factor:.1f}"] if rate else ["", ""]
        rows.append([name, *cells])
    speedup = statistics.median(b[0] / a[0] for a, b in zip(rates[ONE_THREAD], rates[TWO_JOBS]))
    header = [
        *("process", "clips per second", "times faster"),
        *("clips per CPU second", "times faster"),
    ]
    publish(
        f"""# Throughput of warm processes

{command()} on {processor()}: {n_clips} clips, medians of {rounds} alternating rounds, one thread \
per process. Factors are medians over the rounds.

{table(header, rows)}

`--jobs 2` is {speedup:.2f} times as fast as one thread.
""",
        out,
    )


if __name__ == "__main__":
    run_function(main)
