"""A listener that gets used to the voice that it hears."""

from __future__ import annotations

import numpy as np

from .profile import KnownVoice

# The mean is over about as much speech as this, so that it follows a new voice or microphone.
MEMORY_SECONDS = 300.0

# More cautious than a profile: nobody has seen to it that the speech is of several moods.
PRIOR_SECONDS = 60.0


class VoiceAdaptation:
    """A `SpeakerProfile` that makes itself: a slow running mean of the logits of utterances."""

    def __init__(self, n_labels: int, full_gain: float = 1.0) -> None:
        """`full_gain` is `ModelCard.profile_gain`."""
        self._full_gain = full_gain
        self.seconds = 0.0  # of speech that was heard in all
        self._mean = np.zeros(n_labels)
        self._weight = 0.0  # seconds of speech that the mean stands for

    def hear(self, logits: np.ndarray, seconds: float) -> None:
        """Take in the logits `(n_labels,)` of so many seconds of speech."""
        if seconds <= 0:
            return
        self.seconds += seconds
        self._weight = min(self._weight + seconds, max(seconds, MEMORY_SECONDS))
        self._mean += (logits - self._mean) * (seconds / self._weight)

    def voice(self) -> KnownVoice:
        """How logits are to be read: as they are at first, then without more and more of their
        mean."""
        return KnownVoice.of(self._mean, self._weight, self._full_gain, PRIOR_SECONDS)
