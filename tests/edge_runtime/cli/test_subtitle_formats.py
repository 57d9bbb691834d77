"""Segments in the formats of other programs: Audacity labels, SubRip and WebVTT."""

from __future__ import annotations

from edge_runtime import Segment
from edge_runtime.results.timelines import VTT_HEADER, as_audacity, as_srt, as_vtt

SEGMENT = Segment(3661.25, 3663.0, "sad", 0.754, {"happy": 0.246, "sad": 0.754})


def test_segment_in_each_format():
    assert as_audacity(SEGMENT) == "3661.250000\t3663.000000\tsad"
    assert as_srt(SEGMENT, 7) == "7\n01:01:01,250 --> 01:01:03,000\nsad 75%\n"
    assert VTT_HEADER + "\n" + as_vtt(SEGMENT) == (
        "WEBVTT\n\n01:01:01.250 --> 01:01:03.000\nsad 75%\n"
    )
