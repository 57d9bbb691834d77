"""Detectors of speech: a probability for every frame of a stream."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Protocol

import numpy as np

from ..audio.resample import StreamResampler
from ..audio.silero import CHUNK, SAMPLE_RATE, SileroVad
from ..errors import ConfigError
from ..features.silence import SilenceGate
from ..inference.network import Network
from ..inference.speech_gate import SpeechGate
from ..messages import brief_repr
from ..validation import check_number

# The detectors by the names of `--vad`: that of the model, and Silero VAD.
MODEL_VAD, SILERO_VAD = "model", "silero"
VADS = (MODEL_VAD, SILERO_VAD)

# Probability from which a frame is speech, chosen on calls of three corpora at 15 dB. The threshold
# of the model card is lower, so that no clip of speech is lost, and fills pauses.
GATE_ABOVE = 0.35
SILERO_ABOVE = 0.5  # the threshold of its authors


class SpeechDetector(Protocol):
    """Gives the probability of speech of every frame of one stream.

    Attributes:
        above: Probability from which a frame is speech.
    """

    above: float

    def push(self, rows: np.ndarray, samples: np.ndarray, last: bool = False) -> np.ndarray:
        """Add frames and samples.

        Args:
            rows: Rows of the front end, float32 `(n_frames, width)`.
            samples: Samples `(n_samples,)` at the model's rate.
            last: End the stream: decide on all frames.

        Returns:
            The probabilities of the next frames, in order; those of the last frames may follow
            with later calls.
        """


class GateDetector:
    """The speech gate of a model.

    Args:
        network: The network; its model must have a speech gate.
        above: Probability from which a frame is speech.
    """

    def __init__(self, network: Network, above: float = GATE_ABOVE) -> None:
        self.above = above
        self._gate = SpeechGate(network.run_gate)

    def push(self, rows: np.ndarray, samples: np.ndarray, last: bool = False) -> np.ndarray:
        """Add frames; see `SpeechDetector.push`."""
        return self._gate.push(rows)


class LevelDetector:
    """The level of a model without a speech gate: sound counts as speech.

    Sound is what the silence gate of the model keeps, with the smallest margin that it allows.

    Args:
        network: The network. Without a silence gate, every frame is speech.
    """

    def __init__(self, network: Network) -> None:
        self.above = 0.5  # of 0 and 1
        card, self._gate = network.card, None
        self._n_mfcc = network.front_end.n_mfcc
        if card.silence is not None:
            margin = card.mfcc_config.frame_period
            config = replace(card.silence, margin=margin, relative=False)
            self._gate = SilenceGate(config, card.mfcc_config)

    def push(self, rows: np.ndarray, samples: np.ndarray, last: bool = False) -> np.ndarray:
        """Add frames; see `SpeechDetector.push`."""
        if self._gate is None:
            return np.ones(len(rows), np.float32)
        return self._gate.decide(rows[:, : self._n_mfcc], last)[1].astype(np.float32)


class SileroDetector:
    """Silero VAD, about 40 ms of one core for a second of audio; see `SileroVad`.

    Args:
        network: The network whose frames are decided.
        above: Probability from which a frame is speech.

    Raises:
        EdgeSerError: If the package is missing.
    """

    def __init__(self, network: Network, above: float = SILERO_ABOVE) -> None:
        self.above = above
        self._vad = SileroVad()
        self._resampler = StreamResampler(network.sample_rate, SAMPLE_RATE)
        hop = network.card.mfcc_config.hop_length
        # Frame k is centred on sample k * hop.
        self._frames_per_chunk = CHUNK * network.sample_rate / SAMPLE_RATE / hop
        self._pending = np.empty(0, np.float32)  # probabilities of frames that have not arrived
        self._last = np.zeros(1, np.float32)  # probability of the last chunk
        self._n_chunks = 0
        self._n_frames = 0  # frames without a probability

    def push(self, rows: np.ndarray, samples: np.ndarray, last: bool = False) -> np.ndarray:
        """Add samples; see `SpeechDetector.push`."""
        self._n_frames += len(rows)
        resampled = self._resampler.push(samples, last=last)
        chunks = self._vad.push(resampled, last)
        ends = [self._end_of(self._n_chunks + k) for k in range(len(chunks) + 1)]
        self._n_chunks += len(chunks)
        self._last = np.concatenate([self._last, chunks])[-1:]
        parts = [self._pending, np.repeat(chunks, np.diff(ends))]
        if last:
            parts.append(np.repeat(self._last, self._n_frames))
        probabilities = np.concatenate(parts)
        ready, self._pending = probabilities[: self._n_frames], probabilities[self._n_frames :]
        self._n_frames -= len(ready)
        return ready

    def _end_of(self, n_chunks: int) -> int:
        """Return the number of frames whose middle lies in the first chunks."""
        return math.ceil(n_chunks * self._frames_per_chunk)


def check_vad(vad: str) -> str:
    """Return the name of a detector.

    Raises:
        ConfigError: If it is not one of `VADS`.
    """
    if vad not in VADS:
        raise ConfigError(f"vad={brief_repr(vad)} must be one of {', '.join(VADS)}")
    return vad


def new_detector(
    network: Network, vad: str = MODEL_VAD, threshold: float | None = None
) -> SpeechDetector:
    """Return a new detector for a stream.

    Args:
        network: The network.
        vad: One of `VADS`. A model without a speech gate uses levels.
        threshold: Probability from which a frame is speech, 0 to 1. Default: `GATE_ABOVE` or
            `SILERO_ABOVE`.

    Raises:
        ConfigError: If an argument is out of range.
        EdgeSerError: If a package is missing.
    """
    is_silero = check_vad(vad) == SILERO_VAD
    if threshold is None:
        threshold = SILERO_ABOVE if is_silero else GATE_ABOVE
    check_number("speech_threshold", threshold, 0, 1)
    if is_silero:
        return SileroDetector(network, threshold)
    if network.card.min_speech is None:
        return LevelDetector(network)
    return GateDetector(network, threshold)
