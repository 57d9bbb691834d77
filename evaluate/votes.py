"""Votes of listeners as soft labels, and the scores of the listeners themselves."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.datasets.clip import DatasetError
from edge_runtime.messages import system_reason


def read_votes(path: Path, labels: Sequence[str]) -> dict[str, np.ndarray]:
    """Read the votes of the listeners to each clip.

    Args:
        path: A CSV file with the column `clip`, a file name without suffix, and a column of counts
            for each label. Columns of other labels are ignored.
        labels: The labels.

    Returns:
        The share of each label in the votes for `labels`, `(n_labels,)`, by clip. Clips without
        such a vote are left out.

    Raises:
        DatasetError: If the file cannot be read, or a column or a count is missing.
    """
    shares = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for row in csv.DictReader(file):
                counts = np.array([float(row[label]) for label in labels])
                if counts.sum() > 0:
                    shares[row["clip"]] = counts / counts.sum()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {system_reason(error)}") from error
    except (KeyError, ValueError, TypeError, csv.Error) as error:
        raise DatasetError(
            f"{path}: is not a table of votes ({error!r}); expected the columns clip and "
            f"{', '.join(labels)} with counts"
        ) from error
    return shares


def majority(shares: np.ndarray) -> np.ndarray:
    """Return the label with most votes of each clip; the first of equal ones.

    Args:
        shares: Soft labels `(n_clips, n_labels)`.
    """
    return np.asarray(shares.argmax(axis=1))


def has_majority(shares: np.ndarray) -> np.ndarray:
    """Return which clips have one label with more votes than every other, bool `(n_clips,)`."""
    ordered = np.sort(shares, axis=1)
    return np.asarray(ordered[:, -1] > ordered[:, -2])


def listener_scores(
    votes: dict[str, np.ndarray], names: np.ndarray, targets: np.ndarray
) -> dict[str, Any] | None:
    """Score the majority of the listeners against the acted labels.

    Args:
        votes: From `read_votes`.
        names: File names of all clips without suffix, `(n_clips,)`.
        targets: Class indices of the acted labels, `(n_clips,)`.

    Returns:
        The number of clips and the UAR in [0, 1]; None without votes.
    """
    rows = [row for row, name in enumerate(names) if name in votes]
    if not rows:
        return None
    answers = majority(np.stack([votes[names[row]] for row in rows]))
    truth = targets[rows]
    recalls = [(answers[truth == target] == target).mean() for target in np.unique(truth)]
    return {"clips": len(rows), "uar": float(np.mean(recalls))}
