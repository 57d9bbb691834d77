"""Linear models on the statistics of clips, with and without speech of the speaker.

Multinomial logistic regression. A speaker is described by the mean of the statistics of some of
their clips, which is subtracted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import scipy.optimize

MAX_DEVIATION = 5.0  # standardised statistics beyond are outliers
# Clips of the average speaker that the mean of a speaker is shrunk by.
SHRINKAGE = 2.0
ENROLMENT_SECONDS = 60.0
MAX_ITERATIONS = 100


@dataclass(frozen=True)
class ClipStatistics:
    """Clips with their statistics.

    Attributes:
        values: Statistics `(n_clips, n_statistics)`.
        targets: Class indices `(n_clips,)`.
        corpora: Corpora `(n_clips,)`.
        speakers: Speakers `(n_clips,)`, unique over the corpora.
        seconds: Durations `(n_clips,)`.
    """

    values: np.ndarray
    targets: np.ndarray
    corpora: np.ndarray
    speakers: np.ndarray
    seconds: np.ndarray


def balanced_weights(
    clips: ClipStatistics, train: np.ndarray, shares: dict[str, float]
) -> np.ndarray:
    """Return the weight of each clip in the training, which sum to 1.

    Corpora have the same weight, and so have the classes of a corpus.

    Args:
        clips: The clips.
        train: The training clips, bool `(n_clips,)`; others have the weight 0.
        shares: Weight of corpora relative to the others. Default: 1.
    """
    weights = np.zeros(len(train))
    for corpus in np.unique(clips.corpora[train]):
        of_corpus = train & (clips.corpora == corpus)
        for target in np.unique(clips.targets[of_corpus]):
            rows = of_corpus & (clips.targets == target)
            weights[rows] = shares.get(str(corpus), 1.0) / rows.sum()
    return weights / weights.sum()


def standardised(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Scale statistics to the mean 0 and the deviation 1 of the training clips.

    Args:
        values: Statistics `(n_clips, n_statistics)`; those that are not finite become the mean.
        weights: Weights of the training clips `(n_clips,)`.

    Returns:
        float64 `(n_clips, n_statistics)`, limited to `MAX_DEVIATION`.
    """
    mean, deviation = moments(values, weights)
    return standardise(values, mean, deviation + 1e-9)


def moments(values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the deviation of each statistic of the training clips.

    Args:
        values: Statistics `(n_clips, n_statistics)`; those that are not finite count as the mean.
        weights: Weights of the training clips `(n_clips,)`.
    """
    is_finite = np.isfinite(values)
    filled = np.where(is_finite, values, 0.0)
    total = np.maximum(weights @ is_finite, 1e-12)
    mean = weights @ filled / total
    filled = np.where(is_finite, filled, mean)
    return mean, np.sqrt(weights @ (filled - mean) ** 2)


def standardise(values: np.ndarray, mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Subtract a mean and divide by a deviation; 0 for values that are not finite.

    Args:
        values: Statistics `(n_clips, n_statistics)`.
        mean: Mean of each statistic `(n_statistics,)`.
        deviation: Deviation of each statistic `(n_statistics,)`, above 0.

    Returns:
        float64 `(n_clips, n_statistics)`, limited to `MAX_DEVIATION`.
    """
    filled = np.where(np.isfinite(values), values, mean)
    return np.asarray(np.clip((filled - mean) / deviation, -MAX_DEVIATION, MAX_DEVIATION))


def enrolment_minutes(clips: ClipStatistics, seed: int) -> list[np.ndarray]:
    """Draw a minute of other clips of the same speaker for each clip, whatever their labels.

    Returns:
        Rows of the drawn clips for each clip; the clip is never among its own.
    """
    rng = np.random.default_rng(seed)
    minutes: list[np.ndarray] = [np.empty(0, int)] * len(clips.targets)
    for speaker in np.unique(clips.speakers):
        own = np.flatnonzero(clips.speakers == speaker)
        for row in own:
            minutes[row] = first_minute(rng.permutation(own[own != row]), clips.seconds)
    return minutes


def first_minute(rows: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Return the first rows whose clips last `ENROLMENT_SECONDS` together, or all."""
    last = np.searchsorted(np.cumsum(seconds[rows]), ENROLMENT_SECONDS) + 1
    return rows[:last]


def speaker_means(x: np.ndarray, minutes: Iterable[np.ndarray]) -> np.ndarray:
    """Return the mean of the enrolment clips of each clip, shrunk towards the average speaker.

    Args:
        x: Standardised statistics `(n_clips, n_statistics)`, whose mean is 0.
        minutes: From `enrolment_minutes`.
    """
    sums = np.stack([x[rows].sum(axis=0) / (len(rows) + SHRINKAGE) for rows in minutes])
    return np.asarray(sums)


def fit(
    x: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray,
    penalty: float,
    *,
    n_classes: int,
    start: np.ndarray | None = None,
    prior: np.ndarray | None = None,
) -> np.ndarray:
    """Fit a multinomial logistic regression.

    It minimises the weighted sum of the cross-entropies plus penalty / 2 times the squared distance
    of the coefficients from the prior. Without a prior, the distance is from zero and the
    intercepts are free.

    Args:
        x: Statistics `(n_clips, n_statistics)`.
        targets: Class indices `(n_clips,)`.
        weights: Weight of each clip `(n_clips,)`.
        penalty: Strength of the regularisation.
        n_classes: Number of classes.
        start: Coefficients to start at.
        prior: Coefficients to stay near.

    Returns:
        Coefficients `(n_statistics + 1, n_classes)`; the last row contains the intercepts.
    """
    inputs = np.concatenate([x, np.ones((len(x), 1))], axis=1).astype(np.float32)
    one_hot = np.eye(n_classes, dtype=np.float32)[targets]
    clip_weights = weights.astype(np.float32)[:, None]
    shape = (inputs.shape[1], n_classes)
    centre = np.zeros(shape) if prior is None else prior
    penalties = np.full(shape, penalty)
    if prior is None:
        penalties[-1] = 1e-6

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        coefficients = flat.reshape(shape)
        logits = inputs @ coefficients.astype(np.float32)
        logits -= logits.max(axis=1, keepdims=True)
        exponentials = np.exp(logits)
        totals = exponentials.sum(axis=1, keepdims=True)
        entropies = np.log(totals) - (one_hot * logits).sum(axis=1, keepdims=True)
        gradient = inputs.T @ (clip_weights * (exponentials / totals - one_hot))
        distance = coefficients - centre
        value = float((clip_weights * entropies).sum())
        value += 0.5 * float((penalties * distance**2).sum())
        return value, (gradient + penalties * distance).ravel()

    begin = start if start is not None else centre
    result = scipy.optimize.minimize(
        loss,
        begin.ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": MAX_ITERATIONS, "ftol": 1e-7, "gtol": 1e-5},
    )
    return np.asarray(result.x).reshape(shape)


def probabilities(x: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
    """Return the class probabilities `(n_clips, n_classes)` of statistics."""
    logits = x @ coefficients[:-1] + coefficients[-1]
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=1, keepdims=True))
