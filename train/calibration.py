"""Are the probabilities honest? Temperature, calibration error, and when to say "uncertain"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

# Bins of confidence, as in Guo et al. 2017.
BINS = 15


def fit_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """The T > 0 for which softmax(logits / T) is most likely on held-out clips.

    Guo et al. 2017, "On Calibration of Modern Neural Networks", https://arxiv.org/abs/1706.04599
    """
    return _likeliest(lambda temperature: logits / temperature, targets, 0.2, 10.0)


def fit_gain(logits: np.ndarray, beliefs: np.ndarray, targets: np.ndarray) -> float:
    """The G > 0 for which softmax(g * logits), with g = 1 + (G - 1) * belief, is most likely.

    logits: `(n_clips, n_classes)` at the right temperature for voices that are not known.
    beliefs: how well each voice is known, `(n_clips,)`, 0 to 1.
    """
    return _likeliest(lambda gain: logits * (1 + (gain - 1) * beliefs)[:, None], targets, 0.2, 5.0)


def _likeliest(
    logits_at: Callable[[float], np.ndarray], targets: np.ndarray, low: float, high: float
) -> float:
    """The value from `low` to `high`, above 0, whose logits make the targets most likely."""
    rows = np.arange(len(targets))

    def loss(log_value: float) -> float:
        return float(-log_softmax(logits_at(np.exp(log_value)), axis=1)[rows, targets].mean())

    bounds = np.log(low), np.log(high)
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def reliability(probabilities: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
    """The expected calibration error (ECE) and its bins, from `(n_clips, n_classes)`.

    The mean, over the clips, of |accuracy - confidence| in their bin of confidence; 0 to 1.
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == targets
    which = np.minimum((confidence * BINS).astype(int), BINS - 1)
    rows = []
    for k in range(BINS):
        inside = which == k
        if inside.any():
            rows.append(
                {
                    "from": k / BINS,
                    "clips": int(inside.sum()),
                    "confidence": float(confidence[inside].mean()),
                    "accuracy": float(correct[inside].mean()),
                }
            )
    ece = sum(row["clips"] * abs(row["accuracy"] - row["confidence"]) for row in rows)
    return {"ece": ece / len(targets), "bins": rows}


def coverage_curve(probabilities: np.ndarray, targets: np.ndarray) -> list[dict[str, float]]:
    """What a threshold on the confidence costs and brings: a row per threshold 0, 0.05, … 0.95.

    coverage: share of clips that are answered; accuracy: share of those that are right.
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == targets
    rows = []
    for threshold in np.arange(0, 1, 0.05):
        answered = confidence >= threshold
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
    """The highest threshold of a coverage curve that still answers `coverage` of the clips; 0 where
    that is no more than 1/n_labels, which no confidence is below."""
    threshold = max(row["threshold"] for row in curve if row["coverage"] >= coverage)
    return threshold if threshold > 1 / n_labels else 0.0


def coverage_markdown(curve: list[dict[str, float]]) -> str:
    """The rows of a table: threshold, answered %, of those right %."""
    return "\n".join(
        f"| {row['threshold']:.2f} | {100 * row['coverage']:.0f} | {100 * row['accuracy']:.1f} |"
        for row in curve
    )
