"""The summary of a recording: how much speech, which emotions, and how they change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..inference.prediction import NO_SPEECH, UNCERTAIN
from .segments import Segment

PART = 0.2  # share of the recording that is its beginning, and its end


@dataclass(frozen=True)
class SpeechSummary:
    """The speech within a recording or a part of it.

    Attributes:
        seconds: Seconds of speech.
        shares: Share of each label of the model, and of "uncertain", of the speech; they sum to 1.
            Empty without speech.
        arousal: Mean arousal of the speech; None without speech, or if it is not predicted.
    """

    seconds: float
    shares: dict[str, float]
    arousal: float | None

    @property
    def main_label(self) -> str | None:
        """The label with the largest share; None without speech."""
        return max(self.shares, key=lambda label: self.shares[label]) if self.shares else None


@dataclass(frozen=True)
class RecordingSummary:
    """The summary of a recording.

    Attributes:
        seconds: Duration of the recording.
        speech: All of its speech.
        longest: The longest segment of one emotion; None without an emotion.
        first: The speech in the first 20 % of the recording.
        last: The speech in the last 20 %.
    """

    seconds: float
    speech: SpeechSummary
    longest: Segment | None
    first: SpeechSummary
    last: SpeechSummary


def summarise(segments: Iterable[Segment]) -> RecordingSummary:
    """Summarise the segments of one recording, which follow each other from 0 to its end.

    Example:
        >>> probabilities = {"happy": 0.2, "sad": 0.8}
        >>> summary = summarise([Segment(0.0, 2.0, "sad", 0.8, probabilities)])
        >>> summary.speech.shares
        {'happy': 0.0, 'sad': 1.0, 'uncertain': 0.0}
    """
    segments = list(segments)
    seconds = segments[-1].end if segments else 0.0
    emotions = [segment for segment in segments if segment.label in segment.probabilities]
    return RecordingSummary(
        seconds,
        _speech(segments, 0.0, seconds),
        max(emotions, key=lambda segment: segment.end - segment.start, default=None),
        _speech(segments, 0.0, PART * seconds),
        _speech(segments, (1 - PART) * seconds, seconds),
    )


def _speech(segments: list[Segment], start: float, end: float) -> SpeechSummary:
    """Summarise the speech between two times."""
    seconds: dict[str, float] = {}
    aroused = with_arousal = 0.0
    for segment in segments:
        duration = min(segment.end, end) - max(segment.start, start)
        if duration <= 0 or segment.label == NO_SPEECH:
            continue
        if not seconds:
            seconds = dict.fromkeys([*segment.probabilities, UNCERTAIN], 0.0)
        seconds[segment.label] += duration
        if segment.arousal is not None:
            aroused += duration * segment.arousal
            with_arousal += duration
    total = sum(seconds.values(), 0.0)
    return SpeechSummary(
        total,
        {label: duration / total for label, duration in seconds.items()},
        aroused / with_arousal if with_arousal else None,
    )
