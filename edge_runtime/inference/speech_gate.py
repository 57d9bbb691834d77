"""The speech gate: the probability of speech of each frame, and of a stretch of audio.

A small recurrent network in the model file processes every frame of the front end, silent frames
included. `train.gate` trains it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


class SpeechGate:
    """Compute the probability of speech of each frame of a clip or stream.

    A frame depends on those before it alone, so that the result does not depend on the chunks.

    Args:
        run: `Network.run_gate` of the network.
    """

    def __init__(
        self, run: Callable[[np.ndarray, np.ndarray | None], tuple[np.ndarray, np.ndarray]]
    ) -> None:
        self._run = run
        self.reset()

    def reset(self) -> None:
        """Discard all state: the next frames begin a new clip."""
        self._state: np.ndarray | None = None

    def push(self, rows: np.ndarray) -> np.ndarray:
        """Add frames.

        Args:
            rows: Rows of the front end, silent frames included, float32 `(n_frames, width)`; may
                be empty.

        Returns:
            Probability of speech of each frame, float32 `(n_frames,)`.

        Raises:
            ModelError: If the graph fails or returns invalid outputs.
        """
        if not len(rows):
            return np.empty(0, np.float32)
        probabilities, self._state = self._run(rows, self._state)
        return probabilities


def min_speech_frames(min_speech: float, frame_period: float) -> int:
    """Return the frames that a clip must have as speech, at least 1.

    Args:
        min_speech: `ModelCard.min_speech`, in seconds.
        frame_period: Seconds between frames.
    """
    return max(1, round(min_speech / frame_period))


class ClipSpeech:
    """The probability of speech of a stretch of audio, as its frames arrive.

    It is the largest probability that `min_frames` frames of the stretch reach, or all of its
    frames if it has fewer. A stretch is therefore speech if that many frames are.

    Args:
        min_frames: Number of frames.

    Example:
        >>> speech = ClipSpeech(2)
        >>> speech.add(np.array([0.1, 0.9, 0.7]))
        >>> speech.probability
        0.7
    """

    def __init__(self, min_frames: int) -> None:
        self._min_frames = min_frames
        self._largest = np.empty(0)

    def add(self, probabilities: np.ndarray) -> None:
        """Add the probabilities of frames, `(n_frames,)`."""
        values = np.concatenate([self._largest, probabilities])
        if len(values) > self._min_frames:
            values = np.partition(values, len(values) - self._min_frames)[-self._min_frames :]
        self._largest = values

    @property
    def probability(self) -> float:
        """The probability of speech so far; 0 without frames."""
        return float(self._largest.min()) if len(self._largest) else 0.0
