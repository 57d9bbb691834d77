"""The page of a training: intervals, thresholds, validation clips and notes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.training import statistics_dataset

from edge_runtime.datasets.clip import Clip
from train.calibration import coverage_curve, coverage_markdown
from train.data.features import Dataset
from train.fit import FitResult
from train.network import EmotionLSTM
from train.network_config import NetworkConfig
from train.pipeline import partition_clips
from train.run_page import run_markdown
from train.run_report import Partition, run_report


def report_of(data: Dataset, folds: list[list[int]], uars: list[float], epoch: int):
    """Return the report and the page of an untrained network with a given history."""
    test = [i for i, clip in enumerate(data.clips) if (clip.speaker or "3").endswith("3")]
    train = sorted(set(range(len(data.clips))) - set(test))
    folds = folds or [train]
    val = [i for fold in folds for i in fold]
    history = [{"epoch": k + 1, "val_uar": uar} for k, uar in enumerate(uars)]
    network = EmotionLSTM(NetworkConfig(hidden_size=4, num_layers=1, fc_size=4, n_classes=4)).eval()
    logits = np.random.default_rng(0).standard_normal((len(val), 4))
    result = FitResult(network, 1.0, 1.0, epoch, history, val, logits)
    partition = Partition("speaker-independent", (), train, folds, test)
    report = run_report(data, partition, result, np.zeros(len(data.clips), bool))
    report |= {"val_uar": 0.5, "val_uar_by_recipe": {"one": 0.5}, "recipe": "one"}
    return report, run_markdown(report, data.labels)


@pytest.fixture(autouse=True)
def random_answers(monkeypatch):
    def predict(network, frames, indices, statistics):
        return np.random.default_rng(1).standard_normal((len(indices), 4)).astype(np.float32)

    monkeypatch.setattr("train.run_report.predict", predict)


@pytest.fixture(scope="module")
def data():
    return replace(statistics_dataset(), statistics=None, statistic_names=())


def test_uar_has_an_interval_over_speakers(data):
    report, page = report_of(data, [], [0.3, 0.5, 0.4], 2)
    entry = report["test_uar_interval"]
    assert entry["low"] < report["test"]["uar"] < entry["high"]
    assert (entry["units"], entry["n_units"]) == ("speakers", 3)
    assert f"% (95 % interval {100 * entry['low']:.1f} to " in page
    assert "bootstrap over 3 speakers), accuracy" in page


def test_interval_over_clips_is_stated(data):
    clips = [
        clip if clip.corpus == "a" else replace(clip, speaker=clip.speaker[:-1] + "0")
        for clip in data.clips
    ]
    _, page = report_of(replace(data, clips=clips), [], [0.3, 0.5], 2)
    assert "bootstrap over 8 clips, without the variation between speakers)" in page


def test_validation_clips_are_stated_once(data):
    train = [i for i, clip in enumerate(data.clips) if not clip.speaker.endswith("3")]
    cases = {
        "72 training clips, all of which were validated on in 2 folds to select": [
            train[:36],
            train[36:],
        ],
        "72 training clips, 9 of which were validated on to select the epoch": [train[:9]],
    }
    for text, folds in cases.items():
        _, page = report_of(data, folds, [0.5], 1)
        assert text in page


def test_rising_validation_uar_is_noted(data):
    report, page = report_of(data, [], [0.3, 0.4, 0.5], 3)
    (note,) = report["notes"]
    assert note.startswith("the validation UAR was highest at the last epoch, 3: more --epochs")
    assert f"- Note: {note}" in page and "Epoch 3 of 3, validation UAR 50.0 %\n" in page
    report, page = report_of(data, [], [0.3, 0.5, 0.49], 3)
    assert not report["notes"]
    assert "UAR 50.0 %, within a standard error of the highest, at epoch 2\n" in page


def test_equal_thresholds_share_a_row():
    probabilities = np.array([[0.62, 0.38], [0.28, 0.72], [0.07, 0.93]])
    rows = coverage_markdown(coverage_curve(probabilities, np.array([0, 1, 0]))).splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert cells == [
        ["0.00 to 0.60", "100", "66.7"],
        ["0.65 to 0.70", "67", "50.0"],
        ["0.75 to 0.90", "33", "0.0"],
    ]


def notes_of(data: Dataset, inner: int) -> list[str]:
    return [note for note in partition_clips(data, inner, 0).notes if "--inner" in note]


def with_clips(data: Dataset, **changes) -> Dataset:
    return replace(data, clips=[replace(clip, **changes) for clip in data.clips])


def test_unknown_speakers_leave_one_fold(data):
    assert notes_of(data, 3) == []
    (note,) = notes_of(with_clips(data, speaker=None), 3)
    assert note == (
        "--inner 3 has no effect, because speakers are unknown: one fold selects the epoch"
    )
    assert notes_of(with_clips(data, speaker=None), 1) == []
    (note,) = notes_of(with_clips(data, speaker="a/0", corpus="a"), 2)
    assert "--inner 2 has no effect, because the split is random:" in note


def test_given_validation_clips_are_one_fold_without_a_note(data):
    names = ["train", "train", "val", "test"]
    clips = [
        Clip(Path(f"{k}.wav"), clip.label, None, names[k // 4 % 4], clip.corpus)
        for k, clip in enumerate(data.clips)
    ]
    given = replace(data, clips=clips)
    assert notes_of(given, 3) == [] and len(partition_clips(given, 3, 0).folds) == 1
