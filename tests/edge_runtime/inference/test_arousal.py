"""Arousal from the probabilities of the labels."""

from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.inference.arousal import Arousal

LABELS = ("angry", "happy", "neutral", "sad")


def probability(probabilities: list[float], scale: float = 1.0, offset: float = 0.0) -> float:
    arousal = Arousal(("angry", "happy"), scale, offset)
    return arousal.probability(np.array(probabilities), LABELS)


def test_uncalibrated_arousal_is_the_sum_of_the_labels():
    assert probability([0.2, 0.1, 0.4, 0.3]) == pytest.approx(0.3)


def test_scale_and_offset_apply_to_the_log_odds():
    odds = np.log(0.3 / 0.7)
    expected = 1 / (1 + np.exp(-(0.5 * odds + 2)))
    assert probability([0.2, 0.1, 0.4, 0.3], scale=0.5, offset=2.0) == pytest.approx(expected)
    assert probability([0.2, 0.1, 0.4, 0.3], scale=0.0) == 0.5


@pytest.mark.parametrize("offset", [-1000, 0, 1000])
@pytest.mark.parametrize("first", [0.0, 1.0])
def test_arousal_is_finite_for_certain_answers(first, offset):
    value = probability([first, 0.0, 1 - first, 0.0], scale=100.0, offset=offset)
    assert 0 <= value <= 1
