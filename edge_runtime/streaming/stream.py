"""An emotion from audio that arrives in pieces: what the whole clip would have given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..audio.resample import StreamResampler
from ..features.stream import MfccStream
from .running_prediction import Estimate

if TYPE_CHECKING:
    from ..inference.prediction import Prediction
    from ..inference.profile import SpeakerProfile
    from ..model import EmotionModel


@dataclass(frozen=True)
class StreamEvent:
    """What a stream sounds like so far.

    `start` and `end` are seconds since the stream began; `final` is True once it has ended.
    """

    start: float
    end: float
    prediction: Prediction
    final: bool


class EmotionStream:
    """A running estimate of everything pushed since the stream began, made by `model.stream()`.

    The estimate of `flush` is that of `EmotionModel.classify` on the whole clip: probabilities
    within 1e-5, however it was cut into pieces and however long it lasts. What is held does not
    grow with the stream, and streams of one model may be used by different threads.
    """

    def __init__(
        self,
        model: EmotionModel,
        sample_rate: float | None,
        threshold: float | None,
        profile: SpeakerProfile | None,
    ) -> None:
        self._model = model
        self._voice = None if profile is None else profile.voice(model)
        self._threshold = model.check_threshold(threshold)
        self.sample_rate = model.sample_rate if sample_rate is None else sample_rate
        self._mfcc = MfccStream(model.mfcc)
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next push begins a new clip."""
        self._resampler = StreamResampler(self.sample_rate, self._model.sample_rate)
        self._mfcc.reset()
        self._estimate = Estimate(self._model, self._voice)
        self._heard = 0  # samples at the model's rate

    def push(self, samples: np.ndarray) -> list[StreamEvent]:
        """Hear `samples`, mono float `(n,)` within [-1, 1]; n may be 0.

        Returns the new estimate, or nothing where the samples complete no step of the network.
        Raises AudioError for samples that cannot be used; the stream is then as it was before.
        """
        return self._hear(self._resampler.push(self._model.mfcc.check_samples(samples)), False)

    def flush(self) -> list[StreamEvent]:
        """The final estimate, none if there was nothing to hear; a new clip begins."""
        events = self._hear(self._resampler.push(np.empty(0, np.float32), last=True), True)
        self.reset()
        return events

    def _hear(self, samples: np.ndarray, last: bool) -> list[StreamEvent]:
        self._heard += len(samples)
        frames = self._mfcc.push(samples)
        if last:
            frames = np.concatenate([frames, self._mfcc.flush()])
        self._estimate.add(frames, samples)
        if not self._estimate.run(last) and not last:
            return []
        prediction = self._estimate.prediction(self._threshold)
        if prediction is None:
            return []
        return [StreamEvent(0.0, self._heard / self._model.sample_rate, prediction, last)]
