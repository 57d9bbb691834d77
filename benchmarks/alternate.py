"""Fair timings on a noisy machine: all candidates in each round, in random order."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np

from edge_runtime.diagnostics.bench import timings


def medians(candidates: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median time of each candidate in seconds."""
    order = random.Random(0)
    times = timings(candidates, rounds, lambda names: order.sample(names, len(names)))
    return {name: float(np.median(values)) for name, values in times.items()}
