"""Resampling and front end of audio that arrives in chunks."""

from __future__ import annotations

import numpy as np

from ..audio.resample import StreamResampler
from ..features.front_end import FrontEndStream
from ..inference.network import Network


class StreamFrontEnd:
    """Turn chunks of audio into samples at the model's rate and rows of its front end.

    Args:
        network: The network whose front end computes the rows.
        sample_rate: Rate of the chunks in Hz. Default: the model's.
    """

    def __init__(self, network: Network, sample_rate: float | None = None) -> None:
        self.sample_rate = network.sample_rate if sample_rate is None else sample_rate
        self._network = network
        self._rows = FrontEndStream(network.front_end)
        self.reset()

    def reset(self) -> None:
        """Discard all state: the next push starts a new stream."""
        self._resampler = StreamResampler(self.sample_rate, self._network.sample_rate)
        self._rows.reset()

    def check(self, samples: np.ndarray) -> np.ndarray:
        """Return `samples (n_samples,)` if they are valid mono audio.

        Raises:
            AudioError: If they are not.
        """
        return self._network.front_end.check_samples(samples)

    def push(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Add checked samples `(n_samples,)` at `sample_rate`.

        Returns:
            The samples at the model's rate, float32 `(n,)`, and the rows of the frames that they
            complete, float32 `(n_frames, width)`.
        """
        resampled = self._resampler.push(samples)
        return resampled, self._rows.push(resampled)

    def flush(self) -> tuple[np.ndarray, np.ndarray]:
        """End the stream and return the remaining samples and rows, as `push` does."""
        resampled = self._resampler.push(np.empty(0, np.float32), last=True)
        rows = self._rows.push(resampled)
        return resampled, np.concatenate([rows, self._rows.flush()])
