"""Segments of a recording: merging steps into segments, and summing their durations."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..inference.prediction import NO_SPEECH

# Seconds. Shorter pauses are stops, breaths and hesitations; they join the speech around them.
MIN_PAUSE = 0.5
# Seconds. Shorter sounds between two pauses are clicks and slamming doors.
MIN_SOUND = 0.2
# Seconds. Shorter emotions next to other speech are artefacts of window edges.
MIN_EMOTION = 0.5

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
    """Merges adjacent steps of one label, and absorbs segments that are too short.

    Steps must follow each other without gaps. The last two segments stay open, because the next
    steps may still change them.
    """

    def __init__(self) -> None:
        self._open: list[Segment] = []

    def add(self, step: Segment) -> list[Segment]:
        """Add a step and return the segments that can no longer change."""
        if step.end <= step.start:
            return []
        self._append(step)
        final = []
        while len(self._open) > 2:
            final.append(self._open.pop(0))
        return final

    def flush(self) -> list[Segment]:
        """End the recording and return the open segments."""
        self._absorb(len(self._open) - 1)
        return self._open

    def _append(self, step: Segment) -> None:
        if self._open and self._open[-1].label == step.label:
            self._open[-1] = _merged(self._open[-1], step)
            return
        self._open.append(step)
        self._absorb(len(self._open) - 2)  # the previous segment is complete now

    def _absorb(self, index: int) -> None:
        """Give the time of a segment that is too short to a neighbour."""
        if index < 0 or len(self._open) == 1:
            return
        segment = self._open[index]
        duration = segment.end - segment.start + ROUNDING_SECONDS
        before = self._open[index - 1] if index > 0 else None
        after = self._open[index + 1] if index + 1 < len(self._open) else None
        if segment.label == NO_SPEECH:
            into_previous, too_short = before is not None, duration < MIN_PAUSE
        elif duration < MIN_SOUND:
            into_previous, too_short = before is not None, True
        else:
            into_previous = before is not None and before.label != NO_SPEECH
            next_to_speech = into_previous or (after is not None and after.label != NO_SPEECH)
            too_short = next_to_speech and duration < MIN_EMOTION
        if too_short:
            self._remove(index, into_previous)

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
