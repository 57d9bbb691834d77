"""Ablation studies: which variants are compared, and their scores on validation speakers.

All variants of a study train and validate on the same clips. No epoch is selected: the predictions
are the mean of the logits after each of the last epochs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge_runtime.datasets.clip import DatasetError
from edge_runtime.scoring.metrics import scores
from train.data.features import Dataset
from train.data.folds import actor_folds, corpus_folds, inner_folds
from train.data.splits import hold_out
from train.model_selection import validation_logits
from train.recipes import Recipe

from .ablation_variants import CORPUS_VARIANTS, SPEAKER_VARIANTS

LAST_EPOCHS = 3


def score_across_speakers(data: Dataset, recipe: Recipe) -> list[float]:
    """Return the UAR on validation speakers of one corpus.

    The test speakers of the first fold of `--protocol actor-folds` are left out. The other speakers
    form two halves; each is predicted by a network trained on the other half. That validates on
    more speakers than the protocols do, and takes half as long to train.
    """
    test = actor_folds(data.clips)[0]
    rest = sorted(set(range(len(data.clips))) - set(test))
    halves = inner_folds(data.clips, rest, 2, seed=0)  # the same for all variants
    predictions: list[int] = []
    for half in halves:
        logits = validation_logits(data, rest, half, recipe.network, recipe.fit, LAST_EPOCHS)
        predictions += logits.argmax(axis=1).tolist()
    return [_uar(data, [i for half in halves for i in half], np.array(predictions))]


def score_across_corpora(data: Dataset, recipe: Recipe) -> list[float]:
    """Return the mean UAR on the other corpora, and on held-out speakers of the training corpus.

    Each corpus of three speakers or more is trained on in turn, together with the smaller corpora.

    Raises:
        DatasetError: If fewer than two corpora have three speakers.
    """
    corpora = corpus_folds(data.clips)
    if len(corpora) < 2:
        raise DatasetError(
            "a study across corpora requires at least two corpora of three speakers or more; found "
            f"{len(corpora)}"
        )
    small = set(range(len(data.clips))) - {i for corpus in corpora for i in corpus}
    other_uars, own_uars = [], []
    for trained in corpora:
        held_out, _ = hold_out(data.clips, trained, 0.25, seed=0, answered=data.labels)
        parts = [data.answerable(held_out)]
        parts += [data.answerable(corpus) for corpus in corpora if corpus is not trained]
        validation = [i for part in parts for i in part]
        train = (set(trained) | small) - set(held_out)
        logits = validation_logits(
            data,
            sorted(train | set(validation)),
            validation,
            recipe.network,
            recipe.fit,
            LAST_EPOCHS,
        )
        ends = np.cumsum([len(part) for part in parts])[:-1]
        uars = [
            _uar(data, part, part_logits.argmax(axis=1))
            for part, part_logits in zip(parts, np.split(logits, ends))
        ]
        own_uars.append(uars[0])
        other_uars += uars[1:]
    return [float(np.mean(other_uars)), float(np.mean(own_uars))]


def _uar(data: Dataset, clips: list[int], predictions: np.ndarray) -> float:
    targets = np.array([data.labels.index(data.clips[i].label) for i in clips])
    return float(scores(targets, predictions, data.labels)["uar"])


@dataclass(frozen=True)
class AblationStudy:
    """A comparison of recipe variants.

    Attributes:
        command: The command that runs it, for the page.
        method: Data and scoring, for the page.
        reference: The reference variant, for the page.
        measures: Names of the scores.
        variants: The recipes by name; the first is the reference.
        score: Trains a variant and returns one UAR for each of `measures`.
    """

    command: str
    method: str
    reference: str
    measures: tuple[str, ...]
    variants: dict[str, Recipe]
    score: Callable[[Dataset, Recipe], list[float]]


STUDIES = {
    "default": AblationStudy(
        "python -m evaluate ablation --data ravdess --report reports/ablation",
        "UAR on validation speakers of RAVDESS, 8 classes. The test speakers of the first fold are "
        "excluded. The other speakers form two halves, and each half is predicted by a network "
        "trained on the other half.",
        "a single network without distillation and VTL smoothing",
        ("UAR",),
        SPEAKER_VARIANTS,
        score_across_speakers,
    ),
    "corpora": AblationStudy(
        "python -m evaluate ablation --recipe corpora --data emodb --data ravdess --data nemo "
        "--data tess --noise noise --report reports/ablation-corpora",
        "UAR on EMO-DB, RAVDESS and nEMO, 4 classes. Each of the three corpora is trained on in "
        "turn, together with TESS, except for a quarter of its speakers. The network predicts the "
        "other two corpora, and the held-out speakers of its own.",
        "a single network",
        ("UAR, other corpora", "UAR, held-out speakers"),
        CORPUS_VARIANTS,
        score_across_corpora,
    ),
}
