"""Report of a training: split, scores, calibration and figures in the run folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import softmax
from torch.nn.functional import cross_entropy

from edge_runtime.datasets.naming_schemes import speaker_group
from edge_runtime.messages import printable

from . import plots
from .branch_selection import known_speaker_logits
from .calibration import choose_threshold, coverage_curve, coverage_markdown, reliability
from .checkpoint import save_checkpoint
from .data.features import Dataset
from .dataset import corpus_summaries, left_out_summary, weights_licence
from .files import write_csv, write_json, write_text
from .fit import FitResult
from .markdown import confusion_markdown, group_scores_markdown, markdown_cell, markdown_table
from .metrics import chance_level_warning, scores
from .model_selection import SelectedModel
from .predict import predict
from .run_folder import REPORT
from .speech_gate import fit_gate, losses_by, no_speech_text

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


def write_run(folder: Path, partition: Partition, selected: SelectedModel) -> dict[str, Any]:
    """Write the history, the checkpoint, the report and its figures; return the report.

    Args:
        folder: The run folder.
        partition: Use of the clips.
        selected: Result of the training.
    """
    dataset, recipe, result = selected.candidate.data, selected.candidate.recipe, selected.fit
    write_csv(folder / "metrics.csv", result.history)
    plots.curves(result.history, result.best_epoch, folder / "curves.png")
    speech_above, rejected = fit_gate(dataset, partition.train, result)
    report = {
        **run_report(dataset, partition, result, rejected),
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
        result.network,
        recipe.mfcc_config,
        recipe.silence,
        dataset.labels,
        temperature=result.temperature,
        profile_gain=result.profile_gain,
        uncertain_below=calibration["threshold"],
        arousal=result.arousal,
        statistics=list(dataset.statistic_names) if result.branch is not None else None,
        speech_above=speech_above,
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
    logits = predict(result.network, dataset.frames, partition.test, statistics=dataset.statistics)[
        :, :-1
    ]
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
        "notes": list(partition.notes),
        "clips": {
            "train": len(partition.train),
            "choosing": len(result.val_clips),
            "test": len(partition.test),
        },
        "parameters": result.network.n_parameters(),
        "best_epoch": result.best_epoch,
        "epochs": len(result.history),
        "temperature": result.temperature,
        "profile_gain": result.profile_gain,
        "test": scores(targets, predictions, labels, lost),
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


def report_warning(report: dict[str, Any], labels: list[str]) -> str:
    """Return a warning if the test UAR is not above chance, else an empty string."""
    test = report["test"]
    return chance_level_warning(test["uar"], len(labels), test["clips"])


def run_markdown(report: dict[str, Any], labels: list[str]) -> str:
    """Return the report as a Markdown page."""
    test, clips = report["test"], report["clips"]
    corpora = [
        [
            markdown_cell(row["name"]),
            str(row["clips"]),
            str(row["speakers"] or "unknown"),
            str(row["minutes"]),
            row["licence"],
        ]
        for row in report["corpora"]
    ]
    recalls = ", ".join(
        f"{markdown_cell(label)} {100 * r:.1f}" for label, r in test["recall"].items()
    )
    notes = "".join(f"\n- Note: {printable(note)}" for note in report["notes"])
    warning = report_warning(report, labels)
    emphasised = f"\n- **{warning}**" if warning else ""
    return f"""# Training report

{markdown_table(["corpus", "clips", "speakers", "minutes", "licence"], corpora, "lrrrl")}

- Split: {report["split"]}; {clips["train"]} training clips ({clips["choosing"]} of them for \
validation, in cross-validation), {clips["test"]} test clips{notes}
- Parameters: {report["parameters"]:,}
{_recipe_line(report)}\
- Epoch {report["best_epoch"]} of {report["epochs"]}, validation UAR {100 * report["val_uar"]:.1f} %
- Test UAR {100 * test["uar"]:.1f} %, accuracy {100 * test["accuracy"]:.1f} %; recall: {recalls}\
{emphasised}
- Expected calibration error {report["calibration"]["ece"]:.3f}; {_threshold_text(report)}
{_no_speech_lines(report)}\
- Left out: {report["left_out"] or "nothing"}
{_statistics_lines(report)}
{group_scores_markdown(report["test_by_corpus"], report["test_by_group"])}

{confusion_markdown(test["confusion"], labels)}

Coverage and accuracy of the test speakers, by confidence threshold:

{coverage_markdown(report["calibration"]["coverage"])}

The same for the validation speakers. The model stores the highest threshold with a coverage of at \
least 85 % here.

{coverage_markdown(report["calibration"]["coverage_of_choosing"])}

![training](curves.png)
![calibration](calibration.png)
"""


def _statistics_lines(report: dict[str, Any]) -> str:
    """Return lines on known speakers and on corpora left out, for networks with statistics."""
    lines = ""
    minute, branch = report.get("test_with_minute"), report.get("branch")
    if minute:
        lines += (
            f"- With a minute of other clips of the speaker: test UAR {100 * minute['uar']:.1f} %, "
            f"expected calibration error {minute['ece']:.3f}, on {minute['clips']} clips\n"
        )
    if branch:
        conditions = {
            "unknown": "unknown speakers",
            "minute": "a minute of the speaker",
            "degraded": "unknown speakers through other microphones, rooms and noise",
        }
        texts = [
            f"{name}: UAR {100 * branch[key]['mean']['uar']:.1f} %, expected calibration error "
            f"{branch[key]['mean']['ece']:.3f}"
            for key, name in conditions.items()
            if key in branch
        ]
        corpora = ", ".join(map(markdown_cell, branch["unknown"]["by_corpus"]))
        lines += (
            f"- Clip statistics without the LSTM, each corpus left out in turn ({corpora}); "
            f"means over the corpora. {'; '.join(texts)}\n"
        )
    return lines


def _no_speech_lines(report: dict[str, Any]) -> str:
    """Return a line on the clips that the gate loses; reports of older versions have none."""
    losses = report.get("no_speech")
    return "" if losses is None else f"- {no_speech_text(losses)}\n"


def _threshold_text(report: dict[str, Any]) -> str:
    threshold = report["calibration"]["threshold"]
    if threshold == 0:
        return 'no answer is "uncertain"'
    return f'the answer is "uncertain" below a confidence of {threshold:.2f}'


def _recipe_line(report: dict[str, Any]) -> str:
    """Return a line with the validation UAR of the recipes, if there were several."""
    uar_by_recipe = report["val_uar_by_recipe"]
    if len(uar_by_recipe) == 1:
        return ""
    uars = ", ".join(f"{name} {100 * uar:.1f} %" for name, uar in uar_by_recipe.items())
    return f"- Recipe {report['recipe']}, by the validation UAR of the recipes: {uars}\n"
