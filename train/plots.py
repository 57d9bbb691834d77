"""The pictures of runs and reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # no display is needed, or looked for

import matplotlib.pyplot as plt
import numpy as np

from edge_runtime.files import replacing

plt.rcParams["text.parse_math"] = False  # a label with dollars in it is no formula


def curves(history: list[dict[str, float]], best_epoch: int, path: Path) -> None:
    """Losses and validation UAR over the epochs of one training."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2))
    epochs = [row["epoch"] for row in history]
    left.plot(epochs, [row["train_loss"] for row in history], label="training")
    left.plot(epochs, [row["val_loss"] for row in history], label="validation speakers")
    left.set(xlabel="epoch", ylabel="loss")
    left.legend()
    right.plot(epochs, [100 * row["val_uar"] for row in history])
    for axes in (left, right):
        axes.axvline(best_epoch, color="grey", linestyle=":")
    right.set(xlabel="epoch", ylabel="validation UAR %", title=f"kept: epoch {best_epoch}")
    _save(figure, path)


def confusion(counts: np.ndarray, labels: list[str], path: Path) -> None:
    """A confusion matrix `(n_classes, n_classes)`, rows the truth, in shares of each row."""
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = 2.2 + 0.6 * len(labels)
    figure, axes = plt.subplots(figsize=(size + 0.6, size))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    axes.set(xticks=range(len(labels)), yticks=range(len(labels)), xlabel="answer", ylabel="truth")
    axes.set_xticklabels(labels, rotation=45, ha="right")
    axes.set_yticklabels(labels)
    for row, column in np.ndindex(*shares.shape):
        share = shares[row, column]
        axes.text(column, row, f"{share:.0f}", ha="center", va="center",
                  color="white" if share > 55 else "black")
    _save(figure, path)


def calibration(
    bins: list[dict[str, Any]], curve: list[dict[str, float]], threshold: float, path: Path
) -> None:
    """Reliability, and what a confidence threshold costs and brings."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
    left.plot([0, 1], [0, 1], color="grey", linestyle=":")
    width = max(row["clips"] for row in bins)
    left.scatter(
        [row["confidence"] for row in bins], [row["accuracy"] for row in bins],
        s=[10 + 150 * row["clips"] / width for row in bins],
    )
    left.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy")
    thresholds = [row["threshold"] for row in curve]
    right.plot(thresholds, [100 * row["coverage"] for row in curve], label="clips answered")
    right.plot(thresholds, [100 * row["accuracy"] for row in curve], label="of those right")
    right.axvline(threshold, color="grey", linestyle=":")
    right.set(xlabel="confidence threshold", ylabel="%", ylim=(0, 101))
    right.legend()
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    with replacing(path) as temporary:
        # Without the version and the date the same numbers give the same bytes.
        figure.savefig(temporary, format="png", dpi=100, metadata={"Software": None})
    plt.close(figure)
