"""Answers of a model for speakers with profiles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.paths import ROOT

from edge_runtime import EmotionModel
from edge_runtime.datasets.clip import Clip
from edge_runtime.inference.network import network_of
from evaluate import corpus_answers as module
from evaluate.corpus_answers import CorpusTest, corpus_answers, profile_answers
from evaluate.stranger_folds import CONDITIONS, MINUTE, NO_PROFILE, Condition
from train.branch_selection import clip_statistics
from train.clip_statistics import enrolment_clips
from train.data.features import load_dataset

LABELS = ("angry", "happy", "neutral", "sad")


@pytest.fixture(scope="module")
def network():
    return network_of(EmotionModel.load())


@pytest.fixture(scope="module")
def data(network, tmp_path_factory):
    """Two takes of each sample, as the clips of one speaker."""
    folder = tmp_path_factory.mktemp("clips")
    clips = []
    for label in LABELS:
        (sample,) = (ROOT / "samples" / label).glob("*.wav")
        samples, rate = soundfile.read(sample, dtype="float32")
        for take, gain in enumerate((1.0, 0.8, 0.6)):
            path = folder / f"{label}-{take}.wav"
            noise = 0.003 * np.random.default_rng(take).standard_normal(len(samples))
            soundfile.write(path, gain * samples + noise, rate)
            clips.append(Clip(path, label, "one/speaker", corpus="one"))
    card = network.card
    return load_dataset(
        clips, card.mfcc_config, Path(folder / "cache"), card.silence, with_statistics=True
    )


def answered(answers, condition, data):
    """Return the probabilities of the condition in the order of the clips."""
    answer = answers[condition]
    assert len(answer.rows) == len(data.clips)
    return answer.probabilities[np.argsort(answer.rows)]


def test_answers_are_those_of_the_runtime_with_a_profile(network, data):
    answers = corpus_answers(CorpusTest(network, data, np.arange(len(data.clips)), "one"))
    assert tuple(answers) == CONDITIONS
    unknown = answered(answers, Condition(NO_PROFILE, 0), data)
    known = answered(answers, Condition(MINUTE, 0), data)
    model = EmotionModel.load()
    for row, clip in enumerate(data.clips):
        prediction = model.classify(clip.path)
        expected = [prediction.probabilities[label] for label in network.labels]
        np.testing.assert_allclose(unknown[row], expected, atol=1e-5)
    assert np.abs(known - unknown).max() > 0.01


def test_profiles_of_a_channel_differ_and_long_ones_are_those_of_a_minute(
    network, data, monkeypatch
):
    monkeypatch.setattr(module, "PROFILE_SECONDS", (5, 60))
    test = CorpusTest(network, data, np.arange(len(data.clips)), "one")
    minute = answered(corpus_answers(test), Condition(MINUTE, 0), data)
    answers = profile_answers(test)
    np.testing.assert_allclose(answered(answers, Condition("60 s", 0), data), minute, atol=1e-6)
    assert np.abs(answered(answers, Condition("5 s", 0), data) - minute).max() > 0.001
    assert {f"60 s, {label}" for label in LABELS} <= {speech for speech, _ in answers}
    same = answers[Condition("60 s, same channel", 0)]
    for channel in ("telephone", "room"):
        other = answers[Condition(f"60 s, {channel}", 0)]
        np.testing.assert_array_equal(other.rows, same.rows)
        assert np.abs(other.probabilities - same.probabilities).max() > 0.01


def test_enrolment_clips_are_of_the_class_and_of_others(data):
    clips = clip_statistics(data, range(len(data.clips)))
    for row, drawn in enumerate(enrolment_clips(clips, 0, 100.0, target=2)):
        assert row not in drawn
        assert set(clips.targets[drawn]) == {2}
        assert len(drawn) == 3 - (clips.targets[row] == 2)
    assert {len(drawn) for drawn in enrolment_clips(clips, 0, 0.1)} == {1}
