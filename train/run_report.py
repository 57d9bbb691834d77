"""Report of a training: split, scores, calibration and figures in the run folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import softmax
from torch.nn.functional import cross_entropy

from edge_runtime.datasets.naming_schemes import speaker_group
from edge_runtime.scoring.metrics import scores
from edge_runtime.scoring.reliability import reliability
from edge_runtime.scoring.uncertainty import bootstrap_uars, confusions_by_unit, interval

from . import plots
from .branch_selection import known_speaker_logits
from .calibration import choose_threshold, coverage_curve
from .checkpoint import save_checkpoint
from .data.features import Dataset
from .dataset import corpus_summaries, left_out_summary, weights_licence
from .files import write_csv, write_json, write_text
from .fit import FitResult
from .gate.pipeline import rejected_clips
from .gate.training import TrainedGate
from .model_selection import SelectedModel, smoothed_uar
from .predict import predict
from .run_folder import REPORT
from .run_page import run_markdown
from .speech_gate import losses_by

STATISTICS_SCORES = ("test_with_minute", "branch")  # of networks with statistics


@dataclass(frozen=True)
class Partition:
    """Use of the clips in a training.

    Attributes:
        kind: Quality of the split; see `splits.Split`.
        notes: Remarks on the split and the labels.
        train: Indices of the clips that the final network is trained on.
        folds: Indices of the validation clips of each cross-validation fold, a part of `train`.
        test: Indices of the test clips.
    """

    kind: str
    notes: tuple[str, ...]
    train: list[int]
    folds: list[list[int]]
    test: list[int]

    def to_json(self, dataset: Dataset) -> dict[str, Any]:
        """Return the speakers and clips of each part as plain values for JSON."""

        def speakers(indices: list[int]) -> list[str]:
            return sorted({s for i in indices if (s := dataset.clips[i].speaker) is not None})

        def part(indices: list[int]) -> dict[str, Any]:
            clips = [str(dataset.clips[i].path) for i in indices]
            return {"speakers": speakers(indices), "clips": clips}

        common = {"kind": self.kind, "notes": list(self.notes), "test": part(self.test)}
        if len(self.folds) == 1:
            (val,) = self.folds
            rest = sorted(set(self.train) - set(val))
            return {**common, "train": part(rest), "val": part(val)}
        return {
            **common,
            "train": part(self.train),
            "validation_folds": [speakers(fold) for fold in self.folds],
        }


def write_run(
    folder: Path, partition: Partition, selected: SelectedModel, gate: TrainedGate | None = None
) -> dict[str, Any]:
    """Write the history, the checkpoint, the report and its figures; return the report.

    Args:
        folder: The run folder.
        partition: Use of the clips.
        selected: Result of the training.
        gate: The speech gate. Default: the model has none.
    """
    dataset, recipe, result = selected.candidate.data, selected.candidate.recipe, selected.fit
    write_csv(folder / "metrics.csv", result.history)
    plots.curves(result.history, result.best_epoch, folder / "curves.png")
    network = result.network if gate is None else result.network.with_gate(gate.network)
    report = {
        **run_report(dataset, partition, result, rejected_clips(gate, dataset)),
        "gate": None if gate is None else gate.scores,
        "recipe": selected.candidate.name,
        "val_uar": selected.val_uar[selected.candidate.name],
        "val_uar_by_recipe": selected.val_uar,
    }
    calibration = report["calibration"]
    plots.calibration(
        {"": calibration["bins"]},
        {
            "test speakers": calibration["coverage"],
            "validation speakers": calibration["coverage_of_choosing"],
        },
        [calibration["threshold"]],
        folder / "calibration.png",
    )
    save_checkpoint(
        folder,
        network,
        recipe.mfcc_config,
        recipe.silence,
        dataset.labels,
        temperature=result.temperature,
        profile_gain=result.profile_gain,
        uncertain_below=calibration["threshold"],
        arousal=result.arousal,
        statistics=list(dataset.statistic_names) if result.branch is not None else None,
        speech_above=0.0 if gate is None else gate.speech_above,
        min_speech=None if gate is None else gate.min_speech,
        corpora=corpus_summaries(dataset),
        licence=weights_licence(dataset),
        scores={
            "split": partition.kind,
            "test": report["test"],
            "test_ece": calibration["ece"],
            "test_by_corpus": report["test_by_corpus"],
            "test_by_group": report["test_by_group"],
            **{name: report[name] for name in STATISTICS_SCORES if report.get(name)},
            "no_speech": report["no_speech"],
            "gate": report["gate"],
        },
        clips=[
            [str(clip.path), clip.label]
            for clip in dataset.clips
            if clip.label not in dataset.auxiliary
        ],
        test_clips=[str(dataset.clips[i].path) for i in partition.test],
    )
    write_json(folder / "report.json", report)
    write_text(folder / REPORT, run_markdown(report, dataset.labels))
    return report


def run_report(
    dataset: Dataset, partition: Partition, result: FitResult, rejected: np.ndarray
) -> dict[str, Any]:
    """Score the network on the test clips and describe the training, as plain values for JSON.

    Args:
        dataset: All clips.
        partition: Use of the clips.
        result: Result of the training.
        rejected: Which clips of the dataset are answered with "no speech", bool `(n_clips,)`. They
            count as errors, and have no confidence.
    """
    labels = dataset.labels
    lost = rejected[partition.test]
    clips = [dataset.clips[i] for i in partition.test]
    targets = np.array([labels.index(clip.label) for clip in clips])
    logits = predict(result.network, dataset.frames, partition.test, statistics=dataset.statistics)
    predictions = logits.argmax(axis=1)
    probabilities = softmax(logits / result.temperature, axis=1)

    def scores_by(groups: list[str]) -> dict[str, dict[str, float]]:
        """Return the scores of each group of test clips."""
        rows = {}
        for group in sorted(set(groups)):
            mask = np.array(groups) == group
            rows[group] = {
                "clips": int(mask.sum()),
                "speakers": len({c.speaker for c, inside in zip(clips, mask) if inside} - {None}),
                "lost": int(lost[mask].sum()),
                "uar": scores(targets[mask], predictions[mask], labels, lost[mask])["uar"],
                "ece": reliability(probabilities[mask & ~lost], targets[mask & ~lost])["ece"],
            }
        return rows

    # The threshold is chosen on validation speakers; its coverage is reported for test speakers.
    val_targets = np.array([labels.index(dataset.clips[i].label) for i in result.val_clips])
    val_probabilities = softmax(result.logits / result.temperature, axis=1)
    val_coverage = coverage_curve(val_probabilities, val_targets)
    trained = [i for i in partition.train if dataset.clips[i].label in labels]
    return {
        "corpora": corpus_summaries(dataset),
        "split": partition.kind,
        "notes": [*partition.notes, *_epoch_notes(result)],
        "clips": {
            "train": len(partition.train),
            "choosing": len(result.val_clips),
            "test": len(partition.test),
        },
        "validation_folds": len(partition.folds),
        "parameters": result.network.n_parameters(),
        "best_epoch": result.best_epoch,
        "highest_epoch": _highest_epoch(result),
        "epochs": len(result.history),
        "temperature": result.temperature,
        "profile_gain": result.profile_gain,
        "test": scores(targets, predictions, labels, lost),
        "test_uar_interval": uar_interval(
            targets,
            np.where(lost, len(labels), predictions),
            labels,
            [clip.speaker for clip in clips],
        ),
        "test_loss": float(cross_entropy(torch.from_numpy(logits), torch.from_numpy(targets))),
        "test_by_corpus": scores_by([clip.corpus for clip in clips]),
        "test_by_group": scores_by([speaker_group(clip.speaker) for clip in clips]),
        "test_speakers": sorted({str(clip.speaker) for clip in clips}),
        "calibration": {
            **reliability(probabilities[~lost], targets[~lost]),
            "coverage": coverage_curve(probabilities, targets, lost),
            "coverage_of_choosing": val_coverage,
            "threshold": choose_threshold(val_coverage, len(labels)),
        },
        **_statistics_report(dataset, partition, result, lost),
        "no_speech": {
            "test": losses_by([clip.label for clip in clips], lost),
            "train": losses_by([dataset.clips[i].label for i in trained], rejected[trained]),
            "train_by_corpus": losses_by(
                [dataset.clips[i].corpus for i in trained], rejected[trained]
            ),
        },
        "duplicates": dataset.duplicates,
        "unreadable": dataset.unreadable,
        "left_out": left_out_summary(dataset),
    }


def _highest_epoch(result: FitResult) -> int:
    """Return the first epoch, from 1, with the highest moving average of the validation UAR."""
    return 1 + int(np.argmax(smoothed_uar(result.history)))


def _epoch_notes(result: FitResult) -> list[str]:
    """Return a note if the validation UAR was still rising when the training ended."""
    epochs = len(result.history)
    if epochs == 1 or not result.best_epoch == _highest_epoch(result) == epochs:
        return []
    return [
        f"the validation UAR was highest at the last epoch, {epochs}: more --epochs may improve it"
    ]


def uar_interval(
    targets: np.ndarray, answers: np.ndarray, labels: list[str], speakers: Sequence[str | None]
) -> dict[str, Any]:
    """Return the bootstrap interval of a UAR as plain values for JSON.

    Args:
        targets: Class indices `(n_clips,)`.
        answers: Class indices `(n_clips,)`; `len(labels)` stands for "no speech".
        labels: Name of each class.
        speakers: Speaker of each clip, or None.
    """
    confusions, units = confusions_by_unit(targets, answers, len(labels), speakers)
    low, high = interval(bootstrap_uars([confusions]))
    return {"low": low, "high": high, "units": units, "n_units": len(confusions)}


def _statistics_report(
    dataset: Dataset, partition: Partition, result: FitResult, lost: np.ndarray
) -> dict[str, Any]:
    """Return the entries of the report that only networks with statistics have.

    Args:
        dataset: All clips.
        partition: Use of the clips.
        result: Result of the training.
        lost: Which test clips are answered with "no speech", bool `(n_test,)`.
    """
    if result.branch is None:
        return {}
    entries: dict[str, Any] = {"branch": result.branch_scores}
    known = known_speaker_logits(result.network, result.branch, dataset, partition.test)
    if known is not None:
        rows, logits = known
        lost = lost[rows]
        clips = [dataset.clips[partition.test[row]] for row in rows]
        targets = np.array([dataset.labels.index(clip.label) for clip in clips])
        corpora = np.array([clip.corpus for clip in clips])
        entries["test_with_minute"] = {
            **scores(targets, logits.argmax(axis=1), dataset.labels, lost),
            "ece": reliability(softmax(logits[~lost], axis=1), targets[~lost])["ece"],
            "uar_by_corpus": {
                str(corpus): scores(
                    targets[corpora == corpus],
                    logits[corpora == corpus].argmax(axis=1),
                    dataset.labels,
                    lost[corpora == corpus],
                )["uar"]
                for corpus in np.unique(corpora)
            },
        }
    return entries
