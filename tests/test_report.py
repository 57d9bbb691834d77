"""What a protocol reports, against what can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from train.report import summarize  # noqa: E402


def result(targets, speakers, answers, confidence=8.0):
    """A fold whose answers have nearly all of the probability."""
    logits = (confidence * np.eye(3)[answers]).tolist()
    return {
        "targets": targets, "speakers": speakers, "corpora": ["c"] * len(targets),
        "logits": {"int8": logits, "fp32": logits, "profile": logits}, "temperature": 1.0,
        "seed": 0, "fold": 0, "best_epoch": 1, "epochs": 1, "val_uar": 0.5, "bytes": 1, "uar": {},
        "recipe": "better", "val_uar_by_recipe": {"better": 0.5}, "profile_gain": 1.0,
    }


ABOUT = {"labels": ["angry", "happy", "sad"], "seeds": 1}


def test_a_label_that_one_speaker_has_does_not_leave_the_interval():
    # Each of five speakers is right in one of two clips; "sad", which one of them has, is wrong.
    speakers = [f"s{k}" for k in range(5) for _ in range(2)] + ["s4"]
    summary = summarize(ABOUT, [result([0, 1] * 5 + [2], speakers, [0, 0] * 5 + [0])])
    assert summary["int8"]["uar"] == pytest.approx(1 / 3)
    assert summary["int8"]["uar_interval"] == pytest.approx([1 / 3, 1 / 3])


def test_scores_are_those_of_the_definitions():
    targets, answers = [0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 0]
    found = summarize(ABOUT, [result(targets, list("aabbcc"), answers)])
    int8 = found["int8"]
    assert int8["uar"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert int8["accuracy"] == pytest.approx(4 / 6)
    assert int8["recall"] == pytest.approx({"angry": 2 / 3, "happy": 1, "sad": 0})
    assert int8["confusion"] == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert int8["uar_by_speaker"] == pytest.approx({"a": 1, "b": 0.5, "c": 0.5})
    low, high = int8["uar_interval"]
    assert 0 <= low < int8["uar"] < high <= 1
    confidence = np.exp(8) / (np.exp(8) + 2)  # of every answer: all are in one bin
    for ece in (int8["ece"], found["fp32"]["ece"], found["calibration"]["ece"]):
        assert ece == pytest.approx(confidence - 4 / 6)
