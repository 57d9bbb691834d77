"""Trainings of a protocol: the clips of each fold, its settings and its run folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from train.candidates import Candidate, dataset_fingerprint, settings_of
from train.data.features import Dataset
from train.protocol import Task, protocol_folds, speakers_of

from .scores import FOLD_KEYS, VARIANTS

CLIP_KEYS = ("targets", "speakers", "corpora")  # in a result: one value per test clip
RESULT_KEYS = {"logits", "no_speech", *CLIP_KEYS, *FOLD_KEYS}


class ProtocolTask(Task):
    """One training of a protocol, whose result has the logits of each variant of the model."""

    def _is_complete(self, result: dict[str, Any]) -> bool:
        if not result.keys() >= RESULT_KEYS:
            return False
        try:
            columns = [
                *(result[key] for key in CLIP_KEYS),
                *(result[key][variant] for key in ("logits", "no_speech") for variant in VARIANTS),
            ]
            return all(len(column) == len(self.fold.test) for column in columns)
        except (KeyError, TypeError):  # damaged: trained again
            return False


def protocol_tasks(
    candidates: list[Candidate], protocol: str, inner: int, seeds: range, runs: Path
) -> Iterator[ProtocolTask]:
    """Yield the trainings of a protocol, for each seed and fold.

    Args:
        candidates: The recipes, each with its features.
        protocol: A key of `train.protocol.PROTOCOLS`.
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
            yield ProtocolTask(
                fold, seed, settings, runs / f"fold-{fold.number + 1:02d}-seed-{seed}"
            )


def splits_of(dataset: Dataset, tasks: list[ProtocolTask]) -> list[dict[str, Any]]:
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
