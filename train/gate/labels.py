"""Labels of the speech gate: which parts of a recording are speech, by Silero VAD."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np

from edge_runtime.audio.resample import resample
from edge_runtime.audio.silero import CHUNK, SAMPLE_RATE, SileroVad, speech_of_clip

from ..files import write_bytes

# Increment when the labels change, to invalidate cached ones.
LABEL_VERSION = 1

# A clip with an emotion contains speech by its label. If the detector finds speech in less than
# this share of the parts within `RANGE_DB` of the loudest part, as with sobs and synthesised
# voices, all of these parts are speech.
MIN_SHARE = 0.3
MIN_PROBABILITY = 0.5
RANGE_DB = 25.0


class SpeechLabels:
    """Labels recordings through a cache on disk that is keyed by their samples.

    Args:
        cache: Folder of the cache.
    """

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._vad: SileroVad | None = None

    def __call__(self, samples: np.ndarray, sample_rate: int) -> np.ndarray:
        """Return the probability of speech of each 32 ms of a recording with speech.

        Args:
            samples: Mono float samples `(n_samples,)`.
            sample_rate: Their rate in Hz.

        Returns:
            float32 `(n_chunks,)`.
        """
        if sample_rate != SAMPLE_RATE:
            samples = resample(samples, sample_rate, SAMPLE_RATE)
        samples = np.ascontiguousarray(samples, np.float32)
        key = hashlib.blake2b(samples.tobytes(), digest_size=16).hexdigest()
        entry = self._cache / key[:2] / f"{key}.speech{LABEL_VERSION}.npy"
        try:
            probabilities = np.load(entry, allow_pickle=False)
            if probabilities.dtype == np.float32 and len(probabilities) == -(
                -len(samples) // CHUNK
            ):
                return np.asarray(probabilities)
        except Exception:  # missing, or damaged in any way: computed again
            pass
        if self._vad is None:
            self._vad = SileroVad()
        probabilities = speech_of_clip(self._vad, samples)
        loud = _loud_chunks(samples)
        if (probabilities > MIN_PROBABILITY).sum() < MIN_SHARE * loud.sum():
            probabilities = np.maximum(probabilities, loud)
        file = io.BytesIO()
        np.save(file, probabilities)
        write_bytes(entry, file.getvalue())
        return probabilities


def _loud_chunks(samples: np.ndarray) -> np.ndarray:
    """Return 1 for the chunks within `RANGE_DB` of the loudest, float32 `(n_chunks,)`."""
    padded = np.pad(samples, (0, -len(samples) % CHUNK)).reshape(-1, CHUNK)
    powers = (padded**2).mean(axis=1)
    return (powers >= powers.max(initial=0.0) * 10 ** (-RANGE_DB / 10)).astype(np.float32)


def by_sample(probabilities: np.ndarray, n_samples: int, sample_rate: int) -> np.ndarray:
    """Return the label of each sample, float32 `(n_samples,)`.

    Args:
        probabilities: Result of `SpeechLabels`.
        n_samples: Samples of the recording.
        sample_rate: Their rate in Hz.
    """
    chunks = np.arange(n_samples) * SAMPLE_RATE // (CHUNK * sample_rate)
    return probabilities[np.minimum(chunks, len(probabilities) - 1)]
