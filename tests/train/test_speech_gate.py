"""The answer "no speech" in thresholds and reports of a training."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.training import TRAINING_MFCC

from edge_runtime.datasets.corpora import scan
from edge_runtime.scoring.metrics import confusion_text, scores
from train.calibration import choose_threshold, coverage_curve
from train.data.features import load_dataset
from train.dataset import DatasetSpec
from train.fit import FitResult
from train.gate.network import GateNetwork
from train.gate.pipeline import rejected_clips
from train.gate.training import TrainedGate
from train.network import EmotionLSTM
from train.network_config import NetworkConfig
from train.pipeline import train_run
from train.recipes import DEFAULT_RECIPE
from train.run_report import Partition, run_report
from train.speech_gate import (
    MIN_SPEECH_ABOVE,
    SPEECH_ABOVE,
    choose_speech_threshold,
    excessive_losses,
    is_no_speech,
    losses_by,
    losses_text,
)


def losses(clips: int, lost: int) -> dict[str, int]:
    return {"clips": clips, "lost": lost}


def test_threshold_is_high_if_it_loses_nothing():
    sure = np.full(50, 0.99)
    assert choose_speech_threshold(sure, sure, ["a"] * 50) == SPEECH_ABOVE


def test_threshold_keeps_the_training_clips_of_every_label():
    """A label with less confident clips than the others must not be lost."""
    training = np.concatenate([np.full(95, 0.99), [0.2, 0.5, 0.8, 0.8, 0.8]])
    labels = ["sad"] * 95 + ["happy"] * 5
    threshold = choose_speech_threshold(np.full(20, 0.99), training, labels)
    assert 0.15 < threshold < 0.2


def test_threshold_loses_one_percent_of_many_validation_clips():
    validation = np.concatenate([np.full(9, 0.01), np.linspace(0.2, 0.9, 991)])
    threshold = choose_speech_threshold(validation, np.full(10, 0.99), ["a"] * 10)
    assert 0 < (validation < threshold).mean() <= 0.01


def test_one_validation_clip_is_kept():
    assert choose_speech_threshold(np.array([0.2]), np.full(4, 0.99), ["a"] * 4) < 0.2


def test_threshold_has_a_lower_limit():
    """Far below, most noise would be speech."""
    silent = np.full(10, 0.01)
    assert choose_speech_threshold(silent, silent, ["a"] * 10) == MIN_SPEECH_ABOVE


def test_quiet_clips_are_lost():
    rejected = is_no_speech(np.array([0.99, 0.2, 0.99]), [-20.0, -20.0, -80.0], 0.5)
    assert rejected.tolist() == [False, True, True]
    assert is_no_speech(np.array([0.99, 0.2]), [], 0.5).tolist() == [False, True]


def test_losses_are_counted_by_group():
    counts = losses_by(["b", "a", "b", "b"], np.array([True, False, False, False]))
    assert counts == {"a": losses(1, 0), "b": losses(3, 1)}
    assert losses_text(counts) == "a 0, b 33.3 % (1 of 3)"


def test_losses_are_excessive_above_five_percent_or_if_complete():
    counts = {
        "none": losses(100, 0),
        "few": losses(100, 5),
        "many": losses(100, 6),
        "rare": losses(3, 1),
        "gone": losses(2, 2),
    }
    assert set(excessive_losses(counts)) == {"many", "gone"}


def test_lost_clips_are_errors():
    targets, lost = np.array([0, 0, 1, 1]), np.array([True, False, False, False])
    result = scores(targets, targets, ["a", "b"], lost)
    assert result["recall"] == {"a": 0.5, "b": 1.0} and result["accuracy"] == 0.75
    assert result["confusion"] == [[1, 0, 1], [0, 2, 0]]
    assert "no speech" in confusion_text(result["confusion"], ["a", "b"])
    assert scores(targets, targets, ["a", "b"])["confusion"] == [[2, 0], [0, 2]]


def test_no_threshold_covers_lost_clips():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2]])
    curve = coverage_curve(probabilities, np.array([0, 0]), np.array([True, False]))
    assert curve[0] == {"threshold": 0.0, "coverage": 0.5, "accuracy": 1.0}
    assert curve[-1]["threshold"] == 0.8
    assert choose_threshold(curve, 2) == 0
    assert coverage_curve(probabilities, np.array([0, 0]), np.array([True, True])) == []


@pytest.fixture(scope="module")
def two_labels(demo_corpus, feature_cache):
    clips = [c for c in scan([demo_corpus / "manifest.csv"]) if c.label in ("happy", "sad")]
    return load_dataset(clips, TRAINING_MFCC, feature_cache)


def result_of(data) -> FitResult:
    """Return the result of a training, with an untrained network."""
    torch.manual_seed(0)
    network = EmotionLSTM(NetworkConfig(n_classes=2, hidden_size=8, fc_size=8)).eval()
    clips = list(range(len(data.clips)))
    history = [{"epoch": 1.0, "val_uar": 0.5}]
    return FitResult(network, 1.0, 1.0, 1, history, clips, np.zeros((len(clips), 2), np.float32))


def test_quiet_recordings_are_lost_whatever_the_gate(two_labels):
    assert len(two_labels.peak_dbfs) == len(two_labels.clips)
    assert all(-40 < level < 0 for level in two_labels.peak_dbfs)
    quiet = replace(two_labels, peak_dbfs=[-75.0] + two_labels.peak_dbfs[1:])
    gate = TrainedGate(GateNetwork(13, 4), 0.0, 0.1)
    for rejected in (rejected_clips(gate, quiet), rejected_clips(None, quiet)):
        assert rejected[0] and not rejected[1:].any()
    strict = TrainedGate(GateNetwork(13, 4), 1.0, 0.1)
    assert rejected_clips(strict, two_labels).all()


def test_report_counts_lost_clips(two_labels):
    clips = list(range(len(two_labels.clips)))
    partition = Partition("speaker-independent", (), clips[4:], [clips[4:8]], clips[:4])
    rejected = np.zeros(len(clips), bool)
    rejected[[0, 5]] = True
    result = result_of(two_labels)
    report, before = (
        run_report(two_labels, partition, result, lost) for lost in (rejected, ~(rejected | True))
    )
    label = two_labels.clips[0].label
    index = two_labels.labels.index(label)
    assert report["test"]["confusion"][index][2] == 1
    assert before["test"]["confusion"][index][2] == 0
    assert report["no_speech"]["test"][label]["lost"] == 1
    assert sum(counts["lost"] for counts in report["no_speech"]["train"].values()) == 1
    assert report["no_speech"]["train_by_corpus"] == {"demo": losses(len(clips) - 4, 1)}
    assert report["test_by_corpus"]["demo"]["lost"] == 1
    assert report["calibration"]["coverage"][0]["coverage"] == 0.75
    assert before["calibration"]["coverage"][0]["coverage"] == 1.0


@pytest.mark.slow
@pytest.mark.usefixtures("plain_pictures", "little_noise")
@pytest.mark.parametrize("speakers", [False, True], ids=["8 clips", "20 clips"])
def test_small_training_loses_no_label(demo_corpus, feature_cache, tmp_path, speakers):
    rows = [
        f"{path},{label},{path.stem.split('-')[0] * speakers}"
        for label in ("happy", "sad")
        for path in sorted((demo_corpus / label).glob("*-[12].wav"))[: 10 if speakers else 4]
    ]
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("\n".join(["path,label,speaker", *rows]))
    settings = [
        "gate_examples=100",
        "gate_epochs=30",
        "ensemble_size=1",
        "epochs=10",
        "hidden_size=16",
        "fc_size=16",
        "input_size=16",
    ]
    folder = train_run(
        DatasetSpec((manifest,), cache=feature_cache),
        recipes={"default": DEFAULT_RECIPE.with_settings(settings)},
        inner=2,
        run=tmp_path / "run",
        runs=tmp_path,
        resume=False,
        device="cpu",
    )
    report = json.loads((folder / "report.json").read_text())
    assert {counts["lost"] for counts in report["no_speech"]["train"].values()} == {0}
    page = (folder / "report.md").read_text()
    assert 'Clips answered with "no speech", which count as errors: of the test clips ' in page
    assert "| true \\ answer   |   happy |   sad |   no speech |" in page
