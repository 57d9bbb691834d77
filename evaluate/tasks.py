"""Trainings of a protocol: the clips of each fold, its settings and its run folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_runtime.datasets.clip import DatasetError
from train.candidates import Candidate, dataset_fingerprint, settings_of
from train.data.features import Dataset
from train.data.folds import (
    actor_folds,
    corpus_folds,
    inner_folds,
    leave_corpus_out,
    leave_one_speaker_out,
)
from train.run_folder import SETTINGS, as_json, read_json

from .scores import FOLD_KEYS, VARIANTS

PROTOCOLS = {
    "loso": leave_one_speaker_out,
    "actor-folds": actor_folds,
    "leave-corpus-out": leave_corpus_out,
}
RESULT = "result.json"  # in the run folder of a task
CLIP_KEYS = ("targets", "speakers", "corpora")  # in a result: one value per test clip
RESULT_KEYS = {"logits", "no_speech", *CLIP_KEYS, *FOLD_KEYS}


@dataclass(frozen=True)
class Fold:
    """One fold of a protocol, as indices of clips.

    Attributes:
        number: Number of the fold, from 0.
        train: Clips to train on: all but those of the test speakers.
        validation_folds: Clips among `train` to validate on, one fold at a time.
        test: Clips to score.
    """

    number: int
    train: list[int]
    validation_folds: list[list[int]]
    test: list[int]


@dataclass(frozen=True)
class Task:
    """One training of a protocol: a fold with a seed.

    Attributes:
        fold: The clips.
        seed: The seed.
        settings: Settings and recordings that identify the training.
        folder: Its run folder.
    """

    fold: Fold
    seed: int
    settings: dict[str, Any]
    folder: Path

    def is_started(self) -> bool:
        """Return whether the run folder belongs to this training, with the same settings."""
        return bool(read_json(self.folder / SETTINGS) == as_json(self.settings))

    def is_done(self) -> bool:
        """Return whether the run folder contains the complete result."""
        result = read_json(self.folder / RESULT)
        if not (self.is_started() and isinstance(result, dict) and result.keys() >= RESULT_KEYS):
            return False
        try:
            columns = [
                *(result[key] for key in CLIP_KEYS),
                *(result[key][variant] for key in ("logits", "no_speech") for variant in VARIANTS),
            ]
            return all(len(column) == len(self.fold.test) for column in columns)
        except (KeyError, TypeError):  # damaged: trained again
            return False


def protocol_folds(dataset: Dataset, protocol: str, inner: int, seed: int) -> Iterator[Fold]:
    """Yield the folds of a protocol.

    Args:
        dataset: The recordings.
        protocol: A key of `PROTOCOLS`.
        inner: Number of validation folds.
        seed: Seed of the validation folds.

    Raises:
        DatasetError: If there are too few speakers or corpora.
    """
    for k, test in enumerate(PROTOCOLS[protocol](dataset.clips)):
        if not dataset.answerable(test):
            continue  # speakers with auxiliary labels only
        train = sorted(set(range(len(dataset.clips))) - set(test))
        validation = _validation_folds(dataset, protocol, train, inner, seed * 1000 + k)
        if not validation:
            raise DatasetError(
                f"fold {k + 1}: no speakers are left to validate on when testing "
                f"{', '.join(speakers_of(dataset, test))}; add speakers"
            )
        yield Fold(k, train, validation, dataset.answerable(test))


def _validation_folds(
    dataset: Dataset, protocol: str, train: list[int], n_folds: int, seed: int
) -> list[list[int]]:
    """Return folds of speakers; of corpora, if a protocol tests corpora and several remain."""
    if protocol == "leave-corpus-out":
        positions = corpus_folds([dataset.clips[i] for i in train])
        corpora = [[train[k] for k in fold] for fold in positions]
        if len(corpora) > 1:
            return [corpus for corpus in corpora if dataset.answerable(corpus)]
    return inner_folds(dataset.clips, train, n_folds, seed, dataset.labels)


def protocol_tasks(
    candidates: list[Candidate], protocol: str, inner: int, seeds: range, runs: Path
) -> Iterator[Task]:
    """Yield the trainings of a protocol, for each seed and fold.

    Args:
        candidates: The recipes, each with its features.
        protocol: A key of `PROTOCOLS`.
        inner: Number of validation folds.
        seeds: The seeds.
        runs: Folder of the run folders.

    Raises:
        DatasetError: If there are too few speakers or corpora.
    """
    dataset = candidates[0].data
    for seed in seeds:
        recipes = settings_of([candidate.seeded(seed) for candidate in candidates])
        for fold in protocol_folds(dataset, protocol, inner, seed):
            settings = {
                **recipes,
                "labels": dataset.classes,
                "inner": inner,
                "test": [dataset.clips[i].path.name for i in fold.test],
                **dataset_fingerprint(candidates, [*fold.train, *fold.test]),
            }
            yield Task(fold, seed, settings, runs / f"fold-{fold.number + 1:02d}-seed-{seed}")


def missing_label_notes(dataset: Dataset, tasks: list[Task]) -> list[str]:
    """Return a note for each label that some test speakers have and no training speaker."""
    test_speakers: dict[str, list[str]] = {}
    for task in tasks:
        trained = {dataset.clips[i].label for i in task.fold.train}
        for label in sorted({dataset.clips[i].label for i in task.fold.test} - trained):
            speakers = ", ".join(speakers_of(dataset, task.fold.test))
            if speakers not in test_speakers.setdefault(label, []):
                test_speakers[label].append(speakers)
    return [
        f"{label!r} is in no training clip when testing {'; '.join(folds)}, and counts as wrong "
        "there: add speakers with this label"
        for label, folds in sorted(test_speakers.items())
    ]


def splits_of(dataset: Dataset, tasks: list[Task]) -> list[dict[str, Any]]:
    """Return the speakers in each part of each training, as the report stores them."""
    return [
        {
            "fold": task.fold.number + 1,
            "seed": task.seed,
            "train": speakers_of(dataset, task.fold.train),
            "validation_folds": [speakers_of(dataset, fold) for fold in task.fold.validation_folds],
            "test": speakers_of(dataset, task.fold.test),
        }
        for task in tasks
    ]


def speakers_of(dataset: Dataset, indices: list[int]) -> list[str]:
    """Return the speakers of clips, sorted."""
    return sorted({str(dataset.clips[i].speaker) for i in indices})
