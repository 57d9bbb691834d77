"""A listener that gets used to the voice that it hears."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .model import EmotionModel

# Seconds of speech that weigh as much as all that is known of voices; a minute then counts 3 / 4.
PRIOR_SECONDS = 20.0
# The mean is over about as much speech as this, so that it follows a new voice or microphone.
MEMORY_SECONDS = 300.0


class VoiceAdaptation:
    """A `SpeakerProfile` that makes itself: a slow running mean of the features of speech."""

    def __init__(self, model: EmotionModel) -> None:
        mfcc = model.card.mfcc
        self.seconds = 0.0  # of speech that was heard in all
        self._period = mfcc.hop_length / mfcc.sample_rate
        self._wanted = np.asarray(model.card.feature_mean)
        self._mean = np.zeros(mfcc.n_mfcc)
        self._weight = 0.0  # seconds of speech that the mean stands for

    def hear(self, total: np.ndarray, count: int) -> None:
        """Take in `count` frames of speech that add up to `total` `(n_mfcc,)`."""
        seconds = count * self._period
        if not seconds:
            return
        self.seconds += seconds
        self._weight = min(self._weight + seconds, max(seconds, MEMORY_SECONDS))
        self._mean += (total / count - self._mean) * (seconds / self._weight)

    def shift(self) -> np.ndarray:
        """What to add to the features, float32 `(n_mfcc,)`: zeros at first, then more and more of
        what a profile of the voice would add.

        A mean that is believed the more the longer it was heard: the MAP estimate of Gauvain and
        Lee 1994, https://doi.org/10.1109/89.279278
        """
        trust = self._weight / (self._weight + PRIOR_SECONDS)
        return (trust * (self._wanted - self._mean)).astype(np.float32)
