"""Endless audio for long runs, and the memory, state and time that processing it takes."""

from __future__ import annotations

import dataclasses
import os
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from edge_runtime import EmotionModel, read_audio
from edge_runtime.features.mfcc import Mfcc
from edge_runtime.inference.network import Network, network_of

VOICES = Path(__file__).resolve().parent.parent / "tests" / "data" / "voices"
LOOP_SECONDS = 120


def lenient_model() -> EmotionModel:
    """Return the bundled model without its speech detection, which rejects synthesised voices."""
    model = EmotionModel.load()
    network = network_of(model)
    network.card = dataclasses.replace(network.card, speech_above=0.0)
    return model


def programme(rate: int) -> np.ndarray:
    """Return two minutes of voices, silence and disturbances, float32 `(n_samples,)`."""
    rng = np.random.default_rng(0)
    silence = np.zeros(rate, np.float32)
    voices = [read_audio(file, rate) for file in sorted(VOICES.glob("*/*.wav"))]
    n = 5 * rate
    disturbances = [
        0.03 * rng.standard_normal(n),  # noise
        1e-40 * rng.standard_normal(n),  # denormal numbers
        3e-4 * rng.standard_normal(n),  # faint noise
        np.full(n, 0.3),  # DC offset
        (np.arange(n) % rate == 0) * 0.9,  # clicks
    ]
    # The loudest part comes first: the silence threshold then is the same in every round.
    loudest = np.clip(20 * voices[0], -1, 1)
    parts = [part for sound in (loudest, *voices, *disturbances) for part in (sound, silence)]
    loop = np.concatenate(parts).astype(np.float32)[: LOOP_SECONDS * rate]
    return np.concatenate([loop, np.zeros(LOOP_SECONDS * rate - len(loop), np.float32)])


def steady(kind: str, rate: int) -> np.ndarray:
    """Return two minutes of "zeros" or "denormals", float32 `(n_samples,)`."""
    noise = np.random.default_rng(1).standard_normal(LOOP_SECONDS * rate)
    return (noise * {"zeros": 0.0, "denormals": 1e-40}[kind]).astype(np.float32)


def chunks(
    loop: np.ndarray, rate: int, seconds: float, rng: np.random.Generator, start: float = 0.0
) -> Iterator[np.ndarray]:
    """Yield `seconds` of the repeated `loop` in chunks of random sizes, from `start` seconds on."""
    position, end = round(start * rate), round((start + seconds) * rate)
    while position < end:
        longest = rng.choice([10, rate // 20, rate // 2, 2 * rate], p=[0.05, 0.25, 0.6, 0.1])
        first = position % len(loop)
        chunk = loop[first : first + min(int(rng.integers(0, longest + 1)), end - position)]
        position += len(chunk)
        yield chunk


def rss_kib() -> float:
    """Return the resident memory of this process in KiB, from Linux's /proc."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


def slope(steps: list[float], values: list[float], warm_up: float) -> float:
    """Return the slope of a line fitted to the values from step `warm_up` on."""
    points = np.array([(x, y) for x, y in zip(steps, values) if x >= warm_up])
    return float(np.polyfit(points[:, 0], points[:, 1], 1)[0])


SHARED = (EmotionModel, Network, Mfcc, FunctionType, MethodType)


def held_bytes(thing: Any) -> int:
    """Return the memory of all arrays that an object references, without models and front ends.

    A view counts as the array that it keeps alive.
    """
    visited: set[int] = set()
    total, pending = 0, [thing]
    while pending:
        value = pending.pop()
        if id(value) in visited or isinstance(value, SHARED):
            continue
        visited.add(id(value))
        if isinstance(value, np.ndarray):
            if isinstance(value.base, np.ndarray):
                pending.append(value.base)
            else:
                total += value.nbytes
        elif isinstance(value, dict):
            pending += value.values()
        elif isinstance(value, (list, tuple, deque, set)):
            pending += value
        elif hasattr(value, "__dict__"):
            pending += vars(value).values()
    return total


class Watch:
    """Record time, memory and state of a stream over simulated hours.

    Args:
        thing: The stream.

    Attributes:
        cpu: CPU seconds between two calls of `record`.
        steps: The step of each record.
        rss: Resident memory at each record, in KiB.
        state: The largest state so far, in bytes.
    """

    def __init__(self, thing: Any) -> None:
        self._thing = thing
        self._start = time.process_time()
        self.cpu: list[float] = []
        self.steps: list[float] = []
        self.rss: list[float] = []
        self.state = 0

    def record(self, step: float) -> None:
        """Record time and memory since the last record."""
        now = time.process_time()
        self.cpu.append(now - self._start)
        self._start = now
        self.steps.append(step)
        self.rss.append(rss_kib())
        self.measure_state()

    def measure_state(self) -> None:
        """Update the size of the largest state."""
        self.state = max(self.state, held_bytes(self._thing))

    def slope(self, warm_up: float) -> float:
        """Return the growth of memory after `warm_up` steps, in KiB per step."""
        return slope(self.steps, self.rss, warm_up)
