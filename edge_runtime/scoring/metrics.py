"""Classification metrics: UAR, accuracy, per-class recall, confusion matrix."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..inference.prediction import NO_SPEECH


def scores(
    targets: np.ndarray,
    predictions: np.ndarray,
    labels: list[str],
    rejected: np.ndarray | None = None,
) -> dict[str, Any]:
    """Score predictions.

    Args:
        targets: Class indices of the truth, `(n_clips,)`.
        predictions: Class indices of the answers, `(n_clips,)`.
        labels: Name of each class.
        rejected: Which clips are answered with "no speech", bool `(n_clips,)`; they count as
            errors. Default: that answer is not scored.

    Returns:
        Plain values for JSON: the number of clips, UAR, accuracy, recall per label and the
        confusion matrix, whose rows are the truth. UAR, the unweighted average recall, is taken
        over the classes that occur in `targets`. With `rejected`, the confusion matrix has a last
        column for "no speech".
    """
    n_answers = len(labels)
    if rejected is not None:
        n_answers += 1
        predictions = np.where(rejected, len(labels), predictions)
    confusion = np.zeros((len(labels), n_answers), int)
    np.add.at(confusion, (targets, predictions), 1)
    clips, correct = confusion.sum(axis=1), np.diagonal(confusion)
    present = clips > 0
    recalls = correct / np.maximum(clips, 1)
    return {
        "clips": int(len(targets)),
        "uar": float(recalls[present].mean()),
        "accuracy": float(correct.sum() / len(targets)),
        "recall": {
            label: float(recall)
            for label, recall, occurs in zip(labels, recalls, present)
            if occurs
        },
        "confusion": confusion.tolist(),
    }


def chance_level_warning(uar: float, n_labels: int, n_clips: int) -> str:
    """Return a warning if a UAR is within two standard errors of chance, else an empty string."""
    chance = 1 / n_labels
    if uar > chance + 2 * math.sqrt(chance * (1 - chance) / n_clips):
        return ""
    return (
        f"UAR {100 * uar:.1f} % on {n_clips} clips is not above chance ({100 * chance:.1f} %); use "
        "more recordings of more speakers, or more epochs"
    )


def answer_names(confusion: list[list[int]], labels: list[str]) -> list[str]:
    """Return the names of the columns of a confusion matrix; see `scores`."""
    return [*labels, NO_SPEECH] if len(confusion[0]) > len(labels) else labels


def confusion_text(confusion: list[list[int]], labels: list[str]) -> str:
    """Return a confusion matrix as aligned text: a row per true label, a column per answer."""
    answers = answer_names(confusion, labels)
    width = max(5, *(len(answer) for answer in answers)) + 1
    lines = [" " * width + "".join(f"{answer:>{width}}" for answer in answers)]
    for label, row in zip(labels, confusion):
        lines.append(f"{label:<{width}}" + "".join(f"{count:>{width}}" for count in row))
    return "\n".join(lines)
