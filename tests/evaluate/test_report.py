"""Scores of a protocol against values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from edge_runtime.scoring.metrics import chance_level_warning  # noqa: E402
from evaluate.scores import VARIANTS, summarize  # noqa: E402


def result(targets, speakers, answers, confidence=8.0, corpora=None, **other):
    """Return the result of a fold whose predictions have nearly all of the probability."""
    logits = (confidence * np.eye(3)[answers]).tolist()
    return {
        "targets": targets,
        "speakers": speakers,
        "corpora": corpora or ["c"] * len(targets),
        "logits": dict.fromkeys(VARIANTS, logits),
        "no_speech": dict.fromkeys(VARIANTS, [False] * len(targets)),
        "temperature": 1.0,
        "seed": 0,
        "fold": 0,
        "best_epoch": 1,
        "epochs": 1,
        "val_uar": 0.5,
        "bytes": 1,
        "uar": {},
        "recipe": "default",
        "val_uar_by_recipe": {"default": 0.5},
        "profile_gain": 1.0,
        "threshold": 0.5,
        "trained_by": "",
        **other,
    }


ABOUT = {"labels": ["angry", "happy", "sad"], "seeds": 1}


def test_interval_excludes_draws_without_a_label():
    # Five speakers, one of two clips correct; "sad", which only one of them has, is wrong.
    speakers = [f"s{k}" for k in range(5) for _ in range(2)] + ["s4"]
    summary = summarize(ABOUT, [result([0, 1] * 5 + [2], speakers, [0, 0] * 5 + [0])])
    assert summary["int8"]["uar"] == pytest.approx(1 / 3)
    assert summary["int8"]["uar_interval"] == pytest.approx([1 / 3, 1 / 3])


def test_scores_match_their_definitions():
    targets, answers = [0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 1, 0]
    summary = summarize(ABOUT, [result(targets, list("aabbcc"), answers)])
    int8 = summary["int8"]
    assert int8["uar"] == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert int8["accuracy"] == pytest.approx(4 / 6)
    assert int8["recall"] == pytest.approx({"angry": 2 / 3, "happy": 1, "sad": 0})
    assert int8["confusion"] == [[2, 1, 0, 0], [0, 2, 0, 0], [1, 0, 0, 0]]
    assert int8["uar_by_speaker"] == pytest.approx({"a": 1, "b": 0.5, "c": 0.5})
    low, high = int8["uar_interval"]
    assert 0 <= low < int8["uar"] < high <= 1
    confidence = np.exp(8) / (np.exp(8) + 2)  # of every answer: all are in one bin
    for ece in (int8["ece"], summary["fp32"]["ece"], summary["int8"]["by_corpus"]["c"]["ece"]):
        assert ece == pytest.approx(confidence - 4 / 6)


@pytest.mark.slow
def test_speaker_deviation_skips_speakers_without_all_labels():
    targets, answers = [0, 1, 2, 0, 1, 2, 0], [0, 1, 2, 0, 1, 1, 1]
    summary = summarize(ABOUT, [result(targets, list("aaabbb") + ["c"], answers)])["int8"]
    assert summary["uar_std_over_speakers"] == pytest.approx(np.std([1, 2 / 3], ddof=1))
    summary = summarize(ABOUT, [result(targets[2:], list("abbbc"), answers[2:])])["int8"]
    assert summary["uar_std_over_speakers"] is None
    # The speakers of a corpus without "sad" are complete without it.
    summary = summarize(
        ABOUT,
        [
            result(
                targets[:6] + [0, 1],
                list("aaabbb") + ["d", "d"],
                answers[:6] + [0, 0],
                corpora=["c"] * 6 + ["other"] * 2,
            )
        ],
    )["int8"]
    assert summary["uar_std_over_speakers"] == pytest.approx(np.std([1, 2 / 3, 1 / 2], ddof=1))


def test_chance_level_is_reported():
    assert "not above chance (25.0 %)" in chance_level_warning(0.25, 4, 1000)
    assert chance_level_warning(0.25 + 2.1 * np.sqrt(0.25 * 0.75 / 1000), 4, 1000) == ""
    assert chance_level_warning(0.6, 2, 20) and not chance_level_warning(0.6, 2, 2000)


def test_corpora_have_equal_weight():
    # "big": 6 of 8 right, both labels 3 of 4. "small": 1 of 2.
    fold = result(
        [0, 0, 0, 0, 1, 1, 1, 1, 0, 1],
        list("aabbaabb") + ["c", "d"],
        [0, 0, 0, 1, 1, 1, 1, 0, 0, 2],
        corpora=["big"] * 8 + ["small"] * 2,
    )
    int8 = summarize(ABOUT, [fold])["int8"]
    assert int8["uar"] == pytest.approx((0.75 + 0.5) / 2)
    assert int8["accuracy"] == pytest.approx((0.75 + 0.5) / 2)
    assert int8["recall"] == pytest.approx({"angry": (0.75 + 1) / 2, "happy": (0.75 + 0) / 2})
    assert int8["by_corpus"]["small"]["uar"] == 0.5
    assert int8["confusion"] == [[4, 1, 0, 0], [1, 3, 1, 0], [0, 0, 0, 0]]
    # In "small", each label has one speaker, so every complete draw equals the corpus.
    low, high = int8["uar_interval"]
    assert (0.5 + 0.5) / 2 <= low < int8["uar"] < high <= (1 + 0.5) / 2


def test_calibration_errors_do_not_cancel():
    # One seed is always right, one always wrong, at a confidence of 0.5: pooled, ECE would be 0.
    sure = 0.69315  # e**sure / (e**sure + 2) = 1 / 2
    right = result([0, 1, 2, 0], list("abab"), [0, 1, 2, 0], confidence=sure)
    wrong = result([0, 1, 2, 0], list("abab"), [1, 2, 0, 1], confidence=sure, seed=1)
    summary = summarize({**ABOUT, "seeds": 2}, [right, wrong])
    assert summary["int8"]["ece"] == pytest.approx(0.5, abs=1e-4)
    assert summary["calibration"]["ece_without_temperature"] == pytest.approx(0.5, abs=1e-4)
    assert summary["int8"]["uar_by_seed"] == [1, 0] and summary["int8"]["uar"] == 0.5
    corpora = [{**right, "corpora": ["one"] * 4}, {**wrong, "seed": 0, "corpora": ["other"] * 4}]
    assert summarize(ABOUT, corpora)["int8"]["ece"] == pytest.approx(0.5, abs=1e-4)


def test_lost_clips_are_errors_without_a_confidence():
    lost = [False, True, False, False, False, True]
    fold = result(
        [0, 0, 0, 1, 1, 2],
        list("aabbcc"),
        [0, 0, 1, 1, 1, 2],
        no_speech=dict.fromkeys(VARIANTS, [False] * 6) | {"int8": lost},
    )
    summary = summarize(ABOUT, [fold])
    int8 = summary["int8"]
    assert int8["confusion"] == [[1, 1, 0, 1], [0, 2, 0, 0], [0, 0, 0, 1]]
    assert int8["recall"] == pytest.approx({"angry": 1 / 3, "happy": 1, "sad": 0})
    assert int8["uar"] == pytest.approx((1 / 3 + 1 + 0) / 3)
    assert int8["accuracy"] == pytest.approx(3 / 6)
    assert int8["uar_by_speaker"] == pytest.approx({"a": 0.5, "b": 0.5, "c": 0.5})
    confidence = np.exp(8) / (np.exp(8) + 2)
    assert int8["ece"] == pytest.approx(confidence - 3 / 4)
    assert summary["fp32"]["accuracy"] == pytest.approx(5 / 6)
    coverage = summary["calibration"]["coverage"][0]
    assert coverage["coverage"] == pytest.approx(4 / 6)
    assert coverage["accuracy"] == pytest.approx(3 / 4)
    assert summary["calibration"]["own_thresholds"]["coverage"] == pytest.approx(4 / 6)
    assert summary["no_speech"]["by_label"] == {
        "angry": {"clips": 3, "lost": 1},
        "happy": {"clips": 2, "lost": 0},
        "sad": {"clips": 1, "lost": 1},
    }
    assert summary["no_speech"]["by_corpus"] == {"c": {"clips": 6, "lost": 2}}
    every = dict.fromkeys(VARIANTS, [True] * 6)
    nothing = summarize(ABOUT, [{**fold, "no_speech": every}])
    assert nothing["int8"]["uar"] == nothing["int8"]["ece"] == 0
    assert nothing["calibration"]["coverage"] == []
    assert nothing["calibration"]["own_thresholds"]["accuracy"] is None


def test_coverage_uses_the_thresholds_of_the_models():
    half = 0.69315
    folds = [
        result([0, 1], ["a", "a"], [0, 1], confidence=half, threshold=0.6),
        result([0, 1], ["b", "b"], [0, 2], confidence=half, threshold=0.4, fold=1),
    ]
    own = summarize(ABOUT, folds)["calibration"]["own_thresholds"]
    assert own == {"from": 0.4, "to": 0.6, "coverage": 0.5, "accuracy": 0.5}
