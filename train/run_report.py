"""What a training leaves behind: who was trained on, the network, and what it is worth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import expit, softmax
from torch.nn.functional import cross_entropy

from edge_runtime.messages import printable

from . import plots
from .calibration import choose_threshold, coverage_curve, coverage_markdown, reliability
from .data.features import Dataset
from .data.naming_schemes import speaker_group
from .dataset import corpora_of, left_out_of, licence_of
from .files import write_csv, write_json, write_text
from .fit import Fit
from .metrics import cell, confusion_markdown, no_better_than_guessing, parts_markdown, scores
from .model_selection import Chosen
from .predict import predict
from .run_folder import save_checkpoint

# The probability of speech below which a model answers "no speech", unless more than this share of
# the validation speakers' clips would be lost by that.
SPEECH_ABOVE = 0.97
MAX_CLIPPING_LOSS = 0.01


@dataclass(frozen=True)
class Parts:
    """Who is in which part of a training, as indices of clips, and what a score is worth by that.

    kind, notes: those of a `splits.Split`.
    train: who the network that is kept was trained on.
    choosing: of these, who was left out in turn to choose the epoch.
    """

    kind: str
    notes: tuple[str, ...]
    train: list[int]
    choosing: list[list[int]]
    test: list[int]

    def to_json(self, dataset: Dataset) -> dict[str, Any]:
        def speakers(indices: list[int]) -> list[str]:
            return sorted({s for i in indices if (s := dataset.clips[i].speaker) is not None})

        def names(indices: list[int]) -> dict[str, Any]:
            clips = [str(dataset.clips[i].path) for i in indices]
            return {"speakers": speakers(indices), "clips": clips}

        about = {"kind": self.kind, "notes": list(self.notes), "test": names(self.test)}
        if len(self.choosing) == 1:
            (val,) = self.choosing
            rest = sorted(set(self.train) - set(val))
            return {**about, "train": names(rest), "val": names(val)}
        return {
            **about,
            "train": names(self.train),
            "choose the epoch in turn": [speakers(fold) for fold in self.choosing],
        }


def write_run(folder: Path, parts: Parts, chosen: Chosen) -> dict[str, Any]:
    """The course of a training, its network and its report, in its run folder; the report."""
    dataset, recipe, result = chosen.candidate.data, chosen.candidate.recipe, chosen.fit
    write_csv(folder / "metrics.csv", result.history)
    plots.curves(result.history, result.best_epoch, folder / "curves.png")
    report = {
        **run_report(dataset, parts, result),
        "recipe": chosen.candidate.name,
        "val_uar": chosen.val_uar[chosen.candidate.name],
        "val_uar_by_recipe": chosen.val_uar,
    }
    shape = report["calibration"]
    plots.calibration(
        {"": shape["bins"]},
        {
            "test speakers": shape["coverage"],
            "those who chose the epoch": shape["coverage_of_choosing"],
        },
        [shape["threshold"]],
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
        uncertain_below=shape["threshold"],
        speech_above=_speech_above(result),
        corpora=corpora_of(dataset),
        licence=licence_of(dataset),
        scores={
            "split": parts.kind,
            "test": report["test"],
            "test_ece": shape["ece"],
            "test_by_corpus": report["test_by_corpus"],
            "test_by_group": report["test_by_group"],
        },
        clips=[
            [str(clip.path), clip.label]
            for clip in dataset.clips
            if clip.label not in dataset.auxiliary
        ],
    )
    write_json(folder / "report.json", report)
    write_text(folder / "report.md", run_markdown(report, dataset.labels))
    return report


def _speech_above(result: Fit) -> float:
    if not result.network.config.speech:
        return 0.0
    speech = expit(result.speech_logits)
    return min(SPEECH_ABOVE, round(float(np.quantile(speech, MAX_CLIPPING_LOSS)), 4))


def run_report(dataset: Dataset, parts: Parts, result: Fit) -> dict[str, Any]:
    labels = dataset.labels
    targets = np.array([labels.index(dataset.clips[i].label) for i in parts.test])
    logits = predict(result.network, dataset.frames, parts.test)[:, :-1]
    predictions = logits.argmax(axis=1)
    test = scores(targets, predictions, labels)
    clips = [dataset.clips[i] for i in parts.test]

    def by(kinds: list[str]) -> dict[str, dict[str, float]]:
        """What the test clips of each kind are, and how they are answered."""
        found = {}
        for kind in sorted(set(kinds)):
            mask = np.array(kinds) == kind
            found[kind] = {
                "clips": int(mask.sum()),
                "speakers": len({c.speaker for c, its in zip(clips, mask) if its} - {None}),
                "uar": scores(targets[mask], predictions[mask], labels)["uar"],
                "ece": reliability(probabilities[mask], targets[mask])["ece"],
            }
        return found

    loss = float(cross_entropy(torch.from_numpy(logits), torch.from_numpy(targets)))
    # The threshold is chosen on the speakers that chose the epoch; what it costs and brings is
    # told of the test speakers.
    val_targets = np.array([labels.index(dataset.clips[i].label) for i in result.unseen])
    val = softmax(result.logits / result.temperature, axis=1)
    of_choosing = coverage_curve(val, val_targets)
    probabilities = softmax(logits / result.temperature, axis=1)
    calibration = {
        **reliability(probabilities, targets),
        "coverage": coverage_curve(probabilities, targets),
        "coverage_of_choosing": of_choosing,
        "threshold": choose_threshold(of_choosing, len(labels)),
    }
    return {
        "corpora": corpora_of(dataset),
        "split": parts.kind,
        "notes": list(parts.notes),
        "clips": {
            "train": len(parts.train),
            "choosing": len(result.unseen),
            "test": len(parts.test),
        },
        "parameters": result.network.n_parameters(),
        "best_epoch": result.best_epoch,
        "epochs": len(result.history),
        "temperature": result.temperature,
        "profile_gain": result.profile_gain,
        "test": test,
        "test_loss": loss,
        "test_by_corpus": by([clip.corpus for clip in clips]),
        "test_by_group": by([speaker_group(clip.speaker) for clip in clips]),
        "test_speakers": sorted({str(dataset.clips[i].speaker) for i in parts.test}),
        "calibration": calibration,
        "duplicates": dataset.duplicates,
        "unreadable": dataset.unreadable,
        "left_out": left_out_of(dataset),
    }


def _uncertain(report: dict[str, Any]) -> str:
    threshold = report["calibration"]["threshold"]
    if threshold == 0:
        return 'no answer is "uncertain"'
    return f'below a confidence of {threshold:.2f} the answer is "uncertain"'


def guessing(report: dict[str, Any], labels: list[str]) -> str:
    """A sentence where the network does no better than guessing, else nothing."""
    test = report["test"]
    return no_better_than_guessing(test["uar"], len(labels), test["clips"])


def run_markdown(report: dict[str, Any], labels: list[str]) -> str:
    test = report["test"]
    corpora = "\n".join(
        f"| {cell(row['name'])} | {row['clips']} | {row['speakers'] or 'unknown'} "
        f"| {row['minutes']} | {row['licence']} |"
        for row in report["corpora"]
    )
    recalls = ", ".join(f"{cell(label)} {100 * r:.1f}" for label, r in test["recall"].items())
    notes = "".join(f"\n- Note: {printable(note)}" for note in report["notes"])
    said = guessing(report, labels)
    guesses = f"\n- **{said}**" if said else ""
    return f"""# Training report

