"""An utterance in progress: the frames between two pauses."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .running_prediction import RunningPrediction

# An emotion is named after this much speech if its confidence is high enough, and after twice as
# much in any case. 7 to 8 of 10 emotions named so are those at the end of the utterance
# (reports/calls.md); of the labels after 0.5 s fewer are.
EVIDENCE_SECONDS, EVIDENCE_CONFIDENCE = 1.0, 0.5


class Frame(NamedTuple):
    """One frame of a stream.

    Attributes:
        number: Index of the frame, counted from the start of the stream.
        row: Row of the front end, float32 `(width,)`.
        samples: The samples before the middle of the frame, `(hop_length,)`.
        is_speech: True if it is more probable than not that the frame is speech.
    """

    number: int
    row: np.ndarray
    samples: np.ndarray
    is_speech: bool


class Utterance:
    """The utterance in progress.

    Args:
        first: Number of its first frame.
        running: Its prediction.
        ignored: True if it started within the cooldown; it is tracked but gives no events.

    Attributes:
        last: Number of its last frame so far.
        n_speech_frames: Frames of speech.
        next_update: Number of the frame from which the next update is due.
        is_reported: True after a "start" event.
    """

    def __init__(self, first: int, running: RunningPrediction, ignored: bool) -> None:
        self.first = first
        self.running = running
        self.ignored = ignored
        self.last = first
        self.n_speech_frames = 0
        self.next_update = 0
        self.is_reported = False

    def add(self, frames: list[Frame]) -> None:
        """Append the next frames."""
        if not frames:
            return
        self.last = frames[-1].number
        self.n_speech_frames += sum(frame.is_speech for frame in frames)
        if self.ignored:
            return
        self.running.push(
            np.stack([frame.row for frame in frames]),
            np.concatenate([frame.samples for frame in frames]),
        )

    def has_evidence(self, confidence: float, period: float) -> bool:
        """Return True if an emotion can be named before the end.

        Args:
            confidence: Confidence of the prediction so far.
            period: Seconds between frames.
        """
        factor = 1 if confidence >= EVIDENCE_CONFIDENCE else 2
        return self.n_speech_frames * period >= factor * EVIDENCE_SECONDS
