"""Adaptation to a speaker without enrolment.

A stream keeps a running mean over its utterances. Recordings of one speaker are first summed, and
then each is classified with the mean of the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .card import ModelCard
from .enrolment_clips import speech_pieces
from .known_voice import KnownVoice, SpeakerBias, SpeakerStatistics
from .network import Network

# The mean covers about this much speech, so that it follows a new speaker or microphone.
MEMORY_SECONDS = 300.0

# Larger than for a profile, because the speech may all be in one mood. With 15 s, six corpora had
# a UAR of 62.6 for moods in random order and 58.1 for one mood after the other; with the 5 s of a
# profile 63.1 and 56.1.
PRIOR_SECONDS = 60.0
STATISTICS_PRIOR_SECONDS = 15.0

MIN_SECONDS = 1e-3  # less is the rounding of a difference


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
        return _voice(self._mean.copy(), self._weight, self._full_gain, self._n_statistics > 0)


@dataclass(frozen=True)
class SpeechSum:
    """The sum over the speech of recordings of one speaker.

    Attributes:
        values: Standardised statistics, or logits for a model without statistics, each times the
            seconds of its piece of speech, `(n_values,)`.
        seconds: Seconds of speech.
    """

    values: np.ndarray
    seconds: float

    @classmethod
    def of_clip(cls, network: Network, samples: np.ndarray) -> SpeechSum:
        """Sum over the pieces of a recording.

        Args:
            network: The network.
            samples: Mono samples `(n_samples,)` at the model's rate.
        """
        n_statistics = len(network.card.statistics or ())
        total, seconds = np.zeros(n_statistics or len(network.labels)), 0.0
        for piece in speech_pieces(network, samples):
            values = piece.embedding[-n_statistics:] if n_statistics else piece.logits
            total += values * piece.seconds
            seconds += piece.seconds
        return cls(total, seconds)

    def __add__(self, other: SpeechSum) -> SpeechSum:
        return SpeechSum(self.values + other.values, self.seconds + other.seconds)

    def without(self, other: SpeechSum) -> SpeechSum:
        """Return the sum without a recording that is part of it."""
        return SpeechSum(self.values - other.values, self.seconds - other.seconds)

    def voice(self, card: ModelCard) -> KnownVoice | None:
        """Return the speaker, or None without speech.

        Args:
            card: The card of the model.
        """
        if self.seconds < MIN_SECONDS:
            return None
        mean, has_statistics = self.values / self.seconds, card.statistics is not None
        return _voice(mean, self.seconds, card.profile_gain, has_statistics)


def _voice(mean: np.ndarray, seconds: float, full_gain: float, has_statistics: bool) -> KnownVoice:
    if has_statistics:
        return SpeakerStatistics.estimate(mean, seconds, prior=STATISTICS_PRIOR_SECONDS)
    return SpeakerBias.estimate(mean, seconds, full_gain, PRIOR_SECONDS)
