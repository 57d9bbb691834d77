"""Predictions for audio that arrives in chunks, as for the whole clip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..inference.network import HasNetwork, Network, network_of
from ..inference.prediction import Prediction
from ..inference.profile import SpeakerProfile
from .front_end import StreamFrontEnd
from .running_prediction import RunningPrediction


@dataclass(frozen=True)
class StreamEvent:
    """The prediction for a stream so far.

    Attributes:
        start: Start of the stream in seconds: 0.
        end: Seconds of audio so far.
        prediction: The prediction for all of it.
        final: True if the stream has ended.

    Example:
        >>> from edge_runtime import EmotionModel
        >>> stream = EmotionModel.load().stream()
        >>> (event,) = stream.push(np.zeros(16_000, np.float32)) or stream.flush()
        >>> event.end, event.final
        (1.0, True)
    """

    start: float
    end: float
    prediction: Prediction
    final: bool


class EmotionStream:
    """A running prediction over everything pushed since the stream began.

    `EmotionModel.stream` creates one. The prediction of `flush` is that of `EmotionModel.classify`
    for the whole clip: probabilities within 1e-5, for chunks of any size and streams of any length.
    Memory does not grow with the stream. Streams of one model may run in different threads.

    Args:
        model: The model.
        sample_rate: Rate of the chunks in Hz. Default: the model's.
        threshold: Confidence in [0, 1] below which the label is "uncertain". Default: the value
            stored in the model.
        speech_threshold: Probability from which a frame is speech, in [0, 1]. Default: the value
            stored in the model.
        profile: Profile of the speaker, if known.

    Attributes:
        sample_rate: Rate of the chunks in Hz.

    Raises:
        ConfigError: If an argument is out of range, or `profile` belongs to another model.

    Example:
        >>> from edge_runtime import EmotionModel
        >>> stream = EmotionStream(EmotionModel.load(), sample_rate=48_000)
        >>> stream.push(np.zeros(48_000, np.float32))
        []
        >>> stream.flush()[-1].prediction.label
        'no speech'
    """

    def __init__(
        self,
        model: HasNetwork | Network,
        sample_rate: float | None = None,
        *,
        threshold: float | None = None,
        speech_threshold: float | None = None,
        profile: SpeakerProfile | None = None,
    ) -> None:
        self._network = network_of(model)
        self._voice = None if profile is None else profile.voice_for(self._network)
        self._threshold = self._network.check_threshold(threshold)
        self._speech_threshold = self._network.check_speech_threshold(speech_threshold)
        self._front_end = StreamFrontEnd(self._network, sample_rate)
        self.sample_rate = self._front_end.sample_rate
        self.reset()

    def reset(self) -> None:
        """Discard all state: the next push starts a new clip."""
        self._front_end.reset()
        self._running = RunningPrediction(self._network, self._voice)
        self._n_samples = 0  # at the model's rate

    def push(self, samples: np.ndarray) -> list[StreamEvent]:
        """Add a chunk and return the new prediction.

        Args:
            samples: Mono float samples `(n_samples,)` in [-1, 1]; may be empty.

        Returns:
            One event, or none where the chunk completes no step of the network.

        Raises:
            AudioError: If the samples cannot be used; the stream is then unchanged.
        """
        samples, rows = self._front_end.push(self._front_end.check(samples))
        return self._advance(samples, rows, last=False)

    def flush(self) -> list[StreamEvent]:
        """End the clip and return its final prediction; a new clip starts.

        Returns:
            One event, or none if nothing was pushed.
        """
        events = self._advance(*self._front_end.flush(), last=True)
        self.reset()
        return events

    def _advance(self, samples: np.ndarray, rows: np.ndarray, last: bool) -> list[StreamEvent]:
        self._n_samples += len(samples)
        self._running.push(rows, samples)
        if not self._running.advance(last) and not last:
            return []
        prediction = self._running.prediction(
            self._threshold, speech_threshold=self._speech_threshold
        )
        if prediction is None:
            return []
        return [StreamEvent(0.0, self._n_samples / self._network.sample_rate, prediction, last)]
