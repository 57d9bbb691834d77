"""`python -m benchmarks.end_to_end`: whole processes, from start to exit, as a Markdown table.

`edge-ser classify clip.wav` beside a script that does the same with librosa and PyTorch, in turn;
medians of the wall time and of the peak memory (maximum resident set).
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# Nothing large is imported here: on Linux the peak memory of a process begins with that of the
# one that started it.

HERE = Path(__file__).resolve().parent


def measure(command: list[str]) -> tuple[float, float]:
    """(seconds, peak MiB) of a process that must succeed."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed")
    return seconds, usage.ru_maxrss / 1024  # KiB on Linux


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip", type=Path, default=Path("samples/sad/speaker01-1.wav"))
    parser.add_argument("--out", type=Path, default=Path("reports/end-to-end.md"))
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args()
    edge_ser = str(Path(sys.executable).with_name("edge-ser"))
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.pt"
        make_weights = (
            "import sys, torch; sys.path.insert(0, sys.argv[1]); "
            "from librosa_torch import Network; torch.save(Network().state_dict(), sys.argv[2])"
        )
        subprocess.run([sys.executable, "-c", make_weights, str(HERE), str(weights)], check=True)
        commands = {
            "librosa + PyTorch": [
                sys.executable, str(HERE / "librosa_torch.py"), str(weights), str(options.clip)
            ],
            "`edge-ser classify`": [edge_ser, "classify", str(options.clip)],
            "`edge-ser --help`": [edge_ser, "--help"],
        }
        for command in commands.values():
            measure(command)  # fills the disk cache, and librosa's of compiled code
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(options.rounds):
            for name, command in commands.items():
                found[name].append(measure(command))
    medians = {
        name: tuple(map(statistics.median, zip(*values))) for name, values in found.items()
    }
    cpu = subprocess.run(
        [sys.executable, "-c", "from benchmarks.alternate import processor; print(processor())"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()
    slow = medians["librosa + PyTorch"]
    lines = [
        "# Whole processes", "",
        f"`python -m benchmarks.end_to_end` on {cpu}: medians of {options.rounds} "
        "alternating runs.", "",
        "| process | seconds | peak MiB | faster by | smaller by |", "|---|---:|---:|---:|---:|",
        *(f"| {name} | {seconds:.2f} | {mib:.0f} | {slow[0] / seconds:.1f} | {slow[1] / mib:.1f} |"
          for name, (seconds, mib) in medians.items()), "",
    ]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


main()
