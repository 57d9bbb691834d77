"""The calibration error of probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np

# Confidence bins of the calibration error, as in Guo et al. 2017,
# https://arxiv.org/abs/1706.04599
N_BINS = 15


def reliability(probabilities: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
    """Return the expected calibration error (ECE) and its bins.

    The ECE is the mean, over the clips, of |accuracy - confidence| in their confidence bin, 0 to 1.
    Without clips, it is 0.

    Args:
        probabilities: `(n_clips, n_classes)`.
        targets: Class indices `(n_clips,)`.
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == targets
    bins = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    rows = []
    for k in range(N_BINS):
        inside = bins == k
        if inside.any():
            rows.append(
                {
                    "from": k / N_BINS,
                    "clips": int(inside.sum()),
                    "confidence": float(confidence[inside].mean()),
                    "accuracy": float(correct[inside].mean()),
                }
            )
    ece = sum(row["clips"] * abs(row["accuracy"] - row["confidence"]) for row in rows)
    return {"ece": ece / max(1, len(targets)), "bins": rows}
