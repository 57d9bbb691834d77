"""Scores of the timeline of a call against its truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from edge_runtime import ListenEvent, Segment
from edge_runtime.inference.prediction import NO_SPEECH, UNCERTAIN

from .call_audio import RATE, STEP

STEP_SECONDS = STEP / RATE
MIN_PAUSE = 0.5  # seconds; shorter pauses need not be found
PAUSE_CLASSES = ((0.5, 1.0), (1.0, 2.5), (2.5, np.inf))  # seconds
MIN_COVERAGE = 0.5  # of a pause that counts as found


@dataclass
class CallScores:
    """Sums over calls, in steps of 0.02 s.

    Attributes:
        pause: Steps of true pauses.
        pause_found: Steps of true pauses without speech in the timeline.
        silent: Steps without speech in the timeline.
        silent_right: Those of them that are without speech in truth.
        speech: Steps of true speech.
        speech_lost: Steps of true speech without speech in the timeline.
        pauses: Number of true pauses, and of those found, for each of `PAUSE_CLASSES`.
        n_segments: Segments of speech.
        n_short: Segments of speech under a second.
        confusion: Steps of true speech by true label (row) and answer; the last column counts
            other answers.
    """

    labels: tuple[str, ...]
    pause: int = 0
    pause_found: int = 0
    silent: int = 0
    silent_right: int = 0
    speech: int = 0
    speech_lost: int = 0
    pauses: np.ndarray = field(default_factory=lambda: np.zeros((len(PAUSE_CLASSES), 2), int))
    n_segments: int = 0
    n_short: int = 0
    confusion: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        self.confusion = np.zeros((len(self.labels), len(self.labels) + 1), int)

    def add(self, segments: Sequence[Segment], truth: np.ndarray) -> None:
        """Add a timeline.

        Args:
            segments: The segments.
            truth: The true label of each step, an empty text in pauses.
        """
        answers = step_labels(segments, len(truth))
        is_silent, is_speech = answers == NO_SPEECH, truth != ""
        self.silent += int(is_silent.sum())
        self.silent_right += int((is_silent & ~is_speech).sum())
        self.speech += int(is_speech.sum())
        self.speech_lost += int((is_speech & is_silent).sum())
        for start, end in runs(~is_speech):
            seconds = (end - start) * STEP_SECONDS
            if seconds < MIN_PAUSE:
                continue
            n_found = int(is_silent[start:end].sum())
            self.pause += end - start
            self.pause_found += n_found
            k = next(i for i, (low, high) in enumerate(PAUSE_CLASSES) if low <= seconds < high)
            self.pauses[k] += 1, n_found >= MIN_COVERAGE * (end - start)
        spoken = [segment for segment in segments if segment.label != NO_SPEECH]
        self.n_segments += len(spoken)
        self.n_short += sum(segment.end - segment.start < 1 - 1e-6 for segment in spoken)
        self.add_answers(answers, truth)

    def add_answers(self, answers: np.ndarray, truth: np.ndarray) -> None:
        """Add answers `(n_steps,)` to the confusion matrix."""
        for row, label in enumerate(self.labels):
            of_label = answers[truth == label]
            counts = [int((of_label == answer).sum()) for answer in self.labels]
            self.confusion[row] += [*counts, len(of_label) - sum(counts)]

    def recall(self) -> float:
        """Return the share of the time of true pauses that has no speech in the timeline."""
        return self.pause_found / max(1, self.pause)

    def precision(self) -> float:
        """Return the share of the time without speech in the timeline that is so in truth."""
        return self.silent_right / max(1, self.silent)

    def lost(self) -> float:
        """Return the share of the speech that the timeline takes for a pause."""
        return self.speech_lost / max(1, self.speech)

    def short(self) -> float:
        """Return the share of segments of speech under a second."""
        return self.n_short / max(1, self.n_segments)

    def accuracy(self) -> float:
        """Return the share of the speech with the right label."""
        return float(np.trace(self.confusion) / max(1, self.confusion.sum()))

    def uar(self) -> float:
        """Return the mean recall of the labels, by time."""
        totals = self.confusion.sum(axis=1)
        recalls = np.diagonal(self.confusion)[totals > 0] / totals[totals > 0]
        return float(recalls.mean()) if len(recalls) else 0.0


def step_labels(segments: Sequence[Segment], n_steps: int) -> np.ndarray:
    """Return the label of each step of a timeline, `(n_steps,)`."""
    labels = np.full(n_steps, NO_SPEECH, dtype="U16")
    for segment in segments:
        start, end = round(segment.start / STEP_SECONDS), round(segment.end / STEP_SECONDS)
        labels[start:end] = segment.label
    return labels


def runs(mask: np.ndarray) -> list[tuple[int, int]]:
    """Return the runs of True as pairs of the first index and the one after the last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2)]


@dataclass
class EventScores:
    """Counts over the utterances of `listen`.

    Attributes:
        n_starts: Utterances with a start.
        n_named_starts: Starts that name an emotion.
        n_right_starts: Those of them with the label of the end.
        n_names: Utterances with an emotion at the end that name one before.
        n_right_names: Those whose first emotion is that of the end.
    """

    n_starts: int = 0
    n_named_starts: int = 0
    n_right_starts: int = 0
    n_names: int = 0
    n_right_names: int = 0

    def add(self, events: Sequence[ListenEvent]) -> None:
        """Add the events of a recording."""
        labels: list[str] = []  # of the utterance in progress
        for event in events:
            if event.prediction is None:
                continue
            labels = [*([] if event.kind == "start" else labels), event.prediction.label]
            if event.kind != "end" or len(labels) < 2:
                continue
            end, before = labels[-1], [x for x in labels[:-1] if x not in (UNCERTAIN, NO_SPEECH)]
            self.n_starts += 1
            self.n_named_starts += labels[0] not in (UNCERTAIN, NO_SPEECH)
            self.n_right_starts += labels[0] == end != UNCERTAIN
            if before:
                self.n_names += 1
                self.n_right_names += before[0] == end
            labels = []
