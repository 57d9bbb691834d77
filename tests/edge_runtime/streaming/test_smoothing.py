"""Smoothing of emotions over time, compared with a sum over all paths."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from edge_runtime.streaming.smoothing import PHRASE_SWITCH, SWITCH, EmotionSmoother


def smoothed(steps: list[np.ndarray], weight: float = 1.0, phrases: tuple[int, ...] = ()):
    smoother: EmotionSmoother[int] = EmotionSmoother(len(steps[0]), 1.0)
    answers = []
    for k, p in enumerate(steps):
        answers += smoother.push(k, p, weight, k in phrases)
    answers += smoother.flush()
    assert [k for k, _ in answers] == list(range(len(steps)))
    return np.array([p for _, p in answers])


def test_posterior_equals_the_sum_over_all_paths():
    rng = np.random.default_rng(0)
    steps = list(rng.dirichlet(np.ones(4), 5))
    expected = np.zeros((5, 4))
    for path in itertools.product(range(4), repeat=5):
        p = np.prod([step[state] ** 0.5 for step, state in zip(steps, path)])
        for k, (a, b) in enumerate(itertools.pairwise(path)):
            switch = PHRASE_SWITCH if k + 1 == 3 else SWITCH
            p *= 1 - switch if a == b else switch / 3
        for k, state in enumerate(path):
            expected[k, state] += p
    expected /= expected.sum(axis=1, keepdims=True)
    assert smoothed(steps, 0.5, phrases=(3,)) == pytest.approx(expected)


def test_single_step_keeps_its_probabilities():
    p = np.array([0.7, 0.2, 0.1])
    assert smoothed([p])[0] == pytest.approx(p)


def test_outlier_is_smoothed_and_a_lasting_change_is_not():
    a, b = np.array([0.7, 0.1, 0.1, 0.1]), np.array([0.25, 0.45, 0.15, 0.15])
    assert (smoothed([a, a, b, a, a]).argmax(axis=1) == 0).all()
    change = smoothed([a, a, a, b, b, b, b, b]).argmax(axis=1)
    assert change[0] == 0 and change[-1] == 1


def test_long_stretch_is_answered_with_a_fixed_lag():
    smoother: EmotionSmoother[int] = EmotionSmoother(4, 1.0)
    p = np.array([0.4, 0.2, 0.2, 0.2])
    for k in range(1000):
        answers = smoother.push(k, p, 0.3)
        assert [step for step, _ in answers] == ([k - 8] if k >= 8 else [])
