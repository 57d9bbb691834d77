"""How loud a clip is, moment by moment and at its loudest."""

from __future__ import annotations

import numpy as np

BLOCK_SECONDS = 0.03


class Levels:
    """The power of each 30 ms, from samples `(n,)` that are pushed in any chunks."""

    def __init__(self, sample_rate: int) -> None:
        self.block = max(1, int(BLOCK_SECONDS * sample_rate))  # samples
        self._held = np.empty(0, np.float32)

    def push(self, samples: np.ndarray) -> np.ndarray:
        """The mean squares `(n_blocks,)` of the blocks that `samples` complete."""
        samples = np.concatenate([self._held, samples]) if len(self._held) else samples
        whole = len(samples) // self.block * self.block
        self._held = samples[whole:].copy()
        return _powers(samples[:whole].reshape(-1, self.block))

    def rest(self) -> np.ndarray:
        """The mean square of what remains, `(1,)`, or nothing."""
        return _powers(self._held[np.newaxis]) if len(self._held) else np.empty(0)


class Loudness:
    """The RMS level of the loudest 30 ms, from samples `(n,)` that are pushed in any chunks."""

    def __init__(self, sample_rate: int) -> None:
        self._levels = Levels(sample_rate)
        self._power = 0.0

    def push(self, samples: np.ndarray) -> None:
        self._power = max(self._power, float(self._levels.push(samples).max(initial=0.0)))

    def dbfs(self) -> float:
        """In dB relative to full scale; -inf for silence. A clip of less than 30 ms is one block,
        what remains behind the blocks of a longer one does not count."""
        return to_dbfs(self._power or float(self._levels.rest().max(initial=0.0)))


def peak_dbfs(samples: np.ndarray, sample_rate: int) -> float:
    """Return the RMS level of the loudest 30 ms of `samples (n_samples,)` in dBFS."""
    loudness = Loudness(sample_rate)
    loudness.push(samples)
    return loudness.dbfs()


def to_dbfs(power: float) -> float:
    """A mean square in dB relative to full scale; -inf for 0."""
    return 10.0 * float(np.log10(power)) if power > 0 else -np.inf


def _powers(blocks: np.ndarray) -> np.ndarray:
    """The mean square of each block of `(n, length)`."""
    return np.einsum("ij,ij->i", blocks, blocks) / blocks.shape[1]
