"""What whole processes cost: seconds from start to exit, and peak memory.

On Linux the peak memory of a process begins with that of the one that started it, so that
`process_costs` starts them from a process of its own, this module run as a program.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from ..errors import EdgeSerError


@dataclass(frozen=True)
class ProcessCost:
    """Medians of several runs."""

    seconds: float
    peak_mib: float | None  # maximum resident set; None where the system does not tell


def process_cost(command: list[str]) -> ProcessCost:
    """The cost of one run of a process that must succeed. The caller should be small."""
    started = time.perf_counter()
    # Its errors are read at the end: the few lines of one that fails fit into the pipe.
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    peak: float | None = None
    if hasattr(os, "wait4"):
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        unit = 1 if sys.platform == "darwin" else 1024  # bytes there, KiB elsewhere
        peak = usage.ru_maxrss * unit / 2**20
    else:
        process.wait()
        seconds = time.perf_counter() - started
    with process.stderr:
        said = process.stderr.read().decode(errors="replace").strip()
    if process.returncode != 0:
        last = said.splitlines()[-1] if said else "said nothing"
        raise EdgeSerError(f"{' '.join(command)}: exit status {process.returncode}: {last}")
    return ProcessCost(seconds, peak)


def process_costs(commands: dict[str, list[str]], rounds: int) -> dict[str, ProcessCost]:
    """Medians of `rounds` alternating runs of each, after one that fills the disk cache."""
    job = json.dumps({"commands": commands, "rounds": rounds})
    # This very package, wherever it was imported from.
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    result = subprocess.run(
        [sys.executable, "-m", __name__, job],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )
    if result.returncode != 0:
        raise EdgeSerError((result.stderr.strip().splitlines() or ["said nothing"])[-1])
    return {name: ProcessCost(*values) for name, values in json.loads(result.stdout).items()}


def _main() -> None:
    job = json.loads(sys.argv[1])
    commands, rounds = job["commands"], job["rounds"]
    runs: dict[str, list[ProcessCost]] = {name: [] for name in commands}
    try:
        for command in commands.values():
            process_cost(command)
        for _ in range(rounds):
            for name, command in commands.items():
                runs[name].append(process_cost(command))
    except (EdgeSerError, OSError) as error:
        sys.exit(str(error))
    medians = {}
    for name, costs in runs.items():
        peaks = [cost.peak_mib for cost in costs if cost.peak_mib is not None]
        medians[name] = (median(cost.seconds for cost in costs), median(peaks) if peaks else None)
    print(json.dumps(medians))


if __name__ == "__main__":
    _main()
