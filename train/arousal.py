"""Arousal from the probabilities of the labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

HIGH_AROUSAL = ("angry", "fearful", "happy", "surprised")
LOW_AROUSAL = ("calm", "neutral", "sad")

# Bounds of scale and offset. Without them, they would grow without limit on few clips without
# errors.
BOUNDS = ((0.1, 10.0), (-10.0, 10.0))
MIN_PROBABILITY = 1e-9


def high_arousal_labels(labels: Sequence[str]) -> list[str]:
    """Return the labels of high arousal.

    The list is empty unless angry, happy and a label of low arousal are among the labels.
    """
    if not {"angry", "happy"} <= set(labels) or set(LOW_AROUSAL).isdisjoint(labels):
        return []
    return [label for label in labels if label in HIGH_AROUSAL]


def log_odds(probabilities: np.ndarray, labels: Sequence[str], high: Sequence[str]) -> np.ndarray:
    """Return the log odds of the labels of high arousal, `(n_clips,)`.

    Args:
        probabilities: `(n_clips, n_labels)`.
        labels: All labels.
        high: Those of high arousal.
    """
    is_high = np.isin(labels, high)
    sums = [probabilities[:, rows].sum(axis=1) for rows in (is_high, ~is_high)]
    above, below = (np.maximum(values, MIN_PROBABILITY) for values in sums)
    return np.asarray(np.log(above / below))


def fit_arousal(
    probabilities: np.ndarray, targets: np.ndarray, corpora: np.ndarray, labels: Sequence[str]
) -> dict[str, Any] | None:
    """Fit `ModelCard.arousal` on held-out predictions.

    Logistic regression on the log odds: Platt 1999, "Probabilistic Outputs for Support Vector
    Machines". Corpora have the same weight, and so have both sides of a corpus.

    Args:
        probabilities: `(n_clips, n_labels)`.
        targets: Class indices `(n_clips,)`.
        corpora: Corpora `(n_clips,)`.
        labels: The labels.

    Returns:
        Labels of high arousal, scale and offset; None if the labels have no arousal, or the clips
        lack a side.
    """
    high = high_arousal_labels(labels)
    if not high:
        return None
    is_high = np.isin(targets, [labels.index(label) for label in high])
    if is_high.all() or not is_high.any():
        return None
    odds = log_odds(probabilities, labels, high)
    weights = np.zeros(len(targets))
    for corpus in np.unique(corpora):
        for side in (is_high, ~is_high):
            rows = side & (corpora == corpus)
            weights[rows] = 1 / max(1, rows.sum())
    weights /= weights.sum()
    signs = np.where(is_high, 1.0, -1.0)

    def loss(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        margins = signs * (parameters[0] * odds + parameters[1])
        slopes = -weights * signs * expit(-margins)
        value = float((weights * np.logaddexp(0, -margins)).sum())
        return value, np.array([slopes @ odds, slopes.sum()])

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=BOUNDS).x
    return {"labels": high, "scale": float(found[0]), "offset": float(found[1])}


def arousal(
    probabilities: np.ndarray, labels: Sequence[str], settings: dict[str, Any]
) -> np.ndarray:
    """Return the probability of high arousal, `(n_clips,)`.

    Args:
        probabilities: `(n_clips, n_labels)`.
        labels: The labels.
        settings: From `fit_arousal`.
    """
    odds = log_odds(probabilities, labels, settings["labels"])
    return np.asarray(expit(settings["scale"] * odds + settings["offset"]))
