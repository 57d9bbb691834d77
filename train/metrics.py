"""What a set of predictions is worth: UAR first, then the rest."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
from sklearn.metrics import accuracy_score, confusion_matrix, recall_score

from edge_runtime.messages import printable

from .data.naming_schemes import NOT_KNOWN


def scores(targets: np.ndarray, predictions: np.ndarray, labels: list[str]) -> dict[str, Any]:
    """UAR, accuracy, recall per class and the confusion matrix (rows: truth), as JSON holds them.

    Args:
        targets, predictions: class indices `(n_clips,)`.
    UAR, the unweighted average of the recalls, is taken over the classes that occur in `targets`.
    """
    indices = np.arange(len(labels))
    recalls = recall_score(targets, predictions, labels=indices, average=None, zero_division=0)
    present = np.isin(indices, targets)
    return {
        "clips": int(len(targets)),
        "uar": float(recalls[present].mean()),
        "accuracy": float(accuracy_score(targets, predictions)),
        "recall": {
            label: float(recall) for label, recall, there in zip(labels, recalls, present) if there
        },
        "confusion": confusion_matrix(targets, predictions, labels=indices).tolist(),
    }


def no_better_than_guessing(uar: float, n_labels: int, n_clips: int) -> str:
    """A sentence where a UAR of so many clips is within two standard errors of what guessing has,
    else nothing."""
    chance = 1 / n_labels
    if uar > chance + 2 * math.sqrt(chance * (1 - chance) / n_clips):
        return ""
    return (
        f"A UAR of {100 * uar:.1f} % of {n_clips} clips is no better than guessing, which has "
        f"{100 * chance:.1f} %: more recordings of more speakers, or more epochs, are needed"
    )


def confusion_text(confusion: list[list[int]], labels: list[str]) -> str:
    """The confusion matrix as aligned text: a row per true class, a column per answer."""
    width = max(5, *(len(label) for label in labels)) + 1
    lines = [" " * width + "".join(f"{label:>{width}}" for label in labels)]
    for label, row in zip(labels, confusion):
        lines.append(f"{label:<{width}}" + "".join(f"{count:>{width}}" for count in row))
    return "\n".join(lines)


def cell(text: str) -> str:
    """Text as a cell of a Markdown table shows it.

    >>> cell("a|b *c*")
    'a\\\\|b \\\\*c\\\\*'
    """
    return re.sub(r"([|*`<\[])", r"\\\1", printable(text))


def confusion_markdown(confusion: list[list[int]], labels: list[str]) -> str:
    """The confusion matrix as a Markdown table."""
    lines = [
        "| true \\ answer | " + " | ".join(map(cell, labels)) + " |",
        "|---|" + "---:|" * len(labels),
    ]
    for label, row in zip(labels, confusion):
        lines.append(f"| {cell(label)} | " + " | ".join(map(str, row)) + " |")
    return "\n".join(lines)


def parts_markdown(
    corpora: dict[str, dict[str, float]], groups: dict[str, dict[str, float]]
) -> str:
    """A table of what was tested, by corpus and by group of speakers; see `run_report`."""
    if list(groups) == [NOT_KNOWN]:
        groups = {}
    rows = [*corpora.items(), *((f"speakers: {group}", part) for group, part in groups.items())]
    lines = ["| tested | clips | speakers | UAR % | ECE |", "|---|---:|---:|---:|---:|"]
    for name, part in rows:
        lines.append(
            f"| {cell(name)} | {part['clips']} | {part['speakers'] or 'unknown'} "
            f"| {100 * part['uar']:.1f} | {part['ece']:.3f} |"
        )
    return "\n".join(lines)
