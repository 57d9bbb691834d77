"""The emotions of one stretch of speech, between two pauses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from .smoothing import EmotionSmoother

# A phrase of at most this many windows is classified as a whole.
WHOLE_WINDOWS = 1.5
# Seconds of the shortest phrase; shorter ones hold too little evidence and join the one before.
MIN_PHRASE_SECONDS = 2.0


class Cell(NamedTuple):
    """A part of a stretch with one answer.

    Attributes:
        start: Its first frame.
        end: The first frame after it.
    """

    start: int
    end: int


class StretchConfig(NamedTuple):
    """Sizes in frames.

    Attributes:
        window: Length of a window.
        hop: Length of a cell, at most `window`.
        min_phrase: Length of the shortest phrase.
    """

    window: int
    hop: int
    min_phrase: int


class Phrase:
    """Divides a phrase into cells.

    A short phrase is one cell. In a longer one, a cell has a window of several hops that is centred
    on it, and moved into the phrase at both ends, so that it never contains what lies beyond.

    Args:
        start: First frame of the phrase.
        config: The sizes.
    """

    def __init__(self, start: int, config: StretchConfig) -> None:
        self.start = start
        self._config = config
        self._max_whole = round(WHOLE_WINDOWS * config.window)
        self._next = start  # first frame of the next cell

    @property
    def first_needed(self) -> int:
        """The first frame that later cells may need."""
        return max(self.start, self._next - self._config.window)

    def advance(self, settled: int) -> Iterator[tuple[Cell, Cell]]:
        """Yield the complete cells of a phrase that lasts to `settled` or longer, with windows."""
        if settled - self.start <= self._max_whole:
            return
        window, hop = self._config.window, self._config.hop
        while settled >= self._next + (hop + max(window, 2 * hop) + 1) // 2:
            yield self._cell(self._next + hop, settled)

    def finish(self, end: int) -> Iterator[tuple[Cell, Cell]]:
        """Yield the remaining cells of a phrase up to `end`, with their windows."""
        if end - self.start <= self._max_whole:
            yield Cell(self.start, end), Cell(self.start, end)
            return
        yield from self.advance(end)
        while self._next < end:
            # The last cell takes a rest of less than half a hop.
            is_last = 2 * (end - self._next) < 3 * self._config.hop
            yield self._cell(end if is_last else self._next + self._config.hop, end)

    def _cell(self, end: int, settled: int) -> tuple[Cell, Cell]:
        cell = Cell(self._next, end)
        first = (cell.start + end) // 2 - self._config.window // 2
        first = max(self.start, min(first, settled - self._config.window))
        self._next = end
        return cell, Cell(first, min(first + self._config.window, settled))


class Stretch:
    """Divides a stretch of speech into phrases and cells, and classifies each cell.

    Args:
        start: First frame of the stretch.
        config: The sizes.
        smoother: A new smoother.
        classify: Returns the probability of each emotion in a window, `(n_labels,)`.
    """

    def __init__(
        self,
        start: int,
        config: StretchConfig,
        smoother: EmotionSmoother[Cell],
        classify: Callable[[Cell], np.ndarray],
    ) -> None:
        self._config = config
        self._smoother = smoother
        self._classify = classify
        self._phrase = Phrase(start, config)
        self._is_new = True  # the phrase has no cell yet
        # A break becomes the start of a phrase when that is long enough.
        self._break: int | None = None

    @property
    def first_needed(self) -> int:
        """The first frame that later cells may need."""
        return self._phrase.first_needed

    def divide(self, frame: int) -> Iterator[tuple[Cell, np.ndarray]]:
        """Note a break at a frame, and yield the cells before the last one."""
        yield from self._divide(frame)
        if self._break is None and frame - self._phrase.start >= self._config.min_phrase:
            self._break = frame

    def advance(self, settled: int) -> Iterator[tuple[Cell, np.ndarray]]:
        """Yield the cells that can no longer change, with the probability of each emotion.

        Args:
            settled: The stretch lasts to this frame or longer, without a break after those noted.
        """
        yield from self._divide(settled)
        if self._break is None:
            yield from self._answers(self._phrase.advance(settled))

    def finish(self, end: int) -> Iterator[tuple[Cell, np.ndarray]]:
        """Yield the remaining cells.

        Args:
            end: First frame after the stretch.
        """
        yield from self._divide(end)
        yield from self._answers(self._phrase.finish(end))
        yield from self._smoother.flush()

    def _divide(self, settled: int) -> Iterator[tuple[Cell, np.ndarray]]:
        """Start a phrase at the noted break if it lasts long enough up to `settled`."""
        start = self._break
        if start is not None and settled - start >= self._config.min_phrase:
            yield from self._answers(self._phrase.finish(start))
            self._phrase, self._is_new, self._break = Phrase(start, self._config), True, None

    def _answers(self, cells: Iterator[tuple[Cell, Cell]]) -> Iterator[tuple[Cell, np.ndarray]]:
        for cell, window in cells:
            weight = (cell.end - cell.start) / (window.end - window.start)
            probabilities = self._classify(window)
            yield from self._smoother.push(cell, probabilities, weight, self._is_new)
            self._is_new = False
