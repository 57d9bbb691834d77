"""Rows of trained models in the report of `python -m evaluate strangers`."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.datasets.clip import Clip
from train.process_pool import map_in_processes
from train.recipes import Recipe

from .corpus_answers import ModelAnswer, ModelAnswers
from .linear_baselines import ClipStatistics
from .stranger_data import Corpus
from .stranger_folds import CONDITIONS
from .stranger_models import ModelTask, answer_model
from .stranger_scores import NOT_ANSWERED, condition_scores, uar

_LOGGER = logging.getLogger(__name__)

MODEL, OPEN_MODEL = "model", "open-model"


@dataclass(frozen=True)
class TrainedModels:
    """The models to train and to test.

    Attributes:
        recipe: The recipe.
        seeds: Number of seeds, from 0.
        open_corpora: Corpora with licences that allow any use. A further model is trained on them
            alone, and tested on the others. Empty: no such model.
        noise: Folders of recordings without speech.
        runs: Folder of the run folders; finished models in it are used again.
    """

    recipe: Recipe
    seeds: int
    open_corpora: tuple[str, ...]
    noise: tuple[Path, ...]
    runs: Path


def model_rows(
    models: TrainedModels,
    corpora: Sequence[Corpus],
    tested: Sequence[str],
    clips: ClipStatistics,
    names: np.ndarray,
    votes: Mapping[str, np.ndarray],
    cache: Path,
    jobs: int,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Train, export and score the models.

    Args:
        models: The models.
        corpora: All corpora.
        tested: Names of those that are tested; each is left out in turn.
        clips: The clips of the corpora, in their order.
        names: File names of the clips without suffix.
        votes: Votes of listeners on clips.
        cache: Folder of cached features.
        jobs: Processes; 0: one per core.

    Returns:
        Rows of the conditions of `CONDITIONS`, and those of further profiles, by seed 0 alone.
    """
    all_clips = tuple(clip for corpus in corpora for clip in corpus.clips)
    tasks = _tasks(models, all_clips, [corpus.name for corpus in corpora], tested, cache)
    answers: dict[str, list[ModelAnswers]] = {MODEL: [], OPEN_MODEL: []}
    begin = time.monotonic()
    for done, (folder, answer) in enumerate(map_in_processes(answer_model, tasks, jobs), 1):
        kind, seed = folder.parent.name, int(folder.name.rpartition("-")[2])
        while len(answers[kind]) <= seed:
            answers[kind].append({})
        answers[kind][seed].update(answer)
        left = (time.monotonic() - begin) / done * (len(tasks) - done) / 60
        _LOGGER.info("%s: %d of %d models, %.1f min left", folder, done, len(tasks), left)
    rows: list[dict[str, Any]] = []
    profiles: list[dict[str, Any]] = []
    for kind, by_seed in answers.items():
        conditions = list(next(iter(by_seed[0].values()))) if by_seed else []
        for condition in conditions:
            of_condition = [
                {corpus: by_condition[condition] for corpus, by_condition in sorted(seed.items())}
                for seed in (by_seed if condition in CONDITIONS else by_seed[:1])
            ]
            (rows if condition in CONDITIONS else profiles).append(
                {
                    "features": kind,
                    "statistics": clips.values.shape[1],
                    **condition._asdict(),
                    **_scores(of_condition, clips, names, votes),
                }
            )
    return rows, profiles


def _tasks(
    models: TrainedModels,
    clips: tuple[Clip, ...],
    corpora: Sequence[str],
    tested: Sequence[str],
    cache: Path,
) -> list[ModelTask]:
    others = [name for name in corpora if name not in models.open_corpora]
    folds: list[tuple[str, str, tuple[str, ...], tuple[str, ...]]]
    folds = [(MODEL, corpus, (corpus,), ()) for corpus in tested]
    if models.open_corpora:
        tested_by_open = tuple(name for name in others if name in tested)
        folds.insert(0, (OPEN_MODEL, "others", tested_by_open, tuple(others)))
    return [
        ModelTask(
            clips,
            models.recipe.with_settings([f"seed={seed}"]),
            tested_corpora,
            left_out,
            models.noise,
            cache,
            models.runs / kind / f"{name}-{seed}",
        )
        for seed in range(models.seeds)
        for kind, name, tested_corpora, left_out in folds
    ]


def _scores(
    by_seed: Sequence[Mapping[str, ModelAnswer]],
    clips: ClipStatistics,
    names: np.ndarray,
    votes: Mapping[str, np.ndarray],
) -> dict[str, Any]:
    """Return the scores over the answers of all seeds together, and the UAR of each seed."""
    joined = {
        corpus: ModelAnswer(
            *(np.concatenate(values) for values in zip(*(seed[corpus] for seed in by_seed)))
        )
        for corpus in by_seed[0]
    }
    uar_by_seed = [
        float(np.mean([_uar(answer, clips.targets) for answer in seed.values()]))
        for seed in by_seed
    ]
    scores = condition_scores(joined, clips.targets, clips.speakers, names, votes)
    return {**scores, "uar_by_seed": uar_by_seed}


def _uar(answer: ModelAnswer, targets: np.ndarray) -> float:
    answers = np.where(answer.is_speech, answer.probabilities.argmax(axis=1), NOT_ANSWERED)
    return uar(targets[answer.rows], answers)
