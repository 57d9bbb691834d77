"""Adaptation to a speaker without enrolment: a running mean over the utterances of a stream."""

from __future__ import annotations

import numpy as np

from .card import ModelCard
from .known_voice import KnownVoice, SpeakerBias, SpeakerStatistics

# The mean covers about this much speech, so that it follows a new speaker or microphone.
MEMORY_SECONDS = 300.0

# Larger than for a profile, because the speech may all be in one mood. With 15 s, six corpora had
# a UAR of 62.6 for moods in random order and 58.1 for one mood after the other; with the 5 s of a
# profile 63.1 and 56.1.
PRIOR_SECONDS = 60.0
STATISTICS_PRIOR_SECONDS = 15.0


class SpeakerAdaptation:
    """The voice of a speaker, estimated from the utterances of one stream.

    For a model with clip statistics, it is their mean; otherwise it is the mean of the logits.

    Args:
        n_labels: Number of labels of the model.
        full_gain: `ModelCard.profile_gain`.
        n_statistics: Number of clip statistics that the model takes; 0 if it takes none.

    Attributes:
        seconds: Seconds of speech so far.
    """

    def __init__(self, n_labels: int, full_gain: float = 1.0, n_statistics: int = 0) -> None:
        self._full_gain = full_gain
        self._n_statistics = n_statistics
        self.seconds = 0.0
        self._mean = np.zeros(n_statistics or n_labels)
        self._weight = 0.0  # seconds of speech that the mean covers

    @classmethod
    def for_card(cls, card: ModelCard) -> SpeakerAdaptation:
        """Return a new adaptation for the model of a card."""
        n_statistics = 0 if card.statistics is None else len(card.statistics)
        return cls(len(card.labels), card.profile_gain, n_statistics)

    def update(
        self, logits: np.ndarray, seconds: float, embedding: np.ndarray | None = None
    ) -> None:
        """Add an utterance to the mean.

        Args:
            logits: Logits of the utterance, `(n_labels,)`.
            seconds: Duration of its speech; 0 has no effect.
            embedding: Its embedding, whose last values are the standardised statistics. Required
                for a model with clip statistics.
        """
        if seconds <= 0:
            return
        values = logits
        if self._n_statistics:
            assert embedding is not None
            values = embedding[-self._n_statistics :]
        self.seconds += seconds
        self._weight = min(self._weight + seconds, max(seconds, MEMORY_SECONDS))
        self._mean += (values - self._mean) * (seconds / self._weight)

    def voice(self) -> KnownVoice:
        """Return the speaker so far; it has no effect before the first update."""
        mean = self._mean.copy()
        if self._n_statistics:
            return SpeakerStatistics.estimate(mean, self._weight, prior=STATISTICS_PRIOR_SECONDS)
        return SpeakerBias.estimate(mean, self._weight, self._full_gain, PRIOR_SECONDS)
