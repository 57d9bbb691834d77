"""What a device hears in a day, and what that costs it: audio without end, memory, state."""

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

VOICES = Path(__file__).resolve().parent.parent / "tests" / "data" / "voices"
LOOP_SECONDS = 120


def lenient_model() -> EmotionModel:
    """The bundled one, made to take synthesised voices for speech."""
    model = EmotionModel.load()
    model.card = dataclasses.replace(model.card, speech_above=0.0)
    return model


def programme(rate: int) -> np.ndarray:
    """Two minutes of voices, silences, noises and what else a microphone gives, float32 `(n,)`."""
    rng = np.random.default_rng(0)
    silence = np.zeros(rate, np.float32)
    voices = [read_audio(file, rate) for file in sorted(VOICES.glob("*/*.wav"))]
    n = 5 * rate
    others = [
        0.03 * rng.standard_normal(n),
        1e-40 * rng.standard_normal(n),  # noise; denormal numbers
        3e-4 * rng.standard_normal(n),
        np.full(n, 0.3),  # faint; an offset
        (np.arange(n) % rate == 0) * 0.9,  # clicks
    ]
    # The loudest comes first: what is silence beside it is so in the first round as in all others.
    loudest = np.clip(20 * voices[0], -1, 1)
    parts = [part for sound in (loudest, *voices, *others) for part in (sound, silence)]
    loop = np.concatenate(parts).astype(np.float32)[: LOOP_SECONDS * rate]
    return np.concatenate([loop, np.zeros(LOOP_SECONDS * rate - len(loop), np.float32)])


def steady(kind: str, rate: int) -> np.ndarray:
    """Two minutes of "zeros" or of "denormals"."""
    noise = np.random.default_rng(1).standard_normal(LOOP_SECONDS * rate)
    return (noise * {"zeros": 0.0, "denormals": 1e-40}[kind]).astype(np.float32)


def chunks(
    loop: np.ndarray, rate: int, seconds: float, rng: np.random.Generator, start: float = 0.0
) -> Iterator[np.ndarray]:
    """`loop` over and over from `start` on, `seconds` long, in pieces of random sizes."""
    at, end = round(start * rate), round((start + seconds) * rate)
    while at < end:
        longest = rng.choice([10, rate // 20, rate // 2, 2 * rate], p=[0.05, 0.25, 0.6, 0.1])
        first = at % len(loop)
        piece = loop[first : first + min(int(rng.integers(0, longest + 1)), end - at)]
        at += len(piece)
        yield piece


def rss_kib() -> float:
    """The resident memory of this process, from Linux's /proc."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


def slope(steps: list[float], values: list[float], warm_up: float) -> float:
    """Of a straight line through what comes after `warm_up`, value per step."""
    after = np.array([(x, y) for x, y in zip(steps, values) if x >= warm_up])
    return float(np.polyfit(after[:, 0], after[:, 1], 1)[0])


def held_bytes(thing: Any) -> int:
    """The memory of all arrays that an object holds on to, but for models and front ends, which
    are shared. A view counts as what it keeps alive."""
    seen: set[int] = set()
    total, waiting = 0, [thing]
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, (EmotionModel, Mfcc, FunctionType, MethodType)):
            continue
        seen.add(id(each))
        if isinstance(each, np.ndarray):
            if isinstance(each.base, np.ndarray):
                waiting.append(each.base)
            else:
                total += each.nbytes
        elif isinstance(each, dict):
            waiting += each.values()
        elif isinstance(each, (list, tuple, deque, set)):
            waiting += each
        elif hasattr(each, "__dict__"):
            waiting += vars(each).values()
    return total


class Watch:
    """Time, memory and state of something that runs for simulated hours."""

    def __init__(self, thing: Any) -> None:
        self._thing = thing
        self._start = time.process_time()
        self.cpu: list[float] = []  # seconds between two calls of `look`
        self.steps: list[float] = []
        self.rss: list[float] = []
        self.state = 0  # bytes, the most there was

    def look(self, step: float) -> None:
        now = time.process_time()
        self.cpu.append(now - self._start)
        self._start = now
        self.steps.append(step)
        self.rss.append(rss_kib())
        self.look_at_state()

    def look_at_state(self) -> None:
        self.state = max(self.state, held_bytes(self._thing))

    def slope(self, warm_up: float) -> float:
        """KiB of memory per step."""
        return slope(self.steps, self.rss, warm_up)
