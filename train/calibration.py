"""Calibration: temperature scaling, calibration error, and the threshold for "uncertain"."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from .markdown import markdown_table


def fit_temperature(
    logits: np.ndarray, targets: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """Return the T > 0 that maximises the likelihood of softmax(logits / T) on held-out clips.

    Guo et al. 2017, "On Calibration of Modern Neural Networks", https://arxiv.org/abs/1706.04599

    Args:
        logits: `(n_clips, n_classes)`.
        targets: Class indices `(n_clips,)`.
        weights: Weights of the clips `(n_clips,)`. Default: equal.
    """
    return _maximum_likelihood(
        lambda temperature: logits / temperature, targets, 0.2, 10.0, weights
    )


def fit_gain(logits: np.ndarray, map_weights: np.ndarray, targets: np.ndarray) -> float:
    """Return the G > 0 that maximises the likelihood of softmax(g * logits).

    The gain of each clip is g = 1 + (G - 1) * map_weight.

    Args:
        logits: `(n_clips, n_classes)`, at the right temperature for unknown speakers.
        map_weights: Weight of each speaker's profile, `(n_clips,)`, 0 to 1.
        targets: Class indices `(n_clips,)`.
    """
    return _maximum_likelihood(
        lambda gain: logits * (1 + (gain - 1) * map_weights)[:, None], targets, 0.2, 5.0
    )


def _maximum_likelihood(
    logits_at: Callable[[float], np.ndarray],
    targets: np.ndarray,
    low: float,
    high: float,
    weights: np.ndarray | None = None,
) -> float:
    """Return the value between `low` and `high`, above 0, whose logits fit the targets best."""
    rows = np.arange(len(targets))

    def loss(log_value: float) -> float:
        likelihoods = log_softmax(logits_at(np.exp(log_value)), axis=1)[rows, targets]
        if weights is None:
            return float(-likelihoods.mean())
        return float(-np.average(likelihoods, weights=weights))

    bounds = np.log(low), np.log(high)
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def coverage_curve(
    probabilities: np.ndarray, targets: np.ndarray, rejected: np.ndarray | None = None
) -> list[dict[str, float]]:
    """Return coverage and accuracy for confidence thresholds of 0, 0.05, … 0.95.

    Args:
        probabilities: `(n_clips, n_classes)`.
        targets: Class indices `(n_clips,)`.
        rejected: Which clips are answered with "no speech", bool `(n_clips,)`; no threshold covers
            them. Default: none.

    Returns:
        A row per threshold. `coverage` is the share of clips at or above it; `accuracy` is the
        share of those that are correct. The rows end where no clip is left.
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == targets
    rows = []
    for threshold in np.arange(0, 1, 0.05):
        answered = confidence >= threshold
        if rejected is not None:
            answered &= ~rejected
        if not answered.any():
            break
        rows.append(
            {
                "threshold": round(float(threshold), 2),
                "coverage": float(answered.mean()),
                "accuracy": float(correct[answered].mean()),
            }
        )
    return rows


def choose_threshold(curve: list[dict[str, float]], n_labels: int, coverage: float = 0.85) -> float:
    """Return the highest threshold of a coverage curve with at least `coverage`.

    The result is 0 if that threshold is at most 1 / n_labels: no confidence is lower.
    """
    covering = [row["threshold"] for row in curve if row["coverage"] >= coverage]
    threshold = max(covering, default=0.0)
    return threshold if threshold > 1 / n_labels else 0.0


def coverage_markdown(curve: list[dict[str, float]]) -> str:
    """Return a coverage curve as a Markdown table; thresholds with the same clips share a row."""
    groups = [
        [row["threshold"] for row in rows]
        for _, rows in itertools.groupby(curve, key=lambda row: row["coverage"])
    ]
    values = {row["coverage"]: row["accuracy"] for row in curve}
    rows = [
        [
            f"{group[0]:.2f}" + (f" to {group[-1]:.2f}" if len(group) > 1 else ""),
            f"{100 * coverage:.0f}",
            f"{100 * accuracy:.1f}",
        ]
        for group, (coverage, accuracy) in zip(groups, values.items())
    ]
    return markdown_table(["threshold", "coverage %", "accuracy of those %"], rows, "rrr")
