"""A whole training from recordings to a run folder: scan, split, fit, score, report."""

from __future__ import annotations

import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import expit

from edge_runtime import __version__

from . import plots
from .clip import Clip
from .features import Dataset
from .files import alone_in, write_csv, write_json, write_text
from .fit import Fit, fit
from .metrics import confusion_text
from .recipe import Recipe
from .recordings import corpora_of, left_out_of, licence_of, open_dataset, say
from .run_report import run_markdown, run_report
from .runs import SETTINGS, SPLIT, STATE, begin, run_folder, save_checkpoint
from .splits import (
    RANDOM_VAL,
    SPEAKER_INDEPENDENT,
    Split,
    inner_folds,
    make_split,
    notes_on_labels,
)

# The probability of speech below which a model answers "no speech", unless more than this share of
# the validation speakers' clips would be lost by that.
SPEECH_ABOVE = 0.97
LARGEST_LOSS = 0.01


def train_run(
    data: list[Path], *, recipe: Recipe, labels: list[str] | None,
    auxiliary: list[str], speaker_pattern: str | None, noise: list[Path], inner: int,
    run: Path | None, runs: Path, cache: Path, resume: bool, device: str,
) -> Path:
    """Train on the recordings in `data` and return the run folder.

    `inner` sets of speakers choose the epoch in turn, where the data do not name who does.
    """
    torch.set_num_threads(1)  # faster for so small a network, and the same weights everywhere
    dataset = open_dataset(data, labels, auxiliary, speaker_pattern, recipe, cache, noise)
    split = make_split(dataset.clips, seed=recipe.fit.seed, answered=dataset.labels)
    split = replace(split, test=dataset.answerable(split.test))
    choosing = _choosing(dataset, split, inner, recipe.fit.seed)
    notes = [*dataset.notes, *split.notes]
    if choosing != [split.val]:
        notes = [note for note in notes if note != RANDOM_VAL]
    notes += notes_on_labels(dataset.clips, split, choosing, dataset.labels)
    split = replace(split, notes=tuple(notes))
    for note in split.notes:
        say(f"Note: {note}")
    recipe = recipe.sized(len(dataset.labels))
    about = {
        SETTINGS: _settings(data, dataset, recipe), SPLIT: _split_json(dataset, split, choosing),
    }
    folder = run_folder(run, runs, resume)
    with alone_in(folder):
        begin(folder, about, resume)
        return _train(folder, dataset, split, choosing, recipe, resume, device)


def _train(
    folder: Path, dataset: Dataset, split: Split, choosing: list[list[int]], recipe: Recipe,
    resume: bool, device: str,
) -> Path:
    result = fit(
        dataset, sorted(split.train + split.val), choosing, recipe.network, recipe.fit,
        device=device, state_file=folder / STATE, resume=resume, log=print,
    )
    write_csv(folder / "metrics.csv", result.history)
    plots.curves(result.history, result.best_epoch, folder / "curves.png")
    report = run_report(dataset, split, result)
    shape = report["calibration"]
    plots.calibration(
        shape["bins"], shape["coverage"], shape["threshold"], folder / "calibration.png"
    )
    save_checkpoint(
        folder, result.network, recipe.mfcc, recipe.silence, dataset.labels,
        temperature=result.temperature, uncertain_below=shape["threshold"],
        speech_above=_speech_above(result),
        corpora=corpora_of(dataset), licence=licence_of(dataset),
        scores={
            "split": split.kind, "test": report["test"],
            "test_uar_by_corpus": report["test_uar_by_corpus"],
            "test_uar_by_group": report["test_uar_by_group"],
        },
        clips=[
            [str(clip.path), clip.label] for clip in dataset.clips
            if clip.label not in dataset.auxiliary
        ],
    )
    write_json(folder / "report.json", report)
    write_text(folder / "report.md", run_markdown(report, dataset.labels))
    print(confusion_text(report["test"]["confusion"], dataset.labels))
    if split.kind != "speaker-independent":
        print(f"The split is {split.kind}: read the score as optimistic.")
    left_out = left_out_of(dataset)
    if left_out:
        print(f"Left out: {left_out}; report.json names them")
    say(f"Run folder: {folder}")
    return folder


def _choosing(dataset: Dataset, split: Split, inner: int, seed: int) -> list[list[int]]:
    """Who chooses the epoch: the validation clips; or, where speakers are known and the data do not
    name who it is, `inner` sets of the speakers that are not tested, one after the other."""
    named = any(clip.split == "val" for clip in dataset.clips)
    if inner == 1 or named or split.kind != SPEAKER_INDEPENDENT:
        return [split.val]
    among = sorted(split.train + split.val)
    folds = inner_folds(dataset.clips, among, inner, seed, dataset.labels)
    return folds if len(folds) > 1 else [split.val]


def _settings(data: list[Path], dataset: Dataset, recipe: Recipe) -> dict[str, Any]:
    return {
        "data": [str(path) for path in data], "labels": dataset.labels,
        "auxiliary": sorted(dataset.auxiliary), "noises": len(dataset.noises),
        "recordings": dataset.digest(range(len(dataset.clips))), **recipe.to_dict(),
        "versions": {
            "edge-ser": __version__, "torch": torch.__version__, "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }


def _split_json(
    dataset: Dataset, split: Split, choosing: list[list[int]]
) -> dict[str, Any]:
    def names(indices: list[int]) -> dict[str, Any]:
        clips: list[Clip] = [dataset.clips[i] for i in indices]
        return {
            "speakers": sorted({clip.speaker for clip in clips if clip.speaker is not None}),
            "clips": [str(clip.path) for clip in clips],
        }

    about = {"kind": split.kind, "notes": list(split.notes), "test": names(split.test)}
    if choosing == [split.val]:
        return {**about, "train": names(split.train), "val": names(split.val)}
    return {
        **about, "train": names(sorted(split.train + split.val)),
        "choose the epoch in turn": [names(fold)["speakers"] for fold in choosing],
    }


def _speech_above(result: Fit) -> float:
    if not result.network.config.speech:
        return 0.0
    speech = expit(result.speech_logits)
    return min(SPEECH_ABOVE, round(float(np.quantile(speech, LARGEST_LOSS)), 4))
