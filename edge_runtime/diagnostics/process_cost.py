"""Cost of whole processes: seconds from start to exit, and peak memory.

On Linux a process inherits the peak memory of its parent. `process_costs` therefore starts the
processes from a small process, which runs this module as a program.
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
    """Cost of a process, the median of several runs.

    Attributes:
        seconds: Seconds from start to exit.
        peak_mib: Maximum resident set size in MiB; None if the system does not report it.
    """

    seconds: float
    peak_mib: float | None


def process_cost(command: list[str]) -> ProcessCost:
    """Run a command once and measure its cost; the calling process should be small.

    Raises:
        EdgeSerError: If the exit status is not 0.
    """
    started = time.perf_counter()
    # stderr is read at the end: the few lines of a failing command fit into the pipe.
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    peak: float | None = None
    if hasattr(os, "wait4"):
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, KiB elsewhere
        peak = usage.ru_maxrss * unit / 2**20
    else:
        process.wait()
        seconds = time.perf_counter() - started
    with process.stderr:
        output = process.stderr.read().decode(errors="replace")
    if process.returncode != 0:
        reason = _last_line(output)
        raise EdgeSerError(f"{' '.join(command)}: exit status {process.returncode}: {reason}")
    return ProcessCost(seconds, peak)


def process_costs(commands: dict[str, list[str]], rounds: int) -> dict[str, ProcessCost]:
    """Measure the cost of several commands in alternation.

    Args:
        commands: Command lines by name.
        rounds: Runs of each command, after one run that fills the disk cache.

    Returns:
        The median cost by name.

    Raises:
        EdgeSerError: If a command cannot be started or its exit status is not 0.
    """
    job = json.dumps({"commands": commands, "rounds": rounds})
    # Import the same package, wherever it is.
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    result = subprocess.run(
        [sys.executable, "-m", __name__, job],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )
    if result.returncode != 0:
        raise EdgeSerError(_last_line(result.stderr))
    return {name: ProcessCost(*values) for name, values in json.loads(result.stdout).items()}


def _last_line(output: str) -> str:
    lines = output.strip().splitlines()
    return lines[-1] if lines else "no error message"


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
