"""A whole training from recordings to a run folder: scan, split, fit, score, report."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edge_runtime import __version__

from .data.features import Dataset
from .data.folds import inner_folds
from .data.splits import RANDOM_VAL, SPEAKER_INDEPENDENT, Split, make_split, notes_on_labels
from .dataset import left_out_of, say
from .files import folder_lock
from .fit import summary
from .metrics import confusion_text
from .model_selection import Candidate, dataset_fingerprint, fit_best, open_candidates, settings_of
from .recipes import Recipe
from .run_folder import SETTINGS, SPLIT, STATE, begin, run_folder
from .run_report import Parts, guessing, write_run


def train_run(
    data: list[Path],
    *,
    recipes: Mapping[str, Recipe],
    labels: list[str] | None,
    auxiliary: list[str],
    speaker_pattern: str | None,
    noise: list[Path],
    inner: int,
    run: Path | None,
    runs: Path,
    cache: Path,
    resume: bool,
    device: str,
) -> Path:
    """Train on the recordings in `data` and return the run folder.

    `inner` sets of speakers choose the epoch in turn, where the data do not name who does, and the
    recipe, where there are several `recipes`, by their names.
    """
    torch.set_num_threads(1)  # faster for so small a network, and the same weights everywhere
    candidates = open_candidates(recipes, data, labels, auxiliary, speaker_pattern, cache, noise)
    dataset, seed = candidates[0].data, candidates[0].recipe.fit.seed
    split = make_split(dataset.clips, seed=seed, answered=dataset.labels)
    split = replace(split, test=dataset.answerable(split.test))
    choosing = _choosing(dataset, split, inner, seed)
    notes = [*dataset.notes, *split.notes]
    if choosing != [split.val]:
        notes = [note for note in notes if note != RANDOM_VAL]
    notes += notes_on_labels(dataset.clips, split, choosing, dataset.labels)
    for note in notes:
        say(f"Note: {note}")
    trained = sorted(split.train + split.val)
    parts = Parts(split.kind, tuple(notes), trained, choosing, split.test)
    about = {SETTINGS: _settings(data, candidates), SPLIT: parts.to_json(dataset)}
    folder = run_folder(run, runs, resume)
    with folder_lock(folder):
        begin(folder, about, resume)
        return _train(folder, candidates, parts, resume, device)


def _train(
    folder: Path, candidates: list[Candidate], parts: Parts, resume: bool, device: str
) -> Path:
    chosen = fit_best(
        candidates,
        parts.train,
        parts.choosing,
        device=device,
        state_file=folder / STATE,
        resume=resume,
        log=print,
    )
    dataset = chosen.candidate.data
    report = write_run(folder, parts, chosen)
    print(summary("Test set", report["test_loss"], report["test"]))
    print(confusion_text(report["test"]["confusion"], dataset.labels))
    said = guessing(report, dataset.labels)
    if said:
        print(f"Note: {said}")
    if parts.kind != SPEAKER_INDEPENDENT:
        print(f"The split is {parts.kind}: read the score as optimistic.")
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


def _settings(data: list[Path], candidates: list[Candidate]) -> dict[str, Any]:
    dataset = candidates[0].data
    return {
        "data": [str(path) for path in data],
        "labels": dataset.labels,
        "auxiliary": sorted(dataset.auxiliary),
        **settings_of(candidates),
        **dataset_fingerprint(candidates, range(len(dataset.clips))),
        "versions": {
            "edge-ser": __version__,
            "torch": torch.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }
