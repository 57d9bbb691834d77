"""Correct the predictions for a known speaker.

Some voices sound angry or sad in any mood. `SpeakerStatistics` is for models with clip statistics:
their graph subtracts the mean of the speaker's statistics, and has other weights for the difference
than for the statistics of an unknown speaker. `SpeakerBias` is for the other models: the mean of
the logits over a speaker's speech in different moods measures the bias of the voice, and a part of
it is subtracted from the logits. The remainder is more informative than the logits of an unknown
speaker, so it is amplified.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

# Seconds of speech that weigh as much as the prior. A minute of clips, half to two thirds of it
# speech, removes 60 to 70 % of their mean. On validation speakers, a larger share was better if the
# minute held several moods; if it held one, this share still helped and the whole mean hurt.
PRIOR_SECONDS = 20.0

# The same for the mean of standardised statistics: about two clips.
STATISTICS_PRIOR_SECONDS = 5.0

# Seconds of speech from which a speaker counts as half known. On corpora that were left out, speech
# in one mood alone then costs little at worst (sad speech) and speech in several moods gains more.
HALF_KNOWN_SECONDS = 10.0

# Standardised statistics less those of the speaker are clipped to this, as in the graph.
MAX_DEVIATION = 5.0


@dataclass(frozen=True)
class SpeakerBias:
    """A correction of the logits for one speaker.

    Attributes:
        bias: Subtracted from the logits, `(n_labels,)`.
        gain: Factor applied to the difference.
    """

    bias: np.ndarray
    gain: float

    @classmethod
    def estimate(
        cls, mean: np.ndarray, seconds: float, full_gain: float, prior: float = PRIOR_SECONDS
    ) -> SpeakerBias:
        """Estimate the correction from the mean logits of a speaker.

        The weight of the mean grows with the amount of speech, as in the MAP estimate of Gauvain
        and Lee 1994, https://doi.org/10.1109/89.279278

        Args:
            mean: Mean logits `(n_labels,)` over the speaker's speech.
            seconds: Duration of that speech.
            full_gain: Gain for an unlimited amount of speech, `ModelCard.profile_gain`.
            prior: Seconds of speech that weigh as much as the prior.
        """
        weight = map_weight(seconds, prior)
        return cls(mean * weight, 1 + (full_gain - 1) * weight)

    def correct(self, logits: np.ndarray, embedding: np.ndarray | None = None) -> np.ndarray:
        """Return logits `(..., n_labels)` of this speaker as those of an average one.

        Args:
            logits: The logits.
            embedding: Not used.
        """
        corrected: np.ndarray = (logits - self.bias) * self.gain
        return corrected


@dataclass(frozen=True)
class SpeakerStatistics:
    """The mean statistics of one speaker, and a correction of the logits.

    Attributes:
        mean: Standardised statistics of an average clip of the speaker, `(n_statistics,)`.
        weight: From 0 for an unknown speaker, whose `mean` is 0, to 1 for a known one.
        correction: Weights `(n_statistics + 1, n_labels)` from the statistics of a clip, less
            `mean`, and a constant 1 to the change of its logits; from labelled clips. None: the
            logits stay as they are.
    """

    mean: np.ndarray
    weight: float
    correction: np.ndarray | None = None

    @classmethod
    def estimate(
        cls,
        mean: np.ndarray,
        seconds: float,
        correction: np.ndarray | None = None,
        prior: float = STATISTICS_PRIOR_SECONDS,
    ) -> SpeakerStatistics:
        """Estimate the speaker's statistics from the mean over clips.

        Args:
            mean: Mean `(n_statistics,)` of the standardised statistics of the clips.
            seconds: Duration of the clips.
            correction: See the attribute.
            prior: Seconds of speech that weigh as much as the prior, which is an average speaker.
        """
        weight = map_weight(seconds, HALF_KNOWN_SECONDS)
        return cls(mean * map_weight(seconds, prior), weight, correction)

    def deviations(self, embedding: np.ndarray) -> np.ndarray:
        """Return the statistics of clips less those of the speaker, `(..., n_statistics)`.

        Args:
            embedding: `NetworkOutput.embedding`, whose last values are the statistics,
                `(..., n_embedding)`.
        """
        statistics = embedding[..., -len(self.mean) :]
        return np.asarray(np.clip(statistics - self.mean, -MAX_DEVIATION, MAX_DEVIATION))

    def correct(self, logits: np.ndarray, embedding: np.ndarray) -> np.ndarray:
        """Return the logits of clips of this speaker with the correction.

        Args:
            logits: Logits of the network with these statistics, `(..., n_labels)`.
            embedding: `NetworkOutput.embedding`, `(..., n_embedding)`.
        """
        if self.correction is None:
            return logits
        change = self.deviations(embedding) @ self.correction[:-1] + self.correction[-1]
        return np.asarray(logits + change)


KnownVoice: TypeAlias = SpeakerBias | SpeakerStatistics


def map_weight(seconds: float, prior: float = PRIOR_SECONDS) -> float:
    """Return the weight of the data in a MAP estimate, 0 to below 1."""
    return seconds / (seconds + prior)
