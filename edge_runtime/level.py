"""How loud the loudest moment of a clip is."""

from __future__ import annotations

import numpy as np

BLOCK_SECONDS = 0.03


class Loudness:
    """The RMS level of the loudest 30 ms, from samples `(n,)` that are pushed in any chunks."""

    def __init__(self, sample_rate: int) -> None:
        self._length = max(1, int(BLOCK_SECONDS * sample_rate))
        self._held = np.empty(0, np.float32)
        self._power = 0.0

    def push(self, samples: np.ndarray) -> None:
        samples = np.concatenate([self._held, samples]) if len(self._held) else samples
        whole = len(samples) // self._length * self._length
        if whole:
            self._power = max(self._power, _power(samples[:whole].reshape(-1, self._length)))
        self._held = samples[whole:].copy()

    def dbfs(self) -> float:
        """In dB relative to full scale; -inf for silence. A clip of less than 30 ms is one block,
        what remains behind the blocks of a longer one does not count."""
        short = self._power == 0 and len(self._held)
        power = _power(self._held[np.newaxis]) if short else self._power
        return 10.0 * float(np.log10(power)) if power > 0 else -np.inf


def _power(blocks: np.ndarray) -> float:
    """The mean square of the loudest block of `(n, length)`."""
    return float(np.einsum("ij,ij->i", blocks, blocks).max()) / blocks.shape[1]
