"""Segments as lines of label tracks, subtitles, RTTM and TextGrids."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..inference.prediction import NO_SPEECH
from .rows import answer_text, confidence_of

if TYPE_CHECKING:
    from ..streaming.segments import Segment

VTT_HEADER = "WEBVTT\n"


def as_audacity(segment: Segment) -> str:
    r"""Return a line of a label track.

    https://manual.audacityteam.org/man/importing_and_exporting_labels.html

    Example:
        >>> from edge_runtime.streaming.segments import Segment
        >>> as_audacity(Segment(1.0, 2.5, "sad", 0.75, {"sad": 0.75}))
        '1.000000\t2.500000\tsad'
    """
    return f"{segment.start:.6f}\t{segment.end:.6f}\t{answer_text(segment)}"


def as_srt(segment: Segment, number: int) -> str:
    """Return a SubRip subtitle, without the empty line after it.

    Args:
        segment: The segment.
        number: Number of the subtitle, from 1.
    """
    return f"{number}\n{_cue(segment, ',')}\n"


def as_vtt(segment: Segment) -> str:
    """Return a WebVTT cue, without the empty line after it.

    The file begins with `VTT_HEADER`: https://www.w3.org/TR/webvtt1/
    """
    return f"{_cue(segment, '.')}\n"


def as_rttm(segment: Segment, name: str, channel: int = 1) -> str:
    """Return a line of RTTM.

    https://www.nist.gov/system/files/documents/itl/iad/mig/KWS15-evalplan-v05.pdf, appendix

    Args:
        segment: The segment.
        name: Name of the recording; its stem is the second field.
        channel: Its channel, counted from 1.

    Example:
        >>> from edge_runtime.streaming.segments import Segment
        >>> as_rttm(Segment(1.0, 2.5, "sad", 0.75, {"sad": 0.75}), "calls/a b.wav")
        'SPEAKER a_b 1 1.000 1.500 <NA> <NA> sad 0.750 <NA>'
    """
    stem = re.sub(r"\s", "_", os.path.splitext(os.path.basename(name))[0]) or "audio"
    times = f"{segment.start:.3f} {segment.end - segment.start:.3f}"
    confidence = confidence_of(segment)
    share = "<NA>" if confidence is None else f"{confidence:.3f}"
    label = re.sub(r"\s", "_", segment.label)
    return f"SPEAKER {stem} {channel} {times} <NA> <NA> {label} {share} <NA>"


def as_textgrid(segments: Sequence[Segment]) -> str:
    """Return a TextGrid with the tier `emotion`.

    https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html

    Args:
        segments: All segments of a recording, without gaps.
    """
    end = f"{segments[-1].end:.6f}" if segments else "0"
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {end}",
        "tiers? <exists>",
        "size = 1",
        "item []:",
        "    item [1]:",
        '        class = "IntervalTier"',
        '        name = "emotion"',
        "        xmin = 0",
        f"        xmax = {end}",
        f"        intervals: size = {len(segments)}",
    ]
    for number, segment in enumerate(segments, 1):
        text = "" if segment.label == NO_SPEECH else segment.label.replace('"', '""')
        lines += [
            f"        intervals [{number}]:",
            f"            xmin = {segment.start:.6f}",
            f"            xmax = {segment.end:.6f}",
            f'            text = "{text}"',
        ]
    return "\n".join(lines) + "\n"


def _cue(segment: Segment, decimal_mark: str) -> str:
    confidence = confidence_of(segment)
    percent = "" if confidence is None else f" {100 * confidence:.0f}%"
    start, end = (_cue_time(t, decimal_mark) for t in (segment.start, segment.end))
    return f"{start} --> {end}\n{answer_text(segment)}{percent}"


def _cue_time(seconds: float, decimal_mark: str) -> str:
    """Return HH:MM:SS,mmm; hours may exceed 99."""
    rest, milliseconds = divmod(round(1000 * seconds), 1000)
    hours, rest = divmod(rest, 3600)
    return f"{hours:02d}:{rest // 60:02d}:{rest % 60:02d}{decimal_mark}{milliseconds:03d}"
