"""Segments of a recording: put together from pieces, and counted."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..inference.prediction import NO_SPEECH

# Shorter pauses belong to what is said around them: stops, breaths, hesitations.
MIN_PAUSE = 0.5
# Shorter sounds between two pauses are clicks and doors.
MIN_SOUND = 0.2
# Shorter emotions right before or after another are the edges of windows.
MIN_EMOTION = 0.5


@dataclass(frozen=True)
class Segment:
    """A stretch of a recording that sounds alike.

    `start` and `end` are seconds. `label` is one of the model's, "uncertain" or "no speech";
    `probabilities` are means over the segment and sum to 1; `confidence` is that of the label, or
    where it is no emotion the largest. Where nobody speaks all emotions are equally probable.
    """

    start: float
    end: float
    label: str
    confidence: float
    probabilities: dict[str, float]


class SegmentMerger:
    """Pieces put together: equal neighbours are one, short pauses and sounds are no segments."""

    def __init__(self) -> None:
        self._open: list[Segment] = []

    def add(self, piece: Segment) -> list[Segment]:
        """The segments that `piece` ends for good."""
        if piece.end <= piece.start:
            return []
        self._append(piece)
        ended = []
        while len(self._open) > 2:
            ended.append(self._open.pop(0))
        return ended

    def rest(self) -> list[Segment]:
        self._settle(len(self._open) - 1)
        return self._open

    def _append(self, piece: Segment) -> None:
        if self._open and self._open[-1].label == piece.label:
            self._open[-1] = _together(self._open[-1], piece)
            return
        self._open.append(piece)
        self._settle(len(self._open) - 2)  # the one before is complete now

    def _settle(self, index: int) -> None:
        """Give the time of a segment that is too short to the one before or after."""
        if index < 0 or len(self._open) == 1:
            return
        segment = self._open[index]
        seconds = segment.end - segment.start + 1e-9
        before = self._open[index - 1] if index > 0 else None
        after = self._open[index + 1] if index + 1 < len(self._open) else None
        if segment.label == NO_SPEECH:
            to_before, short = before is not None, seconds < MIN_PAUSE
        elif seconds < MIN_SOUND:
            to_before, short = before is not None, True
        else:
            to_before = before is not None and before.label != NO_SPEECH
            beside = to_before or (after is not None and after.label != NO_SPEECH)
            short = beside and seconds < MIN_EMOTION
        if short:
            self._give(index, to_before)

    def _give(self, index: int, to_before: bool) -> None:
        short = self._open.pop(index)
        if not to_before:
            self._open[index] = replace(self._open[index], start=short.start)
            return
        self._open[index - 1] = replace(self._open[index - 1], end=short.end)
        if index < len(self._open) and self._open[index - 1].label == self._open[index].label:
            after = self._open.pop(index)
            self._open[index - 1] = _together(self._open[index - 1], after)


def _together(a: Segment, b: Segment) -> Segment:
    """Two neighbours of one label as one, their probabilities weighted by their lengths."""
    share = (b.end - b.start) / (b.end - a.start)
    probabilities = {
        name: (1 - share) * p + share * b.probabilities[name] for name, p in a.probabilities.items()
    }
    confidence = (1 - share) * a.confidence + share * b.confidence
    return Segment(a.start, b.end, a.label, confidence, probabilities)


class LabelDurations:
    """How much of the time each label has, from segments as they come."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def add(self, segment: Segment) -> None:
        before = self.seconds.get(segment.label, 0.0)
        self.seconds[segment.label] = before + segment.end - segment.start

    def total(self) -> float:
        """Seconds of all labels."""
        return sum(self.seconds.values())

    def shares(self) -> dict[str, float]:
        """0 to 1 for each label; the largest first."""
        total = self.total()
        order = sorted(self.seconds, key=lambda label: -self.seconds[label])
        return {label: self.seconds[label] / total for label in order}
