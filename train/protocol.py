"""Folds of speaker-independent protocols, and their trainings in run folders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_runtime.datasets.clip import DatasetError

from .data.features import Dataset
from .data.folds import (
    actor_folds,
    corpus_folds,
    inner_folds,
    leave_corpus_out,
    leave_one_speaker_out,
)
from .run_folder import SETTINGS, STATE, RunError, as_json, read_json

PROTOCOLS = {
    "loso": leave_one_speaker_out,
    "actor-folds": actor_folds,
    "leave-corpus-out": leave_corpus_out,
}
RESULT = "result.json"  # in the run folder of a task


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
        return self.is_started() and isinstance(result, dict) and self._is_complete(result)

    def _is_complete(self, result: dict[str, Any]) -> bool:
        raise NotImplementedError


def check_folders(tasks: Sequence[Task], runs: Path, resume: bool) -> None:
    """Raise RunError if run folders hold other trainings, or any without `resume`."""
    if not resume and any(
        (task.folder / RESULT).exists() or any(task.folder.glob(f"*{STATE}")) for task in tasks
    ):
        raise RunError(
            f"{runs}: already contains trainings; use --resume to continue, or another --runs"
        )
    others = [task for task in tasks if (task.folder / SETTINGS).exists() and not task.is_started()]
    if others:
        raise RunError(
            f"{others[0].folder}: was trained with different settings or recordings "
            f"({len(others)} of {len(tasks)} folders); use the original ones, or another --runs"
        )


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


def missing_label_notes(dataset: Dataset, folds: Sequence[Fold]) -> list[str]:
    """Return a note for each label that some test speakers have and no training speaker."""
    test_speakers: dict[str, list[str]] = {}
    for fold in folds:
        trained = {dataset.clips[i].label for i in fold.train}
        for label in sorted({dataset.clips[i].label for i in fold.test} - trained):
            speakers = ", ".join(speakers_of(dataset, fold.test))
            if speakers not in test_speakers.setdefault(label, []):
                test_speakers[label].append(speakers)
    return [
        f"{label!r} is in no training clip when testing {'; '.join(groups)}, and counts as wrong "
        "there: add speakers with this label"
        for label, groups in sorted(test_speakers.items())
    ]


def speakers_of(dataset: Dataset, indices: list[int]) -> list[str]:
    """Return the speakers of clips, sorted."""
    return sorted({str(dataset.clips[i].speaker) for i in indices})
