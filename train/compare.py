"""Comparison of recipes by nested cross-validation on the same speakers."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edge_runtime.messages import printable
from edge_runtime.scoring.metrics import scores

from .candidates import Candidate, dataset_fingerprint, open_candidates, settings_of
from .comparison_report import comparison_markdown, comparison_table, summarise_comparison
from .data.features import Dataset
from .data.folds import MIN_SPEAKERS
from .dataset import DatasetSpec, corpus_summaries
from .files import folder_lock, report_path, with_extra_suffix, write_json, write_text
from .model_selection import fit_best
from .parallel_training import TaskLog, jobs_text, train_in_processes
from .predict import predict
from .progress import epochs_of, plan_text
from .protocol import RESULT, Fold, Task, check_folders, missing_label_notes, protocol_folds
from .recipes import Recipe
from .run_folder import (
    SETTINGS,
    STATE,
    as_json,
    has_keys,
    read_json,
    refuse_to_overwrite,
    remove_states,
)

_LOGGER = logging.getLogger(__name__)

N_ACTOR_FOLDS = 5
CLIP_KEYS = ("targets", "logits", "speakers", "corpora")  # in a result: one value per test clip
RESULT_KEYS = {"fold", "seed", "recipe", "best_epoch", "val_uar", "temperature", *CLIP_KEYS}


@dataclass(frozen=True)
class RecipeTask(Task):
    """One training of a comparison: a fold with a seed and a recipe.

    Attributes:
        recipe: Name of the recipe.
    """

    recipe: str

    def _is_complete(self, result: dict[str, Any]) -> bool:
        return result.keys() >= RESULT_KEYS and all(
            isinstance(result[key], list) and len(result[key]) == len(self.fold.test)
            for key in CLIP_KEYS
        )


def compare_recipes(
    spec: DatasetSpec,
    report: Path,
    *,
    recipes: Mapping[str, Recipe],
    protocol: str | None,
    inner: int,
    seeds: int,
    jobs: int,
    runs: Path,
    resume: bool,
    device: str,
    quiet: bool = False,
) -> dict[str, Any]:
    """Compare recipes on the same test speakers and write `report`.json and .md.

    Each recipe is trained on each fold with each seed. Its epoch and temperature are selected on
    validation speakers of the training part; nothing is selected on test speakers.

    Args:
        spec: The recordings.
        report: The report, without suffix.
        recipes: Recipes by name. The first one is the reference.
        protocol: A key of `protocol.PROTOCOLS`. Default: "actor-folds", or "loso" for fewer than
            five speakers.
        inner: Number of validation folds, which select the epoch.
        seeds: Number of seeds, from that of the recipes on.
        jobs: Trainings at a time, one thread each; 0: one per core.
        runs: Folder of the run folders, one for each training.
        resume: Keep finished trainings in `runs`, and resume those that were interrupted.
        device: Torch device.
        quiet: Print no progress.

    Returns:
        The report; see `comparison_report.summarise_comparison`.

    Raises:
        DatasetError: If the recordings cannot be used with the protocol.
        RunError: If other results would be overwritten.
    """
    report = report_path(report)
    files = [with_extra_suffix(report, suffix) for suffix in (".json", ".md")]
    refuse_to_overwrite(files, "--report", ours=has_keys(files[0], {"comparison"}))
    candidates = open_candidates(recipes, spec)
    dataset = candidates[0].data
    protocol = protocol or _default_protocol(dataset)
    first_seed = candidates[0].recipe.fit.seed
    seed_range = range(first_seed, first_seed + seeds)
    tasks = comparison_tasks(candidates, protocol, inner, seed_range, runs)
    notes = [*dataset.notes, *missing_label_notes(dataset, [task.fold for task in tasks])]
    for note in notes:
        _LOGGER.info("%s", printable(f"Note: {note}"))
    with folder_lock(runs):
        check_folders(tasks, runs, resume)
        results = _run_tasks(tasks, candidates, jobs, device, quiet)
    about = {
        "comparison": list(recipes),
        "protocol": protocol,
        "labels": dataset.labels,
        "auxiliary": sorted(dataset.auxiliary),
        "inner": inner,
        "seeds": list(seed_range),
        **as_json(settings_of(candidates)),
        "corpora": corpus_summaries(dataset),
        "notes": notes,
    }
    summary = summarise_comparison(about, results)
    write_json(files[0], summary)
    write_text(files[1], comparison_markdown(summary))
    _LOGGER.info("%s", f"\n{comparison_table(summary)}\n")
    _LOGGER.info("%s", printable(f"Report: {files[1]}"))
    return summary


def comparison_tasks(
    candidates: Sequence[Candidate], protocol: str, inner: int, seeds: range, runs: Path
) -> list[RecipeTask]:
    """Return the trainings of a comparison: all recipes of a fold follow each other.

    Args:
        candidates: The recipes, each with its features.
        protocol: A key of `protocol.PROTOCOLS`.
        inner: Number of validation folds.
        seeds: The seeds.
        runs: Folder of the run folders.

    Raises:
        DatasetError: If there are too few speakers or corpora.
    """
    dataset = candidates[0].data
    return [
        _task(candidate.seeded(seed), k, fold, inner, runs)
        for seed in seeds
        for fold in protocol_folds(dataset, protocol, inner, seed)
        for k, candidate in enumerate(candidates)
    ]


def _task(candidate: Candidate, k: int, fold: Fold, inner: int, runs: Path) -> RecipeTask:
    dataset, seed = candidate.data, candidate.recipe.fit.seed
    settings = {
        **settings_of([candidate]),
        "labels": dataset.classes,
        "inner": inner,
        "test": [dataset.clips[i].path.name for i in fold.test],
        **dataset_fingerprint([candidate], [*fold.train, *fold.test]),
    }
    name = re.sub(r"[^A-Za-z0-9_=.-]+", "-", candidate.name)[:80]
    folder = runs / f"recipe-{k + 1}-{name}" / f"fold-{fold.number + 1:02d}-seed-{seed}"
    return RecipeTask(fold, seed, settings, folder, candidate.name)


def _default_protocol(dataset: Dataset) -> str:
    speakers = {clip.speaker for clip in dataset.clips} - {None}
    return "loso" if MIN_SPEAKERS <= len(speakers) < N_ACTOR_FOLDS else "actor-folds"


def _run_tasks(
    tasks: list[RecipeTask], candidates: list[Candidate], jobs: int, device: str, quiet: bool
) -> list[dict[str, Any]]:
    """Run the trainings that are not finished and return the results of all of them."""
    pending = [task for task in tasks if not task.is_done()]
    recipes = {candidate.name: candidate for candidate in candidates}
    if pending and not quiet:
        _LOGGER.info("%s", _plan(tasks, pending, recipes, jobs))
    n_epochs = sum(
        epochs_of([recipes[task.recipe]], len(task.fold.validation_folds)) for task in pending
    )
    for result in train_in_processes(
        _run_task, pending, candidates, jobs=jobs, device=device, n_epochs=n_epochs, quiet=quiet
    ):
        _LOGGER.info(
            "%s",
            printable(
                f"Fold {result['fold'] + 1}, seed {result['seed']}, {result['recipe']}: epoch "
                f"{result['best_epoch']}, validation UAR {100 * result['val_uar']:.1f}%, test UAR "
                f"{100 * result['uar']:.1f}%"
            ),
        )
    return [read_json(task.folder / RESULT) for task in tasks]


def _plan(
    tasks: list[RecipeTask], pending: list[RecipeTask], recipes: dict[str, Candidate], jobs: int
) -> str:
    """Return what is going to be trained, as text."""
    n_folds = len({task.fold.number for task in tasks})
    n_seeds = len({task.seed for task in tasks})
    done = f", {len(tasks) - len(pending)} of them finished" if len(pending) < len(tasks) else ""
    fold = pending[0].fold
    each = plan_text([recipes[pending[0].recipe]], len(fold.validation_folds), len(fold.train))
    return (
        f"Planned: {len(tasks)} trainings ({len(recipes)} recipes, {n_folds} folds, {n_seeds} "
        f"seed{'s' * (n_seeds > 1)}){done}, {jobs_text(jobs, len(pending))}; the first one: {each}"
    )


def _run_task(task: RecipeTask, candidates: list[Candidate], device: str) -> dict[str, Any]:
    """Train and score one recipe on one fold in its run folder."""
    with folder_lock(task.folder):
        (candidate,) = (c.seeded(task.seed) for c in candidates if c.name == task.recipe)
        return _train(task, candidate, device)


def _train(task: RecipeTask, candidate: Candidate, device: str) -> dict[str, Any]:
    folder, fold, dataset = task.folder, task.fold, candidate.data
    (folder / RESULT).unlink(missing_ok=True)
    write_json(folder / SETTINGS, task.settings)
    log = TaskLog(epochs_of([candidate], len(fold.validation_folds)))
    selected = fit_best(
        [candidate],
        fold.train,
        fold.validation_folds,
        device=device,
        state_file=folder / STATE,
        resume=True,
        log=log,
    )
    log.finish()
    write_text(folder / "log.txt", "\n".join(log.lines) + "\n")
    fit, clips = selected.fit, [dataset.clips[i] for i in fold.test]
    # The last output is the answer "no speech", which is not compared.
    logits = predict(fit.network, dataset.frames, fold.test, statistics=dataset.statistics)
    targets = np.array([dataset.labels.index(clip.label) for clip in clips])
    result = {
        "fold": fold.number,
        "seed": task.seed,
        "recipe": task.recipe,
        "best_epoch": fit.best_epoch,
        "epochs": len(fit.history),
        "val_uar": selected.val_uar[task.recipe],
        "temperature": fit.temperature,
        "parameters": fit.network.n_parameters(),
        "trained_by": f"torch {torch.__version__} on {device}",
        "uar": scores(targets, logits.argmax(axis=1), dataset.labels)["uar"],
        "targets": targets.tolist(),
        "speakers": [str(clip.speaker) for clip in clips],
        "corpora": [clip.corpus for clip in clips],
        "logits": np.round(logits, 4).tolist(),
    }
    write_json(folder / RESULT, result)
    remove_states(folder)
    return result
