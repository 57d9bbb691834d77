"""Scores of predictions for corpora that were left out, with bootstrap intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from edge_runtime.scoring.reliability import reliability

from .votes import has_majority, majority

N_BOOTSTRAP = 2000
HIGH_AROUSAL = (0, 1)  # angry and happy, against neutral and sad
NOT_ANSWERED = -1


def uar(targets: np.ndarray, predictions: np.ndarray) -> float:
    """Return the unweighted average recall over the classes that occur, in [0, 1]."""
    present = np.unique(targets)
    return float(np.mean([(predictions[targets == label] == label).mean() for label in present]))


def auc(is_positive: np.ndarray, scores: np.ndarray) -> float:
    """Return the area under the ROC curve, in [0, 1].

    Args:
        is_positive: bool `(n_clips,)`, with both values.
        scores: Higher for positive clips, `(n_clips,)`.
    """
    ordered = np.sort(scores[~is_positive])
    positive = scores[is_positive]
    below = np.searchsorted(ordered, positive, "left")
    not_above = np.searchsorted(ordered, positive, "right")
    return float((below + not_above).mean() / 2 / len(ordered))


def corpus_scores(targets: np.ndarray, answer: Any) -> dict[str, float]:
    """Score the answers for clips of a corpus.

    Args:
        targets: Class indices of the clips of the answer `(n_clips,)`.
        answer: An object with class `probabilities (n_clips, n_classes)`. With `is_speech`, clips
            for which it is False count as errors. With `arousal`, that is the probability of high
            arousal, else the sum of those of angry and happy. With `is_answered`, the share of the
            answered clips and their accuracy are scored as well.

    Returns:
        UAR and calibration error of the classes; UAR, area under the ROC curve and calibration
        error of high against low arousal.
    """
    probabilities = answer.probabilities
    is_high = np.isin(targets, HIGH_AROUSAL)
    arousal = getattr(answer, "arousal", probabilities[:, list(HIGH_AROUSAL)].sum(axis=1))
    answers, arousal_answers = probabilities.argmax(axis=1), (arousal > 0.5).astype(int)
    is_speech = getattr(answer, "is_speech", np.ones(len(targets), bool))
    answers = np.where(is_speech, answers, NOT_ANSWERED)
    scores = {
        "uar": uar(targets, answers),
        "ece": reliability(probabilities, targets)["ece"],
        "arousal_uar": uar(is_high.astype(int), np.where(is_speech, arousal_answers, NOT_ANSWERED)),
        "arousal_auc": auc(is_high, arousal),
        "arousal_ece": reliability(np.stack([1 - arousal, arousal], axis=1), is_high)["ece"],
    }
    is_answered = getattr(answer, "is_answered", None)
    if is_answered is not None:
        scores["lost"] = float(1 - is_speech.mean())
        scores["coverage"] = float(is_answered.mean())
        is_right = answers == targets
        scores["accuracy_answered"] = (
            float(is_right[is_answered].mean()) if scores["coverage"] else 0.0
        )
    return scores


def mean_scores(by_corpus: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Return the mean of each score over the corpora."""
    names = next(iter(by_corpus.values())).keys()
    return {name: float(np.mean([row[name] for row in by_corpus.values()])) for name in names}


def listeners_uar(
    names: np.ndarray, answers: np.ndarray, votes: Mapping[str, np.ndarray]
) -> float | None:
    """Return the UAR against the majority of the listeners, of clips that have one.

    Args:
        names: File names of the clips without suffix, `(n_clips,)`.
        answers: Predicted class indices `(n_clips,)`.
        votes: Soft labels of the listeners by clip.
    """
    rows = [row for row, name in enumerate(names) if name in votes]
    if not rows:
        return None
    shares = np.stack([votes[names[row]] for row in rows])
    clear = has_majority(shares)
    return uar(majority(shares)[clear], answers[rows][clear])


def speaker_confusions(
    targets: np.ndarray, answers: np.ndarray, speakers: np.ndarray, n_classes: int
) -> np.ndarray:
    """Return the confusion matrix of each speaker, `(n_speakers, n_classes, n_classes + 1)`.

    The last column counts clips that were not answered, whose answer is `NOT_ANSWERED`.
    """
    names, rows = np.unique(speakers, return_inverse=True)
    counts = np.zeros((len(names), n_classes, n_classes + 1))
    np.add.at(counts, (rows, targets, answers), 1)  # NOT_ANSWERED is the last column
    return counts


def bootstrap_interval(corpora: list[np.ndarray], seed: int = 0) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the mean UAR over draws of corpora and speakers.

    Corpora are drawn first, then speakers within each: a new user is a new speaker, recorded in a
    new way. Efron 1979, https://doi.org/10.1214/aos/1176344552

    Args:
        corpora: Confusion matrices of the speakers of each corpus; see `speaker_confusions`.
        seed: Seed of the draws.
    """
    rng = np.random.default_rng(seed)
    by_corpus = []
    for counts in corpora:
        n_speakers = len(counts)
        draws = rng.integers(n_speakers, size=(N_BOOTSTRAP, n_speakers))
        times = np.stack([np.bincount(draw, minlength=n_speakers) for draw in draws])
        summed = (times @ counts.reshape(n_speakers, -1)).reshape(-1, *counts.shape[1:])
        hits = np.diagonal(summed, axis1=1, axis2=2)
        totals = summed.sum(axis=2)
        with np.errstate(invalid="ignore"):
            by_corpus.append(np.nanmean(hits / totals, axis=1))
    uars = np.stack(by_corpus)  # (n_corpora, draws)
    chosen = rng.integers(len(corpora), size=uars.shape)
    means = np.take_along_axis(uars, chosen, axis=0).mean(axis=0)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def condition_scores(
    answers: Mapping[str, Any],
    targets: np.ndarray,
    speakers: np.ndarray,
    names: np.ndarray,
    votes: Mapping[str, np.ndarray],
) -> dict[str, Any]:
    """Score the answers for all test corpora under one condition.

    Args:
        answers: For each corpus an object with `rows` and the attributes of `corpus_scores`.
        targets: Class indices of all clips `(n_clips,)`.
        speakers: Speakers of all clips `(n_clips,)`.
        names: File names of all clips without suffix `(n_clips,)`.
        votes: Soft labels of listeners by clip; the corpus that has them is also scored on them.

    Returns:
        Mean scores, the interval of the UAR, the scores of each corpus, and the UAR against the
        listeners, as JSON stores them.
    """
    by_corpus, confusions, against_listeners = {}, [], None
    for corpus, answer in answers.items():
        rows, is_speech = answer.rows, getattr(answer, "is_speech", None)
        by_corpus[corpus] = corpus_scores(targets[rows], answer)
        predicted = answer.probabilities.argmax(axis=1)
        if is_speech is not None:
            predicted = np.where(is_speech, predicted, NOT_ANSWERED)
        n_classes = answer.probabilities.shape[1]
        confusions.append(speaker_confusions(targets[rows], predicted, speakers[rows], n_classes))
        voted_uar = listeners_uar(names[rows], predicted, votes)
        against_listeners = voted_uar if voted_uar is not None else against_listeners
    low, high = bootstrap_interval(confusions)
    return {
        **mean_scores(by_corpus),
        "interval": [low, high],
        "listeners_uar": against_listeners,
        "by_corpus": by_corpus,
    }
