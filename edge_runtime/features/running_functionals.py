"""Statistics of a clip whose frames arrive in chunks, in constant memory."""

from __future__ import annotations

import functools

import numpy as np

from .functionals import functional_names, functionals

# Percentiles and run lengths need all frames of a clip. A longer clip is split into blocks of this
# length; its statistics are the mean of theirs. Corpora of emotional speech have shorter clips.
BLOCK_SECONDS = 30.0


class RunningFunctionals:
    """The statistics of all rows that were pushed.

    For up to `BLOCK_SECONDS` they are those of `functionals`. Beyond that they are the mean over
    the blocks of that length, weighted by their numbers of frames. A block without frames for a
    statistic, such as unvoiced ones, does not count for it. The values do not depend on the chunks.

    Args:
        n_mfcc: Number of coefficients at the start of each row; the descriptors follow.
        frame_period: Seconds from one frame to the next.
        names: Statistics to return. Default: all, in the order of `functional_names`.

    Attributes:
        names: The names of the statistics.

    Example:
        >>> statistics = RunningFunctionals(13, 0.02)
        >>> statistics.push(np.zeros((10, 25), np.float32))
        >>> statistics.values().shape, statistics.names[0]
        ((181,), 'f0/mean')
    """

    def __init__(
        self, n_mfcc: int, frame_period: float, names: tuple[str, ...] | None = None
    ) -> None:
        computed = functional_names(n_mfcc)
        self.names = computed if names is None else names
        self._columns = _columns(computed, self.names)
        self._n_mfcc = n_mfcc
        self._frame_period = frame_period
        self._block_frames = max(1, round(BLOCK_SECONDS / frame_period))
        self._chunks: list[np.ndarray] = []  # rows of the block in progress
        self._n_held = 0  # frames of them
        self._has_blocks = False
        self._sums = np.zeros(len(computed))  # over the frames of the complete blocks
        self._weights = np.zeros(len(computed))
        self._values: np.ndarray | None = None  # of all rows so far, once they were computed

    def push(self, rows: np.ndarray) -> None:
        """Add rows.

        Args:
            rows: MFCC and descriptors, float32 `(n_frames, n_mfcc + n_descriptors)`.
        """
        if not len(rows):
            return
        self._values = None
        while len(rows):
            if self._n_held == self._block_frames:
                self._sums, self._weights = self._with_block()
                self._chunks, self._n_held = [], 0
                self._has_blocks = True
            chunk = rows[: self._block_frames - self._n_held]
            self._chunks.append(chunk.copy())  # a view would keep the caller's rows alive
            self._n_held += len(chunk)
            rows = rows[len(chunk) :]

    def values(self) -> np.ndarray:
        """Return the statistics of all rows so far.

        Returns:
            float32 `(n_statistics,)`, in the order of `names`; NaN where there are no frames for a
            statistic.
        """
        if self._values is None:
            self._values = self._mean()[self._columns].astype(np.float32)
        return self._values

    def _mean(self) -> np.ndarray:
        """Return the mean over the blocks, including the one in progress."""
        if not self._has_blocks:
            return self._of_block() if self._n_held else np.full(len(self._sums), np.nan)
        sums, weights = self._with_block()
        with np.errstate(invalid="ignore"):
            return np.asarray(sums / weights)  # 0 / 0 is NaN

    def _of_block(self) -> np.ndarray:
        """Return the statistics of the block in progress."""
        if len(self._chunks) > 1:
            self._chunks = [np.concatenate(self._chunks)]
        (rows,) = self._chunks
        mfcc, descriptors = rows[:, : self._n_mfcc], rows[:, self._n_mfcc :]
        return functionals(descriptors, mfcc, frame_period=self._frame_period)[0]

    def _with_block(self) -> tuple[np.ndarray, np.ndarray]:
        """Return sums and weights of the statistics, including the block in progress."""
        values = self._of_block()
        weights = np.where(np.isnan(values), 0, self._n_held)
        return self._sums + np.nan_to_num(values) * weights, self._weights + weights


@functools.lru_cache(maxsize=8)
def _columns(computed: tuple[str, ...], names: tuple[str, ...]) -> np.ndarray:
    """Return the position of each name among the computed statistics."""
    positions = {name: k for k, name in enumerate(computed)}
    return np.array([positions[name] for name in names])
