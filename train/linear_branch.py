"""Linear models on the statistics of clips, with and without speech of the speaker.

Multinomial logistic regression. A speaker is described by the mean of the statistics of some of
their clips, which is subtracted. `LinearBranch` is the part of a network that gets the statistics.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.optimize

from edge_runtime.inference.known_voice import MAX_DEVIATION, STATISTICS_PRIOR_SECONDS

from .statistics_config import StatisticsConfig

# Clips of the average speaker that the mean of a speaker is shrunk by.
SHRINKAGE = 2.0
ENROLMENT_SECONDS = 60.0
MAX_ITERATIONS = 100
MIN_SPEAKERS = 3  # of a corpus, to count fully
MIN_DEVIATION = 1e-6  # statistics with a smaller deviation are constant


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


@dataclass(frozen=True)
class Readout:
    """A linear readout of standardised statistics, added to the logits of the LSTM.

    Attributes:
        weights: `(n_statistics, n_classes)`.
        bias: `(n_classes,)`.
        network_weight: Factor of the logits of the LSTM.
    """

    weights: np.ndarray
    bias: np.ndarray
    network_weight: float

    def logits(self, z: np.ndarray, network_logits: np.ndarray | float = 0.0) -> np.ndarray:
        """Return logits `(n_clips, n_classes)`.

        Args:
            z: Standardised statistics `(n_clips, n_statistics)`.
            network_logits: Logits of the LSTM `(n_clips, n_classes)`. Default: without the LSTM.
        """
        return np.asarray(z @ self.weights + self.bias + self.network_weight * network_logits)

    def at_temperature(self, temperature: float) -> Readout:
        """Return a readout whose logits are divided by a temperature."""
        return Readout(
            self.weights / temperature, self.bias / temperature, self.network_weight / temperature
        )


@dataclass(frozen=True)
class LinearBranch:
    """The part of a network that gets the statistics of a clip.

    Attributes:
        mean: Mean of the statistics of the training clips `(n_statistics,)`.
        deviation: Their deviation `(n_statistics,)`, above 0.
        unknown: Readout for unknown speakers.
        known: Readout for speakers whose mean is subtracted.
    """

    mean: np.ndarray
    deviation: np.ndarray
    unknown: Readout
    known: Readout

    def standardise(self, values: np.ndarray) -> np.ndarray:
        """Return `standardise(values)` with the mean and the deviation of the branch."""
        return standardise(values, self.mean, self.deviation)

    def at_temperatures(self, unknown: float, known: float) -> LinearBranch:
        """Return a branch whose readouts are divided by temperatures."""
        return replace(
            self,
            unknown=self.unknown.at_temperature(unknown),
            known=self.known.at_temperature(known),
        )


def small_corpora(clips: ClipStatistics, config: StatisticsConfig) -> dict[str, float]:
    """Return the weights of corpora with fewer than three speakers, for `balanced_weights`."""
    return {
        str(corpus): config.small_corpus_weight
        for corpus in np.unique(clips.corpora)
        if len(np.unique(clips.speakers[clips.corpora == corpus])) < MIN_SPEAKERS
    }


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


def fit_branch(
    clips: ClipStatistics,
    train: np.ndarray,
    minutes: list[np.ndarray],
    config: StatisticsConfig,
    n_classes: int,
) -> LinearBranch:
    """Fit both readouts, which are not calibrated yet.

    The readout for known speakers is fitted on the clips whose speakers have other clips. Without
    such clips of every class, both readouts are the same.

    Args:
        clips: The clips.
        train: The training clips, bool `(n_clips,)`.
        minutes: From `enrolment_minutes`.
        config: The settings.
        n_classes: Number of classes.
    """
    small = small_corpora(clips, config)
    weights = balanced_weights(clips, train, small)
    mean, deviation = moments(clips.values, weights)
    # The network stores them in float32.
    mean = mean.astype(np.float32)
    deviation = np.where(deviation > MIN_DEVIATION, deviation, 1.0).astype(np.float32)
    z = standardise(clips.values, mean, deviation)

    copies = _standardised_copies(clips, mean, deviation)

    def readout(
        inputs: Sequence[np.ndarray],
        rows: np.ndarray,
        penalty: float,
        copy_weight: float,
        network_weight: float,
    ) -> Readout:
        """Fit a readout on clips, followed by their copies."""
        n_copies = len(inputs) - 1
        shares = [1 - copy_weight, *[copy_weight / n_copies] * n_copies] if n_copies else [1.0]
        row_weights = balanced_weights(clips, rows, small)[rows]
        coefficients = fit(
            np.concatenate([x[rows] for x in inputs]),
            np.tile(clips.targets[rows], len(inputs)),
            np.concatenate([share * row_weights for share in shares]),
            penalty,
            n_classes=n_classes,
        )
        return Readout(coefficients[:-1], coefficients[-1], network_weight)

    unknown = readout(
        [z, *copies], train, config.penalty, config.copy_weight, config.network_weight
    )
    rows = train & np.array([len(minute) > 0 for minute in minutes])
    if set(clips.targets[rows]) != set(clips.targets[train]):
        return LinearBranch(mean, deviation, unknown, unknown)
    # A copy is centred by copies: they have the channel of the speaker.
    centred = [
        np.clip(x - speaker_offsets(x, minutes, clips.seconds), -MAX_DEVIATION, MAX_DEVIATION)
        for x in (z, *copies)
    ]
    known = readout(
        centred,
        rows,
        config.speaker_penalty,
        config.speaker_copy_weight,
        config.speaker_network_weight,
    )
    return LinearBranch(mean, deviation, unknown, known)


def _standardised_copies(
    clips: ClipStatistics, mean: np.ndarray, deviation: np.ndarray
) -> list[np.ndarray]:
    """Return the standardised statistics of each copy of the clips, if there are any."""
    if clips.degraded is None:
        return []
    return [
        standardise(clips.degraded[:, k], mean, deviation) for k in range(clips.degraded.shape[1])
    ]