| corpus | clips | speakers | minutes | licence |
|---|---:|---:|---:|---|
{corpora}

- Split: {report["split"]}; {report["clips"]["train"]} clips to train on, of which \
{report["clips"]["choosing"]} chose the epoch before, {report["clips"]["test"]} to score{notes}
- Parameters: {report["parameters"]:,}
{_recipes(report)}\
- Epoch {report["best_epoch"]} of {report["epochs"]}, validation UAR {100 * report["val_uar"]:.1f} %
- Test UAR {100 * test["uar"]:.1f} %, accuracy {100 * test["accuracy"]:.1f} %; recall: {recalls}\
{guesses}
- Expected calibration error {report["calibration"]["ece"]:.3f}; {_uncertain(report)}
- Left out: {report["left_out"] or "nothing"}

{parts_markdown(report["test_by_corpus"], report["test_by_group"])}

{confusion_markdown(test["confusion"], labels)}

Answers above a threshold on the confidence, of the test speakers:

| threshold | answered % | of those right % |
|---:|---:|---:|
{coverage_markdown(report["calibration"]["coverage"])}

and of those who chose the epoch, by whom the threshold of the model was chosen: the highest that \
answers 85 %.

| threshold | answered % | of those right % |
|---:|---:|---:|
{coverage_markdown(report["calibration"]["coverage_of_choosing"])}

![training](curves.png)
![calibration](calibration.png)
"""


def _recipes(report: dict[str, Any]) -> str:
    """A line of which recipe was chosen, where there was a choice."""
    found = report["val_uar_by_recipe"]
    if len(found) == 1:
        return ""
    uars = ", ".join(f"{name} {100 * uar:.1f} %" for name, uar in found.items())
    return f"- Recipe {report['recipe']}, by the validation UAR of the recipes: {uars}\n"
