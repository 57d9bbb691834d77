"""An utterance in progress: the frames between two pauses."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .running_prediction import RunningPrediction


class Frame(NamedTuple):
    """One frame of a stream.

    Attributes:
        number: Index of the frame, counted from the start of the stream.
        row: Row of the front end, float32 `(width,)`.
        samples: The samples before the middle of the frame, `(hop_length,)`.
        level: Level in dB.
        is_sound: True if the frame stands out from the background noise.
    """

    number: int
    row: np.ndarray
    samples: np.ndarray
    level: float
    is_sound: bool


class Utterance:
    """The utterance in progress.

    Args:
        first: Number of its first frame.
        running: Its prediction.
        ignored: True if it started within the cooldown; it is tracked but gives no events.

    Attributes:
        last: Number of its last frame so far.
        n_sound_frames: Frames that stand out from the background noise.
        peak: Level of its loudest frame in dB.
        next_update: Number of the frame from which the next update is due.
        is_reported: True after a "start" event.
    """

    def __init__(self, first: int, running: RunningPrediction, ignored: bool) -> None:
        self.first = first
        self.running = running
        self.ignored = ignored
        self.last = first
        self.n_sound_frames = 0
        self.peak = -math.inf
        self.next_update = 0
        self.is_reported = False

    def add(self, frames: list[Frame]) -> None:
        """Append the next frames."""
        if not frames:
            return
        self.last = frames[-1].number
        self.n_sound_frames += sum(frame.is_sound for frame in frames)
        self.peak = max(self.peak, *(frame.level for frame in frames))
        if self.ignored:
            return
        self.running.push(
            np.stack([frame.row for frame in frames]),
            np.concatenate([frame.samples for frame in frames]),
        )
