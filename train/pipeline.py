"""A whole training: scan, split, select, train, calibrate, report."""

from __future__ import annotations

import logging
import platform
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edge_runtime import __version__
from edge_runtime.messages import printable
from edge_runtime.scoring.metrics import confusion_text

from .candidates import Candidate, dataset_fingerprint, open_candidates, settings_of
from .data.features import Dataset
from .data.folds import inner_folds
from .data.splits import RANDOM_VAL, SPEAKER_INDEPENDENT, Split, make_split, notes_on_labels
from .dataset import DatasetSpec, left_out_summary
from .files import folder_lock
from .fit import score_line
from .gate_training import fit_gate
from .model_selection import fit_best
from .progress import Progress, TrainingLog, epochs_of, plan_text
from .recipes import Recipe
from .run_folder import SETTINGS, SPLIT, STATE, begin, is_complete, remove_states, run_folder
from .run_page import interval_text, report_warning
from .run_report import Partition, write_run

_LOGGER = logging.getLogger(__name__)


def train_run(
    spec: DatasetSpec,
    *,
    recipes: Mapping[str, Recipe],
    inner: int,
    run: Path | None,
    runs: Path,
    resume: bool,
    device: str,
    quiet: bool = False,
) -> Path:
    """Train a network on recordings.

    Args:
        spec: The recordings.
        recipes: Recipes by name; the validation speakers select one of them.
        inner: Number of cross-validation folds, unless the data define the validation clips.
        run: The run folder. Default: a new one below `runs`.
        runs: Folder of the numbered run folders.
        resume: Continue an interrupted run: `run`, or the newest one below `runs`.
        device: Torch device.
        quiet: Print no progress.

    Returns:
        The run folder.

    Raises:
        DatasetError: If the recordings cannot be used.
        RunError: If the folder cannot be used, or holds a run with other settings.
    """
    torch.set_num_threads(1)  # faster for a network of this size, and reproducible
    candidates = open_candidates(recipes, spec)
    partition = partition_clips(candidates[0].data, inner, candidates[0].recipe.fit.seed)
    for note in partition.notes:
        _LOGGER.info("%s", printable(f"Note: {note}"))
    folder = run_folder(run, runs, resume)
    with folder_lock(folder):
        description = {
            SETTINGS: _settings(spec, candidates),
            SPLIT: partition.to_json(candidates[0].data),
        }
        begin(folder, description, resume)
        if resume and is_complete(folder):
            remove_states(folder)  # the process may have been killed before it did
            _LOGGER.info("%s", printable(f"{folder}: the run is complete; nothing to resume"))
            return folder
        n_folds = len(partition.folds)
        if not quiet:
            _LOGGER.info("Planned: %s", plan_text(candidates, n_folds, len(partition.train)))
        with Progress(epochs_of(candidates, n_folds), quiet) as progress:
            selected = fit_best(
                candidates,
                partition.train,
                partition.folds,
                device=device,
                state_file=folder / STATE,
                resume=resume,
                log=TrainingLog(progress, _LOGGER.info, quiet),
            )
        gate = fit_gate(
            selected.candidate,
            partition.train,
            partition.test,
            lambda line: None if quiet else _LOGGER.info("%s", line),
        )
        report = write_run(folder, partition, selected, gate)
        remove_states(folder)
    for note in report["notes"]:
        if note not in partition.notes:
            _LOGGER.info("%s", printable(f"Note: {note}"))
    _log_result(folder, report, selected.candidate.data)
    return folder


def partition_clips(dataset: Dataset, inner: int, seed: int) -> Partition:
    """Split clips into test clips and the folds of the cross-validation.

    Args:
        dataset: The clips.
        inner: Number of folds, see `validation_folds`.
        seed: Seed of the order of the speakers.

    Raises:
        DatasetError: If a part would be empty.
    """
    split = make_split(dataset.clips, seed=seed, answered=dataset.labels)
    split = replace(split, test=dataset.answerable(split.test))
    folds = validation_folds(dataset, split, inner, seed)
    notes = [*dataset.notes, *split.notes]
    if folds != [split.val]:
        notes = [note for note in notes if note != RANDOM_VAL]
    notes += _notes_on_folds(dataset, split, folds, inner)
    notes += notes_on_labels(dataset.clips, split, folds, dataset.labels)
    return Partition(split.kind, tuple(notes), sorted(split.train + split.val), folds, split.test)


def validation_folds(dataset: Dataset, split: Split, inner: int, seed: int) -> list[list[int]]:
    """Return the validation clips of each fold.

    There is one fold, the validation clips of the split, if the data define them, if speakers are
    unknown, or if `inner` is 1. Otherwise there are up to `inner` disjoint groups of the speakers
    that are not tested.
    """
    defined = any(clip.split == "val" for clip in dataset.clips)
    if inner == 1 or defined or split.kind != SPEAKER_INDEPENDENT:
        return [split.val]
    clips = sorted(split.train + split.val)
    folds = inner_folds(dataset.clips, clips, inner, seed, dataset.labels)
    return folds if len(folds) > 1 else [split.val]


def _notes_on_folds(
    dataset: Dataset, split: Split, folds: list[list[int]], inner: int
) -> list[str]:
    """Return a note if `inner` folds are not possible; none if the data define one."""
    if inner == 1 or folds != [split.val] or any(clip.split == "val" for clip in dataset.clips):
        return []
    if any(clip.speaker is None for clip in dataset.clips):
        reason = "speakers are unknown"
    elif split.kind != SPEAKER_INDEPENDENT:
        reason = f"the split is {split.kind}"
    else:
        reason = "there are too few speakers"
    return [f"--inner {inner} has no effect, because {reason}: one fold selects the epoch"]


def _settings(spec: DatasetSpec, candidates: list[Candidate]) -> dict[str, Any]:
    dataset = candidates[0].data
    return {
        "data": [str(path) for path in spec.data],
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


def _log_result(folder: Path, report: dict[str, Any], dataset: Dataset) -> None:
    """Log the test scores and how far they can be relied on."""
    _LOGGER.info(score_line("Test set", report["test_loss"], report["test"]))
    _LOGGER.info(f"Test UAR: {interval_text(report['test_uar_interval'])}")
    _LOGGER.info(confusion_text(report["test"]["confusion"], dataset.labels))
    warning = report_warning(report, dataset.labels)
    if warning:
        _LOGGER.info(f"Note: {warning}")
    if report["split"] != SPEAKER_INDEPENDENT:
        _LOGGER.info(f"The split is {report['split']}: the score is optimistic.")
    left_out = left_out_summary(dataset)
    if left_out:
        _LOGGER.info(f"Left out: {left_out}; see report.json")
    _LOGGER.info("%s", printable(f"Run folder: {folder}"))
