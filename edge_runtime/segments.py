"""Segments of a recording: put together from pieces, and counted."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .prediction import NO_SPEECH

# Shorter pauses belong to what is said around them: stops, breaths, hesitations.
SHORTEST_PAUSE = 0.5
# Shorter sounds between two pauses are clicks and doors.
SHORTEST_SOUND = 0.2


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


class Joined:
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
        if len(self._open) > 1 and _too_short(self._open[-1]):
            self._absorb(len(self._open) - 1)
        return self._open

    def _append(self, piece: Segment) -> None:
        if self._open and self._open[-1].label == piece.label:
            self._open[-1] = _together(self._open[-1], piece)
            return
        self._open.append(piece)
        # The one before is complete now.
        middle = len(self._open) - 2
        if middle >= 0 and _too_short(self._open[middle]):
            self._absorb(middle)

    def _absorb(self, index: int) -> None:
        """Give the time of a segment to the one before, or at the beginning to the one after."""
        short = self._open.pop(index)
        if index == 0:
            self._open[0] = replace(self._open[0], start=short.start)
            return
        self._open[index - 1] = replace(self._open[index - 1], end=short.end)
        if index < len(self._open) and self._open[index - 1].label == self._open[index].label:
            after = self._open.pop(index)
            self._open[index - 1] = _together(self._open[index - 1], after)


def _too_short(segment: Segment) -> bool:
    least = SHORTEST_PAUSE if segment.label == NO_SPEECH else SHORTEST_SOUND
    return segment.end - segment.start < least - 1e-9


def _together(a: Segment, b: Segment) -> Segment:
    """Two neighbours of one label as one, their probabilities weighted by their lengths."""
    share = (b.end - b.start) / (b.end - a.start)
    probabilities = {
        name: (1 - share) * p + share * b.probabilities[name] for name, p in a.probabilities.items()
    }
    confidence = (1 - share) * a.confidence + share * b.confidence
    return Segment(a.start, b.end, a.label, confidence, probabilities)


class Shares:
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
