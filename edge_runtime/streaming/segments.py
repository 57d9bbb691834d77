"""Segments of a recording: merging steps into segments, and summing their durations."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..inference.prediction import NO_SPEECH

ROUNDING_SECONDS = 1e-9


@dataclass(frozen=True)
class Segment:
    """A stretch of a recording with one label.

    Attributes:
        start: Start in seconds from the beginning of the recording.
        end: End in seconds.
        label: One of the model's labels, "no speech" or "uncertain".
        confidence: Mean confidence over the segment, in [0, 1]: the probability of `label`, or the
            largest probability if `label` is not an emotion.
        probabilities: Mean probability of each label of the model over the segment; they sum to 1.
            Without speech they are equal.
        arousal: Mean of `Prediction.arousal` over the segment. None without speech, or if the model
            does not predict it.

    Example:
        >>> from edge_runtime import EmotionModel
        >>> segments = list(EmotionModel.load().timeline("samples/sad/1013_ITH_SAD_XX.wav"))
        >>> segments[0].start
        0.0
    """

    start: float
    end: float
    label: str
    confidence: float
    probabilities: dict[str, float]
    arousal: float | None = None


class SegmentMerger:
    """Merges adjacent steps of one label, and absorbs emotions that are too short.

    Steps must follow each other without gaps. The last two segments stay open, because the next
    steps may still change them.

    Args:
        min_segment: Seconds of the shortest segment next to other speech; a shorter one is an
            artefact of windows that hold two emotions. Speech between two pauses always stays.
    """

    def __init__(self, min_segment: float) -> None:
        self._min_segment = min_segment - ROUNDING_SECONDS
        self._open: list[Segment] = []

    def add(self, step: Segment) -> list[Segment]:
        """Add a step and return the segments that can no longer change."""
        if self._open and self._open[-1].label == step.label:
            self._open[-1] = _merged(self._open[-1], step)
            return []
        self._open.append(step)
        self._absorb(len(self._open) - 2)  # the previous segment is complete now
        final = []
        while len(self._open) > 2:
            final.append(self._open.pop(0))
        return final

    def flush(self) -> list[Segment]:
        """End the recording and return the open segments."""
        self._absorb(len(self._open) - 1)
        return self._open

    def _absorb(self, index: int) -> None:
        """Give the time of a segment that is too short to its neighbour in the same stretch."""
        if index < 0:
            return
        segment = self._open[index]
        if segment.label == NO_SPEECH or segment.end - segment.start >= self._min_segment:
            return
        for neighbour in (index - 1, index + 1):
            if 0 <= neighbour < len(self._open) and self._open[neighbour].label != NO_SPEECH:
                self._remove(index, neighbour < index)
                return

    def _remove(self, index: int, into_previous: bool) -> None:
        """Remove a segment and extend the previous or the next one over its time."""
        removed = self._open.pop(index)
        if not into_previous:
            self._open[index] = replace(self._open[index], start=removed.start)
            return
        self._open[index - 1] = replace(self._open[index - 1], end=removed.end)
        if index < len(self._open) and self._open[index - 1].label == self._open[index].label:
            after = self._open.pop(index)
            self._open[index - 1] = _merged(self._open[index - 1], after)


def _merged(a: Segment, b: Segment) -> Segment:
    """Return two adjacent segments of one label as one, averaged by duration."""
    share = (b.end - b.start) / (b.end - a.start)
    probabilities = {
        name: (1 - share) * p + share * b.probabilities[name] for name, p in a.probabilities.items()
    }
    confidence = (1 - share) * a.confidence + share * b.confidence
    arousal = None
    if a.arousal is not None and b.arousal is not None:
        arousal = (1 - share) * a.arousal + share * b.arousal
    return Segment(a.start, b.end, a.label, confidence, probabilities, arousal)


class LabelDurations:
    """Total duration of each label over segments that arrive one by one.

    Attributes:
        seconds: Seconds by label.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def add(self, segment: Segment) -> None:
        """Add the duration of a segment to its label."""
        before = self.seconds.get(segment.label, 0.0)
        self.seconds[segment.label] = before + segment.end - segment.start

    def total(self) -> float:
        """Return the seconds of all labels."""
        return sum(self.seconds.values())

    def shares(self) -> dict[str, float]:
        """Return the share of each label in [0, 1], in descending order."""
        total = self.total()
        labels = sorted(self.seconds, key=lambda label: -self.seconds[label])
        return {label: self.seconds[label] / total for label in labels}
