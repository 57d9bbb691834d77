"""Levels of a signal: mean squares of 30 ms blocks, and the loudest of them in dBFS."""

from __future__ import annotations

import math

import numpy as np

BLOCK_SECONDS = 0.03


class BlockPowers:
    """The mean square of every 30 ms of a signal that arrives in chunks.

    Args:
        sample_rate: Rate of the signal in Hz.

    Attributes:
        block: Samples per block.
    """

    def __init__(self, sample_rate: int) -> None:
        self.block = max(1, int(BLOCK_SECONDS * sample_rate))
        self._held = np.empty(0, np.float32)

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Add samples `(n_samples,)`.

        Returns:
            The mean squares `(n_blocks,)` of the blocks that they complete.
        """
        samples = np.concatenate([self._held, samples]) if len(self._held) else samples
        end = len(samples) // self.block * self.block
        self._held = samples[end:].copy()
        return _powers(samples[:end].reshape(-1, self.block))

    def rest(self) -> np.ndarray:
        """Return the mean square of the incomplete block, `(1,)`, or `(0,)` without one."""
        return _powers(self._held[np.newaxis]) if len(self._held) else np.empty(0)


class Loudness:
    """The RMS level of the loudest 30 ms of a signal that arrives in chunks.

    Args:
        sample_rate: Rate of the signal in Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._blocks = BlockPowers(sample_rate)
        self._peak = 0.0  # mean square

    def push(self, samples: np.ndarray) -> None:
        """Add samples `(n_samples,)`."""
        self._peak = max(self._peak, float(self._blocks.push(samples).max(initial=0.0)))

    def dbfs(self) -> float:
        """Return the level so far in dB relative to full scale; -inf for silence.

        A signal of less than 30 ms is one block. The incomplete last block of a longer one does
        not count.
        """
        return to_dbfs(self._peak or float(self._blocks.rest().max(initial=0.0)))


def peak_dbfs(samples: np.ndarray, sample_rate: int) -> float:
    """Return the RMS level of the loudest 30 ms of `samples (n_samples,)` in dBFS."""
    loudness = Loudness(sample_rate)
    loudness.push(samples)
    return loudness.dbfs()


def to_dbfs(power: float) -> float:
    """Convert a mean square to dB relative to full scale; -inf for 0."""
    return 10.0 * float(np.log10(power)) if power > 0 else -math.inf


def _powers(blocks: np.ndarray) -> np.ndarray:
    """Return the mean square of each of `blocks (n_blocks, block)`, `(n_blocks,)`."""
    return np.asarray(np.einsum("ij,ij->i", blocks, blocks) / blocks.shape[1])
