"""The pictures of runs and reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # no display is needed, or looked for

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator

from edge_runtime.files import atomic_replace

plt.rcParams["text.parse_math"] = False  # a label with dollars in it is no formula


def curves(history: list[dict[str, float]], best_epoch: int, path: Path) -> None:
    """Losses and validation UAR over the epochs of one training."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2))
    epochs = [row["epoch"] for row in history]
    marker = "." if len(epochs) < 10 else ""  # a line needs two of them
    left.plot(
        epochs,
        [row["train_loss"] for row in history],
        marker=marker,
        label="training: changed clips, all terms",
    )
    left.plot(
        epochs,
        [row["val_loss"] for row in history],
        marker=marker,
        label="validation speakers: emotions alone",
    )
    left.set(xlabel="epoch", ylabel="loss", title="the networks that choose the epoch")
    left.legend(fontsize="small")
    right.plot(epochs, [100 * row["val_uar"] for row in history], marker=marker)
    for axes in (left, right):
        axes.axvline(best_epoch, color="grey", linestyle=":")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.set(xlabel="epoch", ylabel="validation UAR %", title=f"kept: epoch {best_epoch}")
    _save(figure, path)


def confusion(counts: np.ndarray, labels: list[str], path: Path) -> None:
    """A confusion matrix `(n_classes, n_classes)`, rows the truth, in shares of each row."""
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = 2.2 + 0.6 * len(labels)
    figure, axes = plt.subplots(figsize=(size + 0.6, size))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=100)
    axes.set(
        xticks=range(len(labels)),
        yticks=range(len(labels)),
        xlabel="answer",
        ylabel="truth",
        title="answers, % of each truth",
    )
    axes.set_xticklabels(labels, rotation=45, ha="right")
    axes.set_yticklabels(labels)
    for row, column in np.ndindex(*shares.shape):
        share = shares[row, column]
        axes.text(
            column,
            row,
            f"{share:.0f}",
            ha="center",
            va="center",
            color="white" if share > 55 else "black",
        )
    _save(figure, path)


def calibration(
    bins: dict[str, list[dict[str, Any]]],
    curves: dict[str, list[dict[str, float]]],
    thresholds: list[float],
    path: Path,
) -> None:
    """Reliability, and what a confidence threshold costs and brings.

    bins: those of `calibration.reliability`, by whose answers they are.
    curves: those of `calibration.coverage_curve`, by whose answers they are.
    thresholds: those that models store, or the lowest and the highest of them.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2))
    left.plot([0, 1], [0, 1], color="grey", linestyle=":")
    for name, rows in bins.items():
        width = max(row["clips"] for row in rows)
        left.scatter(
            [row["confidence"] for row in rows],
            [row["accuracy"] for row in rows],
            clip_on=False,
            s=[10 + 110 * row["clips"] / width for row in rows],
            label=name,
            alpha=0.8,
        )
    left.set(
        xlim=(0, 1),
        ylim=(0, 1),
        xlabel="confidence",
        ylabel="accuracy",
        title="reliability (dotted: honest)",
    )
    if len(bins) > 1:
        left.legend()
    for (name, curve), style, width in zip(curves.items(), ("-", "--"), (3.5, 1.5)):
        for key, what, color in (
            ("coverage", "answered", "C0"),
            ("accuracy", "of those right", "C1"),
        ):
            right.plot(
                [row["threshold"] for row in curve],
                [100 * row[key] for row in curve],
                linestyle=style,
                linewidth=width,
                color=color,
                alpha=0.7,
                label=f"{what}, {name}",
            )
    for threshold in thresholds:
        right.axvline(threshold, color="grey", linestyle=":")
    right.set(
        xlabel="confidence threshold",
        ylabel="clips %",
        ylim=(0, 101),
        title="thresholds (dotted: stored)",
    )
    # Below: the curves cross all of the picture.
    right.legend(
        fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=len(curves)
    )
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    with atomic_replace(path) as temporary:
        # Without the version and the date the same numbers give the same bytes.
        figure.savefig(temporary, format="png", dpi=100, metadata={"Software": None})
    plt.close(figure)
