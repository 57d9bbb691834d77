"""Fair timings on a noisy machine: all candidates in each round, in random order, medians."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import numpy as np


def medians(candidates: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each candidate over `rounds` rounds of all.

    A call that is not timed precedes each that is: what is measured is work that goes on, not the
    state in which the candidate before has left the caches.
    """
    order = random.Random(0)
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, run in order.sample(list(candidates.items()), len(candidates)):
            run()
            started = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - started)
    return {name: float(np.median(values)) for name, values in times.items()}


def processor() -> str:
    """The name of the CPU, as far as the system tells."""
    try:
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith(("model name", "Model")):  # x86; a Raspberry Pi
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    import platform

    return platform.processor() or platform.machine()
