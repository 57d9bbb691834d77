"""Correct the logits for an enrolled speaker.

Some voices sound angry or sad in any mood. The mean of the logits over a speaker's speech in
different moods measures that bias. A part of it is subtracted. The remainder is more informative
than the logits of an unknown speaker, so it is amplified.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Seconds of speech that weigh as much as the prior. A minute of clips, half to two thirds of it
# speech, removes 60 to 70 % of their mean. On validation speakers, a larger share was better if the
# minute held several moods; if it held one, this share still helped and the whole mean hurt.
PRIOR_SECONDS = 20.0


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

    def correct(self, logits: np.ndarray) -> np.ndarray:
        """Return logits `(..., n_labels)` of this speaker as those of an average one."""
        corrected: np.ndarray = (logits - self.bias) * self.gain
        return corrected


def map_weight(seconds: float, prior: float = PRIOR_SECONDS) -> float:
    """Return the weight of the data in a MAP estimate, 0 to below 1."""
    return seconds / (seconds + prior)
