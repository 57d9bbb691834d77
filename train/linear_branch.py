"""Linear models on the statistics of clips, with and without speech of the speaker.

Multinomial logistic regression. `LinearBranch` is the part of a network that gets the statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.optimize

from edge_runtime.inference.known_voice import MAX_DEVIATION

from .clip_statistics import ClipStatistics, balanced_weights, moments, speaker_offsets, standardise
from .statistics_config import StatisticsConfig

MAX_ITERATIONS = 100
MIN_SPEAKERS = 3  # of a corpus, to count fully
MIN_DEVIATION = 1e-6  # statistics with a smaller deviation are constant


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
