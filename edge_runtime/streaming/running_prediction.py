"""A running prediction over frames that arrive in chunks.

Whole clips take the same path: `EmotionModel.classify` pushes all frames at once.
"""

from __future__ import annotations

import numpy as np

from ..audio.level import Loudness
from ..inference.graph import NetworkOutput
from ..inference.known_voice import KnownVoice
from ..inference.network import Network
from ..inference.pooling import PooledNetwork
from ..inference.prediction import Prediction


class RunningPrediction:
    """The prediction for one stretch of audio, updated as its frames arrive.

    The final prediction is that for all frames at once, within 1e-5. Silent frames are dropped.
    Memory does not grow if `advance` is called regularly.

    Args:
        network: The network to run.
        voice: The speaker, if known.
        with_speech: Run the speech gate. Without it, everything counts as speech.

    Attributes:
        n_frames: Frames that the network has processed.
    """

    def __init__(
        self, network: Network, voice: KnownVoice | None = None, *, with_speech: bool = True
    ) -> None:
        self.n_frames = 0
        self._network = network
        self._pooled = PooledNetwork(network, voice)
        self._voice = voice
        self._statistics = network.new_statistics()
        self._n_mfcc = network.front_end.n_mfcc
        self._silence_gate = network.new_silence_gate()
        self._speech_gate = network.new_speech_gate() if with_speech else None
        self._clip_speech = network.new_clip_speech()
        self._loudness = Loudness(network.sample_rate)
        self._first: np.ndarray | None = None  # the first frame, for a clip of silence alone
        self._pending = np.empty((0, self._n_mfcc), np.float32)
        self._output: NetworkOutput | None = None

    def push(self, rows: np.ndarray, samples: np.ndarray | None = None) -> None:
        """Add frames; only the speech gate runs before `advance`.

        Args:
            rows: Rows of the front end, float32 `(n_frames, width)`.
            samples: Samples `(n_samples,)` at the model's rate, for the level alone. They need not
                be those of the frames.
        """
        if samples is not None:
            self._loudness.push(samples)
        if self._statistics is not None:
            self._statistics.push(rows)
        if self._speech_gate is not None:
            self._clip_speech.add(self._speech_gate.push(rows))
        self._drop_silence(rows[:, : self._n_mfcc])

    def advance(self, last: bool = False) -> bool:
        """Run the network on the frames that were pushed.

        Args:
            last: Process all of them and end the stretch.

        Returns:
            Whether there were frames to process.
        """
        if last and self._silence_gate is not None:
            self._drop_silence(self._pending[:0], last=True)
        if last and self._output is None and not len(self._pending) and self._first is not None:
            self._pending = self._first
        step = self._network.card.frames_per_step
        if last:
            count = len(self._pending)
        else:
            # Clip statistics may change until the end. A frame that is left then runs the network.
            n_kept = 0 if self._statistics is None else 1
            count = max(0, len(self._pending) - n_kept) // step * step
        if not count:
            return False
        frames, self._pending = self._pending[:count], self._pending[count:]
        self.n_frames += count
        statistics = None if self._statistics is None else self._statistics.values()
        self._output = self._pooled.run(frames, statistics)
        return True

    def _drop_silence(self, frames: np.ndarray, last: bool = False) -> None:
        if self._silence_gate is not None:
            frames, kept = self._silence_gate.decide(frames, last)
            if self._first is None and len(frames):
                self._first = frames[:1].copy()  # a view would keep all of them alive
            frames = frames[kept]
        self._pending = np.concatenate([self._pending, frames])

    def prediction(
        self,
        threshold: float,
        peak_dbfs: float | None = None,
        speech_threshold: float | None = None,
    ) -> Prediction | None:
        """Return the prediction as of the last `advance`, or None before the first one.

        The probability of speech is that of all frames pushed.

        Args:
            threshold: Confidence below which the label is "uncertain", 0 to 1.
            peak_dbfs: Level of the loudest 30 ms. Default: that of the samples pushed.
            speech_threshold: Probability of speech below which the label is "no speech". Default:
                that of the model.
        """
        if self._output is None:
            return None
        if peak_dbfs is None:
            peak_dbfs = self._loudness.dbfs()
        output = self._output
        if self._speech_gate is not None:
            output = output._replace(speech=self._clip_speech.probability)
        return self._network.decide(output, peak_dbfs, threshold, self._voice, speech_threshold)

    @property
    def logits(self) -> np.ndarray:
        """Logits over all processed frames, float32 `(n_labels,)`; zeros before the first."""
        n_labels = len(self._network.labels)
        return np.zeros(n_labels, np.float32) if self._output is None else self._output.logits

    @property
    def embedding(self) -> np.ndarray | None:
        """Embedding over all processed frames, float32 `(n_embedding,)`; None before the first."""
        return None if self._output is None else self._output.embedding
