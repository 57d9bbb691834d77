"""Figures of runs and reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")  # requires no display

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import MaxNLocator
from sklearn.metrics import ConfusionMatrixDisplay

from edge_runtime.files import atomic_replace
from edge_runtime.scoring.metrics import answer_names

plt.rcParams["text.parse_math"] = False  # dollar signs in labels are plain text


def curves(history: list[dict[str, float]], best_epoch: int, path: Path) -> None:
    """Plot losses and validation UAR over the epochs.

    Args:
        history: A row per epoch.
        best_epoch: The selected epoch.
        path: The PNG file.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2))
    epochs = [row["epoch"] for row in history]
    marker = "." if len(epochs) < 10 else ""  # a line requires two points
    left.plot(
        epochs,
        [row["train_loss"] for row in history],
        marker=marker,
        label="training (augmented, all terms)",
    )
    left.plot(
        epochs,
        [row["val_loss"] for row in history],
        marker=marker,
        label="validation (emotions only)",
    )
    left.set(xlabel="epoch", ylabel="loss", title="mean over the folds")
    left.legend(fontsize="small")
    right.plot(epochs, [100 * row["val_uar"] for row in history], marker=marker)
    for axes in (left, right):
        axes.axvline(best_epoch, color="grey", linestyle=":")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.set(xlabel="epoch", ylabel="validation UAR %", title=f"selected: epoch {best_epoch}")
    _save(figure, path)


def confusion(counts: np.ndarray, labels: list[str], path: Path) -> None:
    """Plot a confusion matrix in percent of each row.

    Args:
        counts: Clips `(n_labels, n_labels)`; rows are the truth. A further column counts the
            answer "no speech".
        labels: Name of each class.
        path: The PNG file.
    """
    shares = 100 * counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    answers = answer_names(counts.tolist(), labels)
    # The display requires a square matrix. "no speech" is never the truth: its row is cut off.
    below = np.zeros((len(answers) - len(labels), len(answers)))
    square = np.concatenate([shares, below])
    size = 2.2 + 0.6 * len(labels)
    figure, axes = plt.subplots(figsize=(2.8 + 0.6 * len(answers), size))
    display = ConfusionMatrixDisplay(square, display_labels=answers).plot(
        ax=axes,
        cmap="Blues",
        values_format=".0f",
        xticks_rotation=45,
        colorbar=False,
        im_kw={"vmin": 0, "vmax": 100},
    )
    display.ax_.set(xlabel="answer", ylabel="truth", title="answers, % of each truth")
    axes.set_ylim(len(labels) - 0.5, -0.5)
    plt.setp(axes.get_xticklabels(), ha="right")
    _save(figure, path)


def calibration(
    bins: dict[str, list[dict[str, Any]]],
    curves: dict[str, list[dict[str, float]]],
    thresholds: list[float],
    path: Path,
) -> None:
    """Plot the reliability diagram, and coverage and accuracy by confidence threshold.

    Args:
        bins: Bins of `scoring.reliability` by series.
        curves: Results of `calibration.coverage_curve` by series.
        thresholds: The thresholds that models store, or the lowest and the highest of them.
        path: The PNG file.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2))
    left.plot([0, 1], [0, 1], color="grey", linestyle=":")
    for name, rows in bins.items():
        largest = max((row["clips"] for row in rows), default=1)
        left.scatter(
            [row["confidence"] for row in rows],
            [row["accuracy"] for row in rows],
            clip_on=False,
            s=[10 + 110 * row["clips"] / largest for row in rows],
            label=name,
            alpha=0.8,
        )
    left.set(
        xlim=(0, 1),
        ylim=(0, 1),
        xlabel="confidence",
        ylabel="accuracy",
        title="reliability (dotted: perfect calibration)",
    )
    if len(bins) > 1:
        left.legend()
    for (name, curve), style, width in zip(curves.items(), ("-", "--"), (3.5, 1.5)):
        for key, label, color in (
            ("coverage", "coverage", "C0"),
            ("accuracy", "accuracy of those", "C1"),
        ):
            right.plot(
                [row["threshold"] for row in curve],
                [100 * row[key] for row in curve],
                linestyle=style,
                linewidth=width,
                color=color,
                alpha=0.7,
                label=f"{label}, {name}",
            )
    for threshold in thresholds:
        right.axvline(threshold, color="grey", linestyle=":")
    right.set(
        xlabel="confidence threshold",
        ylabel="clips %",
        ylim=(0, 101),
        title="thresholds (dotted: stored)",
    )
    # Below the axes, because the curves cross the whole area.
    right.legend(
        fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=len(curves)
    )
    _save(figure, path)


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    with atomic_replace(path) as temporary:
        # No version and date in the file, so that the same numbers give the same bytes.
        figure.savefig(temporary, format="png", dpi=100, metadata={"Software": None})
    plt.close(figure)
