"""Segments as lines of the formats that other programs read."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .segments import Segment

BAR = 20  # characters that stand for a probability of 1


def as_text(segment: Segment, paint: Callable[[str, str], str]) -> str:
    """A line for people; `paint(text, label)` colours text for a label.

    >>> from edge_runtime.timeline import Segment
    >>> segment = Segment(61.5, 64.0, "sad", 0.75, {"happy": 0.25, "sad": 0.75})
    >>> as_text(segment, lambda text, label: text)
    ' 1:01.5   1:04.0  ###############       sad         75%'
    """
    times = f"{clock(segment.start):>7}  {clock(segment.end):>7}"
    if segment.label not in segment.probabilities and segment.label != "uncertain":
        return f"{times}  {'':{BAR}}  {paint(segment.label, segment.label)}"
    filled = "#" * round(BAR * segment.confidence)
    bar = paint(filled, segment.label) + " " * (BAR - len(filled))
    label = paint(f"{segment.label:<10}", segment.label)
    return f"{times}  {bar}  {label} {100 * segment.confidence:3.0f}%"


def as_audacity(segment: Segment) -> str:
    """A line of a label track: https://manual.audacityteam.org/man/importing_and_exporting_labels.html

    >>> from edge_runtime.timeline import Segment
    >>> as_audacity(Segment(1.0, 2.5, "sad", 0.75, {"sad": 0.75}))
    '1.000000\\t2.500000\\tsad'
    """
    return f"{segment.start:.6f}\t{segment.end:.6f}\t{segment.label}"


def as_srt(segment: Segment, number: int) -> str:
    """A numbered SubRip subtitle, with the empty line that ends it."""
    return f"{number}\n{_cue(segment, ',')}\n"


def as_vtt(segment: Segment) -> str:
    """A cue of WebVTT, which begins with `VTT_HEADER`: https://www.w3.org/TR/webvtt1/"""
    return f"{_cue(segment, '.')}\n"


VTT_HEADER = "WEBVTT\n"


def _cue(segment: Segment, point: str) -> str:
    return (
        f"{_exact(segment.start, point)} --> {_exact(segment.end, point)}\n"
        f"{segment.label} {100 * segment.confidence:.0f}%"
    )


def _exact(seconds: float, point: str) -> str:
    """HH:MM:SS,mmm; hours go on beyond 99."""
    milliseconds = round(1000 * seconds)
    rest, milliseconds = divmod(milliseconds, 1000)
    hours, rest = divmod(rest, 3600)
    return f"{hours:02d}:{rest // 60:02d}:{rest % 60:02d}{point}{milliseconds:03d}"


def clock(seconds: float) -> str:
    """Minutes, or hours, and tenths of seconds.

    >>> clock(59.96), clock(3725.5)
    ('1:00.0', '1:02:05.5')
    """
    tenths = round(10 * seconds)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    front = f"{hours}:{minutes:02d}" if hours else str(minutes)
    return f"{front}:{rest / 10:04.1f}"


def summary(shares: dict[str, float], seconds: float) -> str:
    """The line that says which label has how much of the time.

    >>> summary({"sad": 0.75, "no speech": 0.25}, 8.0)
    '0:08.0: sad 75%, no speech 25%'
    """
    each = ", ".join(f"{label} {100 * share:.0f}%" for label, share in shares.items())
    return f"{clock(seconds)}: {each or 'nothing'}"
