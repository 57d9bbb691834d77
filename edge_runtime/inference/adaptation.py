"""Online speaker adaptation: a running mean of the logits."""

from __future__ import annotations

import numpy as np

from .known_voice import SpeakerBias

# The mean covers about this much speech, so that it follows a new speaker or microphone.
MEMORY_SECONDS = 300.0

# Larger than for a profile, because the speech may all be in one mood.
PRIOR_SECONDS = 60.0


class SpeakerAdaptation:
    """A speaker correction estimated from the utterances of one stream.

    Args:
        n_labels: Number of labels of the model.
        full_gain: `ModelCard.profile_gain`.

    Attributes:
        seconds: Seconds of speech so far.
    """

    def __init__(self, n_labels: int, full_gain: float = 1.0) -> None:
        self._full_gain = full_gain
        self.seconds = 0.0
        self._mean = np.zeros(n_labels)
        self._weight = 0.0  # seconds of speech that the mean covers

    def update(self, logits: np.ndarray, seconds: float) -> None:
        """Add an utterance to the mean.

        Args:
            logits: Logits of the utterance, `(n_labels,)`.
            seconds: Duration of its speech; 0 has no effect.
        """
        if seconds <= 0:
            return
        self.seconds += seconds
        self._weight = min(self._weight + seconds, max(seconds, MEMORY_SECONDS))
        self._mean += (logits - self._mean) * (seconds / self._weight)

    def bias(self) -> SpeakerBias:
        """Return the current correction of the logits; it has no effect before the first update."""
        return SpeakerBias.estimate(self._mean, self._weight, self._full_gain, PRIOR_SECONDS)
