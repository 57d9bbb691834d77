"""Statistics of clips for linear models: weights, scaling, and enrolment clips of each speaker.

A speaker is described by the mean of the statistics of some of their clips, which is subtracted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from edge_runtime.inference.known_voice import MAX_DEVIATION, STATISTICS_PRIOR_SECONDS

# Clips of the average speaker that the mean of a speaker is shrunk by.
SHRINKAGE = 2.0
ENROLMENT_SECONDS = 60.0


@dataclass(frozen=True)
class ClipStatistics:
    """Clips with their statistics.

    Attributes:
        values: Statistics `(n_clips, n_statistics)`.
        targets: Class indices `(n_clips,)`.
        corpora: Corpora `(n_clips,)`.
        speakers: Speakers `(n_clips,)`, unique over the corpora.
        seconds: Durations `(n_clips,)`.
        degraded: Statistics of degraded copies `(n_clips, n_copies, n_statistics)`, if any.
    """

    values: np.ndarray
    targets: np.ndarray
    corpora: np.ndarray
    speakers: np.ndarray
    seconds: np.ndarray
    degraded: np.ndarray | None = None


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
    return enrolment_clips(clips, seed, ENROLMENT_SECONDS)


def enrolment_clips(
    clips: ClipStatistics, seed: int, duration: float, target: int | None = None
) -> list[np.ndarray]:
    """Draw other clips of the same speaker for each clip.

    Args:
        clips: The clips.
        seed: Seed of the draws.
        duration: Duration of the drawn clips together, in seconds; fewer if there are no more.
        target: Class of the drawn clips. Default: any.

    Returns:
        Rows of the drawn clips for each clip; the clip is never among its own.
    """
    rng = np.random.default_rng(seed)
    drawn: list[np.ndarray] = [np.empty(0, int)] * len(clips.targets)
    for speaker in np.unique(clips.speakers):
        own = np.flatnonzero(clips.speakers == speaker)
        candidates = own if target is None else own[clips.targets[own] == target]
        for row in own:
            order = rng.permutation(candidates[candidates != row])
            drawn[row] = first_clips(order, clips.seconds, duration)
    return drawn


def first_clips(rows: np.ndarray, seconds: np.ndarray, duration: float) -> np.ndarray:
    """Return the first rows whose clips last `duration` seconds together, or all."""
    last = np.searchsorted(np.cumsum(seconds[rows]), duration) + 1
    return rows[:last]


def speaker_means(x: np.ndarray, minutes: Iterable[np.ndarray]) -> np.ndarray:
    """Return the mean of the enrolment clips of each clip, shrunk towards the average speaker.

    Args:
        x: Standardised statistics `(n_clips, n_statistics)`, whose mean is 0.
        minutes: From `enrolment_minutes`.
    """
    sums = np.stack([x[rows].sum(axis=0) / (len(rows) + SHRINKAGE) for rows in minutes])
    return np.asarray(sums)


def speaker_offsets(
    z: np.ndarray, minutes: Iterable[np.ndarray], seconds: np.ndarray
) -> np.ndarray:
    """Return the mean of the enrolment clips of each clip, as `SpeakerStatistics` computes it.

    Args:
        z: Standardised statistics `(n_clips, n_statistics)`.
        minutes: From `enrolment_minutes`.
        seconds: Durations `(n_clips,)`.
    """
    weighted = z * seconds[:, None]
    means = [
        weighted[m].sum(axis=0) / (seconds[m].sum() + STATISTICS_PRIOR_SECONDS) for m in minutes
    ]
    return np.asarray(np.stack(means))
