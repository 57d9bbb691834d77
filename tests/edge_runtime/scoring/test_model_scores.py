"""Scores of a model on labelled clips."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_runtime import EmotionModel, Prediction
from edge_runtime.datasets.clip import Clip, DatasetError
from edge_runtime.scoring import clip_answers
from edge_runtime.scoring.clip_answers import ClipAnswer, ClipClassifier, answer_clips
from edge_runtime.scoring.metrics import scores
from edge_runtime.scoring.model_scores import model_scores, scorable
from edge_runtime.scoring.reliability import reliability
from edge_runtime.scoring.score_report import as_text

LABELS = ("angry", "happy", "neutral", "sad")


@pytest.fixture(scope="module")
def model() -> EmotionModel:
    return EmotionModel.load()


def prediction(label: str, confidence: float = 0.7, *, no_speech: bool = False) -> Prediction:
    rest = (1 - confidence) / 3
    probabilities = {name: confidence if name == label else rest for name in LABELS}
    return Prediction("no speech" if no_speech else label, confidence, probabilities, 0.5)


def clip(number: int, label: str, speaker: str | None = "x/a", corpus: str = "x") -> Clip:
    return Clip(Path(f"{number}.wav"), label, speaker, None, corpus)


def report(model, answers, threshold=0.35):
    about = {"model": "m", "with_profiles": True, "other_labels": {}, "errors": []}
    return {**about, **model_scores(model.card, answers, threshold)}


def test_no_speech_is_an_error_and_has_no_confidence(model):
    truths = ["angry", "angry", "happy", "neutral", "sad", "sad"]
    answers = ["angry", "happy", "happy", "neutral", "sad", "sad"]
    results = [
        ClipAnswer(clip(k, truth), prediction(answer, no_speech=k == 5), None)
        for k, (truth, answer) in enumerate(zip(truths, answers))
    ]
    row = report(model, results)["scores"]
    assert row["recall"] == {"angry": 0.5, "happy": 1.0, "neutral": 1.0, "sad": 0.5}
    assert row["uar"] == pytest.approx(0.75)
    assert row["confusion"] == [[1, 1, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 1]]
    assert row["no_speech_by_label"] == {"angry": 0, "happy": 0, "neutral": 0, "sad": 1}
    assert row["ece"] == pytest.approx(abs(4 / 5 - 0.7))  # of the five answers with speech
    low, high = row["uar_interval"]
    assert low <= row["uar"] <= high and row["interval_unit"] == "clips"
    assert report(model, results)["lost"] == [{"file": "5.wav", "label": "sad", "speaker": "x/a"}]


def test_uncertain_clips_are_scored_and_counted(model):
    results = [
        ClipAnswer(clip(0, "angry"), prediction("angry", 0.9), None),
        ClipAnswer(clip(1, "sad"), prediction("happy", 0.3), None),
    ]
    row = report(model, results, 0.5)["scores"]
    assert (row["uncertain"], row["accuracy_of_certain"], row["accuracy"]) == (1, 1.0, 0.5)


def test_profiles_are_compared_on_the_same_clips(model):
    results = [
        ClipAnswer(clip(0, "angry"), prediction("sad"), prediction("angry")),
        ClipAnswer(clip(1, "sad"), prediction("sad"), prediction("sad")),
        ClipAnswer(clip(2, "happy", None), prediction("angry"), None),
    ]
    profiles = report(model, results)["profiles"]
    assert (profiles["clips"], profiles["speakers"]) == (2, 1)
    assert (profiles["without"]["uar"], profiles["with"]["uar"]) == (0.5, 1.0)
    assert profiles["difference"] == 0.5
    assert report(model, results[2:])["profiles"] is None


def test_report_has_a_row_per_corpus_and_notes(model):
    results = [
        ClipAnswer(clip(0, "angry", None), prediction("angry"), None),
        ClipAnswer(clip(1, "sad", None, "emodb"), prediction("sad", no_speech=True), None),
    ]
    values = report(model, results)
    assert set(values["by_corpus"]) == {"x", "emodb"}
    values["other_labels"] = {"fearful": 3}
    text = as_text(values)
    for part in (
        "m on 2 clips of unknown speakers: emodb, x",
        "50.0 % of the clips (1) answered with no speech",
        "profiles: not tried, no speaker is known",
        "1.wav (sad)",
        "the model was trained on emodb",
        "labels that the model lacks are not scored: fearful 3",
        "no clip is happy, neutral",
    ):
        assert part in text


def test_only_labels_of_the_model_are_scored():
    clips = [clip(0, "angry"), clip(1, "fearful"), clip(2, "fearful")]
    assert scorable(clips, LABELS) == (clips[:1], {"fearful": 2})
    with pytest.raises(DatasetError, match=r"the model has angry, .*the data have fearful"):
        scorable(clips[1:], LABELS)
    with pytest.raises(DatasetError, match="assigned to the split 'test'"):
        scorable(clips, LABELS, "test")


def test_profile_is_made_of_other_clips(model, monkeypatch, tmp_path, voice_clips):
    paths = []
    for k in range(6):
        path = tmp_path / f"{k}.wav"
        soundfile.write(path, np.tile(voice_clips[k % 4], 2), 16_000)
        paths.append(str(path))
    used: list[list[str]] = []
    first_seconds = clip_answers._first_seconds

    def spy(classifier, others):
        used.append(list(others))
        return first_seconds(classifier, others)

    monkeypatch.setattr(clip_answers, "_first_seconds", spy)
    answers = clip_answers.answers_with_profiles(ClipClassifier(model), {"a": paths}, "a")
    assert sorted(answers) == sorted(paths)
    first, second = used
    assert sorted(first + second) == sorted(paths) and not set(first) & set(second)


def test_answers_are_those_of_the_model(model, tmp_path, voice_clips):
    clips = []
    for k, samples in enumerate(voice_clips):
        path = tmp_path / f"{k}.wav"
        soundfile.write(path, samples, 16_000)
        clips.append(Clip(path, "sad", "x/a", None, "x"))
    (tmp_path / "bad.wav").write_bytes(b"no audio")
    clips.append(Clip(tmp_path / "bad.wav", "sad", "x/a", None, "x"))
    answers, errors = answer_clips(ClipClassifier(model), clips)
    assert [answer.plain for answer in answers] == [
        model.classify(clip.path, threshold=0) for clip in clips[:-1]
    ]
    assert all(answer.profiled is not None for answer in answers)
    assert len(errors) == 1 and "bad.wav" in str(errors[0])


def test_metrics_equal_sklearn():
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    targets, predictions = rng.integers(0, 3, 200), rng.integers(0, 4, 200)
    rejected = rng.random(200) < 0.1
    row = scores(targets, predictions, ["a", "b", "c", "d"], rejected)
    answers = np.where(rejected, 4, predictions)
    assert row["uar"] == metrics.recall_score(
        targets, answers, labels=[0, 1, 2], average="macro", zero_division=0
    )
    assert row["accuracy"] == metrics.accuracy_score(targets, answers)
    matrix = metrics.confusion_matrix(targets, answers, labels=range(5))
    assert row["confusion"] == matrix[:4].tolist()
    assert "d" not in row["recall"]


def test_calibration_error_without_clips_is_zero():
    assert reliability(np.zeros((0, 2)), np.zeros(0, int)) == {"ece": 0.0, "bins": []}
