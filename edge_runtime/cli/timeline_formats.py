"""Segments as lines of the formats that other programs read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .prediction_output import confidence_of

if TYPE_CHECKING:
    from ..streaming.segments import Segment


def as_audacity(segment: Segment) -> str:
    """A line of a label track: https://manual.audacityteam.org/man/importing_and_exporting_labels.html

    >>> from edge_runtime.streaming.timeline import Segment
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
    confidence = confidence_of(segment)
    share = "" if confidence is None else f" {100 * confidence:.0f}%"
    return (
        f"{_exact(segment.start, point)} --> {_exact(segment.end, point)}\n{segment.label}{share}"
    )


def _exact(seconds: float, point: str) -> str:
    """HH:MM:SS,mmm; hours go on beyond 99."""
    milliseconds = round(1000 * seconds)
    rest, milliseconds = divmod(milliseconds, 1000)
    hours, rest = divmod(rest, 3600)
    return f"{hours:02d}:{rest // 60:02d}:{rest % 60:02d}{point}{milliseconds:03d}"
