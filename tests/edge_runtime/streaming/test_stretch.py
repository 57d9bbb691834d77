"""Phrases, cells and windows of a stretch of speech."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime.streaming.smoothing import EmotionSmoother
from edge_runtime.streaming.stretch import Cell, Stretch, StretchConfig

CONFIG = StretchConfig(window=30, hop=10, min_phrase=20)


def divided(
    start: int, end: int, breaks: tuple[int, ...] = (), advance: tuple[int, ...] = ()
) -> tuple[list[Cell], list[Cell]]:
    """Return the cells of a stretch and their windows.

    Args:
        start: Its start.
        end: Its end.
        breaks: Its breaks.
        advance: Frames up to which it is processed before its end is known.
    """
    windows: list[Cell] = []

    def classify(window: Cell) -> np.ndarray:
        assert window.start >= stretch.first_needed
        windows.append(window)
        return np.array([0.6, 0.4])

    stretch = Stretch(start, CONFIG, EmotionSmoother(2, 1.0), classify)
    cells = []
    for frame, is_break in sorted([*((b, True) for b in breaks), *((a, False) for a in advance)]):
        cells += list(stretch.divide(frame) if is_break else stretch.advance(frame))
    return [cell for cell, _ in [*cells, *stretch.finish(end)]], windows


def test_short_stretch_is_one_cell():
    assert divided(5, 50) == ([Cell(5, 50)], [Cell(5, 50)])


def test_long_phrase_has_windows_within_it():
    cells, windows = divided(0, 64)
    assert cells == [Cell(0, 10), Cell(10, 20), Cell(20, 30), Cell(30, 40), Cell(40, 50), (50, 64)]
    assert windows[0] == windows[1] == Cell(0, 30)
    assert windows[2] == Cell(10, 40)
    assert windows[-1] == Cell(34, 64)


def test_phrases_are_answered_apart_if_they_are_long_enough():
    assert divided(0, 60, (30,)) == ([Cell(0, 30), Cell(30, 60)], [Cell(0, 30), Cell(30, 60)])
    for short in (10, 32):
        assert divided(0, 42, (short,))[0] == [Cell(0, 42)]
    assert divided(0, 70, (25, 35, 50))[0] == [Cell(0, 25), Cell(25, 50), Cell(50, 70)]


@settings(max_examples=100, deadline=None)
@given(
    st.integers(20, 200),
    st.sets(st.integers(1, 199), max_size=6),
    st.sets(st.integers(1, 199), max_size=20),
)
def test_cells_do_not_depend_on_when_they_are_computed(end, breaks, advance):
    breaks = tuple(sorted(b for b in breaks if b < end))
    # Frames are settled up to a break before it is noted.
    advance = tuple(sorted({a for a in advance if a <= end}))
    cells, windows = divided(0, end, breaks, advance)
    assert (cells, windows) == divided(0, end, breaks)
    assert cells[0].start == 0 and cells[-1].end == end
    assert all(a.end == b.start for a, b in zip(cells, cells[1:]))
    for cell, window in zip(cells, windows):
        assert window.start <= cell.start and cell.end <= window.end
        assert window.end - window.start <= 45
