"""A stretch of frames between two pauses."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .running_prediction import RunningPrediction


class Frame(NamedTuple):
    """A frame of a stream, on its way to an utterance."""

    number: int
    mfcc: np.ndarray  # (n_mfcc,)
    samples: np.ndarray  # (hop_length,), the ones before the middle of the frame
    level: float  # dB
    sound: bool  # whether it stands out from the noise


class Utterance:
    """What is known of the one that is going on."""

    def __init__(self, first: int, running: RunningPrediction, ignored: bool) -> None:
        self.first = first  # number of its first frame
        self.ignored = ignored  # nobody wants to know of it
        self.last = first  # and of the last one so far
        self.n_sound = 0  # frames that stand out
        self.peak = -math.inf  # dB, the level of the loudest
        self.next_update = 0  # frame from which on there may be another
        self.started = False  # whether there was an event
        self.running = running

    def take(self, frames: list[Frame]) -> None:
        """The next frames belong to it."""
        if not frames:
            return
        self.last = frames[-1].number
        self.n_sound += sum(frame.sound for frame in frames)
        self.peak = max(self.peak, *(frame.level for frame in frames))
        if self.ignored:
            return
        self.running.push(
            np.stack([frame.mfcc for frame in frames]),
            np.concatenate([frame.samples for frame in frames]),
        )
