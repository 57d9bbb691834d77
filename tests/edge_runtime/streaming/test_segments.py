"""Merging steps into segments, and durations by label."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest

from edge_runtime import Segment
from edge_runtime.inference.prediction import NO_SPEECH
from edge_runtime.streaming.segments import LabelDurations, SegmentMerger


def merged(*steps: tuple[str, float]) -> list[tuple[str, float]]:
    """Merge steps of labels and durations; return those of the segments."""
    merger, segments, start = SegmentMerger(min_segment=0.5), [], 0.0
    for label, duration in steps:
        probabilities = {"a": float(label == "a"), "b": float(label != "a")}
        segments += merger.add(Segment(start, start + duration, label, 1.0, probabilities))
        start += duration
    return [(s.label, round(s.end - s.start, 2)) for s in [*segments, *merger.flush()]]


def test_steps_of_one_label_are_averaged_by_duration():
    merger = SegmentMerger(0.5)
    merger.add(Segment(0.0, 1.0, "a", 0.9, {"a": 0.9, "b": 0.1}))
    merger.add(Segment(1.0, 4.0, "a", 0.5, {"a": 0.5, "b": 0.5}))
    (segment,) = merger.flush()
    assert (segment.start, segment.end) == (0.0, 4.0)
    assert segment.confidence == pytest.approx(0.6)
    assert segment.probabilities == pytest.approx({"a": 0.6, "b": 0.4})


def test_arousal_is_averaged_by_duration_if_all_steps_have_it():
    steps = [
        Segment(0.0, 1.0, "sad", 0.5, {"sad": 0.5}, 0.2),
        Segment(1.0, 4.0, "sad", 0.5, {"sad": 0.5}, 0.6),
    ]
    for last, expected in ((steps[1], 0.5), (replace(steps[1], arousal=None), None)):
        merger = SegmentMerger(0.5)
        merger.add(steps[0])
        merger.add(last)
        (segment,) = merger.flush()
        assert segment.arousal == (None if expected is None else pytest.approx(expected))


def test_short_emotion_next_to_speech_is_absorbed():
    assert merged(("a", 3.0), ("b", 0.3), (NO_SPEECH, 2.0)) == [("a", 3.3), (NO_SPEECH, 2.0)]
    assert merged((NO_SPEECH, 2.0), ("b", 0.3), ("a", 3.0)) == [(NO_SPEECH, 2.0), ("a", 3.3)]
    assert merged(("a", 3.0), ("b", 0.3)) == [("a", 3.3)]
    assert merged(("a", 3.0), ("b", 0.5), ("a", 1.0)) == [("a", 3.0), ("b", 0.5), ("a", 1.0)]


def test_short_word_between_pauses_is_kept():
    steps = ((NO_SPEECH, 2.0), ("b", 0.3), (NO_SPEECH, 2.0))
    assert [label for label, _ in merged(*steps)] == [NO_SPEECH, "b", NO_SPEECH]


def test_pauses_are_kept():
    steps = [("a", 1.0), (NO_SPEECH, 0.2), ("a", 1.0)]
    assert merged(*steps) == steps


def test_label_durations_add_up():
    durations = LabelDurations()
    for start, end, label in ((0, 1, "sad"), (1, 4, "happy"), (4, 8, "sad")):
        durations.add(Segment(start, end, label, 1.0, {"sad": 1.0}))
    assert durations.total() == 8
    shares = durations.shares()
    assert list(shares) == ["sad", "happy"]
    assert Fraction(shares["sad"]) + Fraction(shares["happy"]) == 1
    assert LabelDurations().shares() == {}
