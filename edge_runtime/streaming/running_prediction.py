"""What the network makes of one stretch of audio whose frames arrive in pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..audio.level import Loudness
from ..inference.pooling import LongSums

if TYPE_CHECKING:
    from ..inference.prediction import Prediction
    from ..inference.profile import KnownVoice
    from ..model import EmotionModel, Heard


class Estimate:
    """A running estimate that ends as the one of all frames at once, within 1e-5.

    Frames of silence are dropped by a gate of its own, as `EmotionModel.classify` drops them.
    What is held does not grow, as long as `run` is called now and then.
    """

    def __init__(self, model: EmotionModel, voice: KnownVoice | None = None) -> None:
        """`voice`: of whom it is known, see `SpeakerProfile.voice`."""
        self.count = 0  # frames that the network heard
        self._model = model
        self._network = LongSums(model)
        self._voice = voice
        self._gate = model.gate()
        self._loudness = Loudness(model.sample_rate)
        self._only: np.ndarray | None = None  # the first frame, for a clip of silence alone
        self._waiting = np.empty((0, model.card.mfcc.n_mfcc), np.float32)
        self._last: Heard | None = None

    def add(self, frames: np.ndarray, samples: np.ndarray) -> None:
        """The next frames `(n, n_mfcc)`, and the next samples `(m,)` at the model's rate, which
        are for the level only and need not be those of the frames."""
        self._loudness.push(samples)
        self._pass(frames)

    def run(self, last: bool = False) -> bool:
        """Let the network hear what was added, `last`: to the end; whether there was anything."""
        if last and self._gate is not None:
            self._pass(self._waiting[:0], last=True)
        if last and self._last is None and not len(self._waiting) and self._only is not None:
            self._waiting = self._only
        step = self._model.card.frames_per_step
        count = len(self._waiting) if last else len(self._waiting) // step * step
        if not count:
            return False
        frames, self._waiting = self._waiting[:count], self._waiting[count:]
        self.count += count
        self._last = self._network.run(frames)
        return True

    def _pass(self, frames: np.ndarray, last: bool = False) -> None:
        """Let the frames that are not silent wait for the network."""
        if self._gate is not None:
            frames, kept = self._gate.decide(frames, last)
            if self._only is None and len(frames):
                self._only = frames[:1].copy()  # a view would keep them all
            frames = frames[kept]
        self._waiting = np.concatenate([self._waiting, frames])

    def prediction(self, threshold: float) -> Prediction | None:
        """The answer as of the last `run`; None if the network has heard nothing yet."""
        if self._last is None:
            return None
        return self._model.judge(self._last, self._loudness.dbfs(), threshold, self._voice)

    @property
    def logits(self) -> np.ndarray:
        """What the network made of all that it heard, float32 `(n_labels,)`; zeros of nothing."""
        return np.zeros(len(self._model.labels), "f") if self._last is None else self._last.logits
