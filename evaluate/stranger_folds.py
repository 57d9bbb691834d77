"""Nested leave-one-corpus-out folds of the linear baselines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from train.clip_statistics import (
    ClipStatistics,
    balanced_weights,
    enrolment_minutes,
    speaker_means,
    standardised,
)
from train.linear_branch import fit, probabilities

from .linear_baselines import labelled_draw, with_labelled_clips
from .stranger_scores import uar

N_CLASSES = 4
PENALTIES = (0.1, 0.03, 0.01, 0.003)
STRENGTHS = (0.3, 0.1, 0.03, 0.01)
N_LABELLED = (1, 3, 5, 10)
DRAWS = 2  # of the labelled clips of each test speaker
MAX_INNER_SPEAKERS = 20  # of a corpus, on which the strength is selected
TRAIN_ONLY_SHARE = 0.3  # weight of a corpus that is trained on but never tested

# Everything besides the data that the answers depend on; a new version invalidates the cache.
VERSION = 1
SETTINGS = (VERSION, PENALTIES, STRENGTHS, N_LABELLED, DRAWS, MAX_INNER_SPEAKERS, TRAIN_ONLY_SHARE)

NO_PROFILE, MINUTE = "none", "minute"


class Condition(NamedTuple):
    """The speech of a speaker that a model is given: unlabelled, and labelled clips per class."""

    speech: str
    labelled: int


CONDITIONS = (
    Condition(NO_PROFILE, 0),
    Condition(MINUTE, 0),
    *(Condition(MINUTE, n_labelled) for n_labelled in N_LABELLED),
)


class Answer(NamedTuple):
    """Predictions for the clips of a test corpus.

    Attributes:
        rows: Rows of the clips; a clip that is drawn several times has several.
        probabilities: Class probabilities `(len(rows), n_classes)`.
        penalty: Selected penalty of the model.
        strength: Selected strength of the correction by labelled clips, if there are any.
    """

    rows: np.ndarray
    probabilities: np.ndarray
    penalty: float
    strength: float | None


class FoldTask(NamedTuple):
    """The test of one corpus with one set of statistics.

    Attributes:
        features: Name of the set.
        clips: All clips.
        corpus: The test corpus.
        tested: All corpora that are tested; others are trained on only.
        seed: Seed of the draws.
    """

    features: str
    clips: ClipStatistics
    corpus: str
    tested: tuple[str, ...]
    seed: int


def answer_corpus(task: FoldTask) -> tuple[str, str, dict[Condition, Answer]]:
    """Test one corpus under all conditions.

    Returns:
        The names of the set and of the corpus, and the answers.
    """
    fold = _Fold(task)
    answers = {}
    for speech in (NO_PROFILE, MINUTE):
        penalty, inner = fold.selected_penalty(speech)
        model = fold.model(speech, (task.corpus,), (penalty,))
        rows = np.flatnonzero(task.clips.corpora == task.corpus)
        predicted = probabilities(model.inputs[rows], model.coefficients[penalty])
        answers[Condition(speech, 0)] = Answer(rows, predicted, penalty, None)
    for n_labelled in N_LABELLED:
        strength = fold.selected_strength(n_labelled, penalty, inner)
        rows, by_strength = fold.corrected(
            model, penalty, task.corpus, n_labelled, (strength,), DRAWS, None
        )
        answers[Condition(MINUTE, n_labelled)] = Answer(
            rows, by_strength[strength], penalty, strength
        )
    return task.features, task.corpus, answers


class _Model(NamedTuple):
    """Models that were trained without some corpora.

    Attributes:
        standardised: Statistics of all clips `(n_clips, n_statistics)`.
        inputs: The same less the means of the speakers, if the condition has them.
        coefficients: Coefficients by penalty.
    """

    standardised: np.ndarray
    inputs: np.ndarray
    coefficients: dict[float, np.ndarray]


class _Fold:
    """The models of one test corpus."""

    def __init__(self, task: FoldTask) -> None:
        self._task = task
        self._others = tuple(name for name in task.tested if name != task.corpus)
        self._shares = {
            str(name): TRAIN_ONLY_SHARE
            for name in np.unique(task.clips.corpora)
            if name not in task.tested
        }
        self._minutes = enrolment_minutes(task.clips, task.seed)

    def model(self, speech: str, left_out: tuple[str, ...], penalties: Sequence[float]) -> _Model:
        """Train without some corpora, at each penalty in turn, from the strongest on."""
        clips = self._task.clips
        train = ~np.isin(clips.corpora, left_out)
        weights = balanced_weights(clips, train, self._shares)
        scaled = standardised(clips.values, weights)
        inputs = scaled - speaker_means(scaled, self._minutes) if speech == MINUTE else scaled
        coefficients: dict[float, np.ndarray] = {}
        start = None
        for penalty in penalties:
            start = coefficients[penalty] = fit(
                inputs[train],
                clips.targets[train],
                weights[train],
                penalty,
                n_classes=N_CLASSES,
                start=start,
            )
        return _Model(scaled, inputs, coefficients)

    def selected_penalty(self, speech: str) -> tuple[float, dict[str, _Model]]:
        """Return the penalty with the best mean UAR on the other corpora, and their models."""
        clips, models = self._task.clips, {}
        scores = np.zeros(len(PENALTIES))
        for other in self._others:
            models[other] = self.model(speech, (self._task.corpus, other), PENALTIES)
            rows = clips.corpora == other
            for k, penalty in enumerate(PENALTIES):
                predicted = probabilities(
                    models[other].inputs[rows], models[other].coefficients[penalty]
                )
                scores[k] += uar(clips.targets[rows], predicted.argmax(axis=1))
        return PENALTIES[int(scores.argmax())], models

    def selected_strength(
        self, n_labelled: int, penalty: float, models: dict[str, _Model]
    ) -> float:
        """Return the strength with the best mean UAR on the other corpora."""
        scores = np.zeros(len(STRENGTHS))
        for other, model in models.items():
            rows, by_strength = self.corrected(
                model, penalty, other, n_labelled, STRENGTHS, 1, MAX_INNER_SPEAKERS
            )
            truth = self._task.clips.targets[rows]
            scores += [uar(truth, by_strength[s].argmax(axis=1)) for s in STRENGTHS]
        return STRENGTHS[int(scores.argmax())]

    def corrected(
        self,
        model: _Model,
        penalty: float,
        corpus: str,
        n_labelled: int,
        strengths: Sequence[float],
        draws: int,
        max_speakers: int | None,
    ) -> tuple[np.ndarray, dict[float, np.ndarray]]:
        """Predict the clips of a corpus with labelled clips of their speakers.

        Returns:
            Rows of the clips, and their class probabilities by strength.
        """
        clips = self._task.clips
        rng = np.random.default_rng(self._task.seed)
        speakers = rng.permutation(np.unique(clips.speakers[clips.corpora == corpus]))
        rows: list[np.ndarray] = []
        predicted: dict[float, list[np.ndarray]] = {strength: [] for strength in strengths}
        for speaker in speakers[:max_speakers]:
            for _ in range(draws):
                drawn = labelled_draw(clips, speaker, n_labelled, rng)
                if drawn is None:
                    continue
                labelled, others = drawn
                answers = with_labelled_clips(
                    model.standardised,
                    clips,
                    labelled,
                    others,
                    model.coefficients[penalty],
                    strengths,
                    rng,
                )
                rows.append(others)
                for strength, values in answers.items():
                    predicted[strength].append(values)
        joined = {strength: np.concatenate(values) for strength, values in predicted.items()}
        return np.concatenate(rows), joined
