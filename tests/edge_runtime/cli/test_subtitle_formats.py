"""Segments in the formats of other programs: Audacity, SubRip, WebVTT, RTTM and TextGrids."""

from __future__ import annotations

import pytest

from edge_runtime import Segment
from edge_runtime.results.segment_formats import (
    VTT_HEADER,
    as_audacity,
    as_rttm,
    as_srt,
    as_textgrid,
    as_vtt,
)

SEGMENT = Segment(3661.25, 3663.0, "sad", 0.754, {"happy": 0.246, "sad": 0.754})


def test_segment_in_each_format():
    assert as_audacity(SEGMENT) == "3661.250000\t3663.000000\tsad"
    assert as_srt(SEGMENT, 7) == "7\n01:01:01,250 --> 01:01:03,000\nsad 75%\n"
    assert VTT_HEADER + "\n" + as_vtt(SEGMENT) == (
        "WEBVTT\n\n01:01:01.250 --> 01:01:03.000\nsad 75%\n"
    )


def test_rttm_is_read_as_turns():
    from edge_runtime.attach.rttm import RttmTranscript

    unsure = Segment(3663.0, 3664.0, "uncertain", 0.5, {"happy": 0.5, "sad": 0.5})
    lines = [as_rttm(SEGMENT, "/calls/my call.wav", 2), as_rttm(unsure, "/calls/my call.wav")]
    assert all(len(line.split()) == 10 for line in lines)
    assert lines[1].endswith("<NA> <NA> uncertain <NA> <NA>")
    cues = RttmTranscript("\n".join(lines), "my_call").cues
    assert cues == [(3661.25, 3663.0, "sad", 2), (3663.0, 3664.0, "uncertain", 1)]


def test_textgrid_is_read_by_praatio(tmp_path):
    textgrids = pytest.importorskip("praatio.textgrid")
    pause = Segment(0.0, 3661.25, "no speech", 0.5, {"happy": 0.5, "sad": 0.5})
    path = tmp_path / "a.TextGrid"
    path.write_text(as_textgrid([pause, SEGMENT]))
    tier = textgrids.openTextgrid(str(path), includeEmptyIntervals=True).getTier("emotion")
    assert [tuple(entry) for entry in tier.entries] == [
        (0.0, 3661.25, ""),
        (3661.25, 3663.0, "sad"),
    ]
