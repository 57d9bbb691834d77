"""`python -m benchmarks.throughput --data FOLDER`: warm clips per second, as a Markdown table.

Each candidate is a process that has loaded its model and classified all clips once before. They
take turns; a round is all clips. The processes of `--jobs 2` start anew in each round, and are
timed from when they have become warm. Wall time is what a user waits for, CPU time is what the
candidate works: on a machine that others use as well only the second is steady.

One thread is one thread: numpy's BLAS, OpenMP, MKL and PyTorch are all told so.
"""

from __future__ import annotations

import benchmarks.one_thread  # noqa: F401
from edge_runtime.inference.network import network_of

# isort: split
import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from edge_runtime.diagnostics.system_info import processor

from .command import command

REPORT = Path("reports/throughput.md")
WARM_UP = 64  # answers of `--jobs 2` that are not timed

Round = Callable[[], tuple[int, float, float]]  # clips, seconds, CPU seconds (0: not known)


def timed(classify: Callable[[str], object], files: list[str]) -> Round:
    def run() -> tuple[int, float, float]:
        wall, cpu = time.perf_counter(), time.process_time()
        for file in files:
            classify(file)
        return len(files), time.perf_counter() - wall, time.process_time() - cpu

    return run


def edge_ser(files: list[str]) -> Round:
    from edge_runtime import EmotionModel

    return timed(EmotionModel.load().classify, files)


def edge_ser_jobs(files: list[str]) -> Round:
    from edge_runtime import EmotionModel, classify_many

    model = EmotionModel.load()

    def run() -> tuple[int, float, float]:
        warm_up = files[:WARM_UP]
        answers = classify_many(model, warm_up + 2 * files, jobs=2)
        for _ in warm_up:
            next(answers)
        wall = time.perf_counter()
        count = sum(1 for _ in answers)
        return count, time.perf_counter() - wall, 0.0

    return run


def librosa_torch(files: list[str]) -> Round:
    import torch

    from .librosa_torch import Network, classify

    torch.set_num_threads(1)
    torch.set_num_interop_threads(1)
    network = Network().eval()
    return timed(lambda file: classify(network, file), files)


def fft_and_network(files: list[str]) -> Round:
    """What nothing can be saved of: the Fourier transforms of the frames, and onnxruntime."""
    import numpy as np

    from edge_runtime import EmotionModel, read_audio

    model = EmotionModel.load()
    config = model.card.mfcc_config
    heard = {}
    for file in files:
        samples = np.pad(read_audio(file, config.sample_rate), config.n_fft // 2)
        windows = np.lib.stride_tricks.sliding_window_view(samples, config.n_fft)
        heard[file] = windows[:: config.hop_length].copy(), network_of(model).speech_frames(file)

    def work(file: str) -> None:
        windows, frames = heard[file]
        np.fft.rfft(windows)
        network_of(model).run(frames)

    return timed(work, files)


CANDIDATES = {
    "librosa + PyTorch, 1 thread": librosa_torch,
    "edge-ser, 1 thread": edge_ser,
    "FFT and onnxruntime alone": fft_and_network,
    "edge-ser, --jobs 2": edge_ser_jobs,
}


def serve(candidate: str, folder: str, count: int) -> None:
    """Do a round for every line on stdin, and print clips per second and per CPU second."""
    files = sorted(map(str, Path(folder).rglob("*.wav")))
    files = files[:: max(1, len(files) // count)][:count]
    run = CANDIDATES[candidate](files)
    run()
    print(len(files), flush=True)
    for _ in sys.stdin:
        clips, wall, cpu = run()
        print(clips / wall, clips / cpu if cpu else 0.0, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="a folder of WAV files")
    parser.add_argument("--clips", type=int, default=100, help="in a round, spread over all")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--out", type=Path, default=REPORT)
    parser.add_argument("--serve", choices=CANDIDATES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, options.data, options.clips)
        return
    itself = [
        sys.executable,
        "-m",
        "benchmarks.throughput",
        "--data",
        options.data,
        "--clips",
        str(options.clips),
        "--serve",
    ]
    processes = {
        name: subprocess.Popen(
            [*itself, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for name in CANDIDATES
    }
    n_clips = [int(process.stdout.readline()) for process in processes.values()][0]  # type: ignore
    found: dict[str, list[tuple[float, ...]]] = {name: [] for name in processes}
    for _ in range(options.rounds):
        for name, process in processes.items():
            process.stdin.write("\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            rates = process.stdout.readline().split()  # type: ignore[union-attr]
            found[name].append(tuple(map(float, rates)))
    for process in processes.values():
        process.communicate()
    slow = found["librosa + PyTorch, 1 thread"]
    lines = [
        "# Clips per second of a process that is warm",
        "",
        f"{command()} on {processor()}: {n_clips} clips, medians of "
        f"{options.rounds} alternating rounds; the factors are medians over the rounds. All "
        "libraries are held to one thread a process.",
        "",
        "| | clips per second | faster by | clips per CPU second | by |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, rates in found.items():
        cells = []
        for k in (0, 1):
            factor = statistics.median(a[k] / b[k] for a, b in zip(rates, slow))
            rate = statistics.median(rate[k] for rate in rates)
            cells.append(f"{rate:.0f} | {factor:.1f}" if rate else " | ")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    gain = statistics.median(
        b[0] / a[0] for a, b in zip(found["edge-ser, 1 thread"], found["edge-ser, --jobs 2"])
    )
    lines += ["", f"`--jobs 2` is {gain:.2f} times as fast as one thread.", ""]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
