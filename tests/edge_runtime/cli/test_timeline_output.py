"""Writers of timelines."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from edge_runtime.cli.timeline_output import timeline_writer
from edge_runtime.inference.prediction import NO_SPEECH, UNCERTAIN
from edge_runtime.results.timelines import Channel
from edge_runtime.results.writer import OutputFormat
from edge_runtime.streaming.segments import Segment

LABELS = ("happy", "sad")
SAD = Segment(3661.25, 3663.0, "sad", 0.75, {"happy": 0.25, "sad": 0.75})
PAUSE = Segment(3663.0, 3664.75, NO_SPEECH, 0.5, {"happy": 0.5, "sad": 0.5})


class Terminal(io.StringIO):
    def __init__(self, encoding="utf-8"):
        super().__init__()
        self.encoding_name = encoding

    @property
    def encoding(self):
        return self.encoding_name

    def isatty(self):
        return True


def written(file, format=OutputFormat.text, names=("a.wav",)):
    out = timeline_writer(format, file, LABELS)
    for name in names:
        out.begin(name)
        out.add(SAD)
        out.add(PAUSE)
        out.end()
    out.close()
    return file.getvalue()


def test_text_has_segments_and_shares(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    lines = written(Terminal()).splitlines()
    assert lines[0] == "a.wav"
    assert lines[1] == "   1:01:01.2   1:01:03.0  " + "█" * 15 + "░" * 5 + "  sad            75%"
    assert lines[2].split() == ["1:01:03.0", "1:01:04.8", "no", "speech"]
    assert lines[3:] == [
        "  1:01:04.8 in all, 0:01.8 of speech: sad 100%",
        "  longest emotion: sad for 0:01.8, from 1:01:01.2",
        "  first 20%: no speech",
        "  last 20%: sad 100%",
    ]


def test_text_in_a_file_has_no_bars_and_no_indentation():
    assert written(io.StringIO()).splitlines()[:3] == [
        "a.wav",
        "01:01:01.2  01:01:03.0  sad            75%",
        "01:01:03.0  01:01:04.8  no speech",
    ]


def test_clock_times_are_in_every_format_with_rows():
    start = datetime(2026, 3, 1, 22, 58, 58, tzinfo=timezone.utc)
    begin, end = "2026-03-01T23:59:59.250+00:00", "2026-03-02T00:00:01.000+00:00"
    texts = {}
    for format in (OutputFormat.text, OutputFormat.json, OutputFormat.jsonl, OutputFormat.csv):
        file = io.StringIO()
        out = timeline_writer(format, file, LABELS, has_times=True)
        out.begin("a.wav", Channel("left", 1), start)
        out.add(SAD)
        out.end()
        out.close()
        texts[format] = file.getvalue()
    assert texts[OutputFormat.text].splitlines()[:2] == [
        "a.wav, left, 2026-03-01 22:58:58+00:00",
        "23:59:59.2  00:00:01.0  sad            75%",
    ]
    (recording,) = json.loads(texts[OutputFormat.json])
    assert recording["start_time"] == "2026-03-01T22:58:58.000+00:00"
    rows = [recording["segments"][0], json.loads(texts[OutputFormat.jsonl].splitlines()[0])]
    rows.append(next(csv.DictReader(texts[OutputFormat.csv].splitlines())))
    assert [(row["start_time"], row["end_time"]) for row in rows] == [(begin, end)] * 3


def test_summary_is_in_every_format_that_can_hold_it():
    segments = [
        Segment(0.0, 4.0, "sad", 0.75, {"happy": 0.25, "sad": 0.75}, 0.2),
        Segment(4.0, 6.0, NO_SPEECH, 0.5, {"happy": 0.5, "sad": 0.5}),
        Segment(6.0, 9.0, "happy", 0.75, {"happy": 0.75, "sad": 0.25}, 0.8),
        Segment(9.0, 10.0, UNCERTAIN, 0.5, {"happy": 0.5, "sad": 0.5}, 0.6),
    ]
    texts = {}
    for format in OutputFormat:
        file = io.StringIO()
        out = timeline_writer(format, file, LABELS)
        out.begin("a.wav")
        for segment in segments:
            out.add(segment)
        out.end(complete=False)
        out.close()
        texts[format] = file.getvalue()
    (recording,) = json.loads(texts[OutputFormat.json])
    summary = recording["summary"]
    assert (recording["seconds"], recording["complete"]) == (10.0, False)
    assert summary["speech_seconds"] == 8.0
    assert summary["shares"] == {"happy": 0.375, "sad": 0.5, "uncertain": 0.125}
    assert summary["arousal"] == pytest.approx((4 * 0.2 + 3 * 0.8 + 0.6) / 8)
    assert summary["longest"] == {"label": "sad", "start": 0.0, "end": 4.0}
    assert summary["first_20_percent"]["shares"] == {"happy": 0.0, "sad": 1.0, "uncertain": 0.0}
    assert summary["last_20_percent"]["shares"] == {"happy": 0.5, "sad": 0.0, "uncertain": 0.5}
    *_, last = map(json.loads, texts[OutputFormat.jsonl].splitlines())
    assert last == {"row": "summary", **{k: v for k, v in recording.items() if k != "segments"}}
    *_, row = csv.DictReader(texts[OutputFormat.csv].splitlines())
    assert (row["row"], row["end"], row["label"], row["complete"]) == (
        "summary",
        "10.0",
        "",
        "false",
    )
    assert (row["speech_seconds"], row["share_sad"], row["longest_label"]) == ("8.0", "0.5", "sad")
    assert (row["first_share_sad"], row["last_share_uncertain"]) == ("1.0", "0.5")
    lines = (
        "0:10.0 until it broke off, 0:08.0 of speech: sad 50%, happy 38%, uncertain 12%; arousal"
    )
    assert lines in texts[OutputFormat.text] and "NOTE\n" + lines in texts[OutputFormat.vtt]
    for format in (OutputFormat.srt, OutputFormat.audacity, OutputFormat.rttm):
        assert "of speech" not in texts[format]


def test_summary_without_speech_is_empty():
    out = timeline_writer(OutputFormat.csv, file := io.StringIO(), LABELS)
    out.begin("a.wav")
    out.add(PAUSE)
    out.end()
    *_, row = csv.DictReader(file.getvalue().splitlines())
    assert (row["speech_seconds"], row["share_sad"], row["mean_arousal"]) == ("0.0", "", "")


def test_terminal_has_colours_and_ascii_fallback(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    text = written(Terminal("ascii"))
    assert text.isascii()
    assert "\x1b[33m" + "#" * 15 + "." * 5 + "\x1b[0m" in text
    assert "\x1b" not in written(io.StringIO())


@pytest.mark.parametrize("names", [(), ("a.wav",), ("a.wav", "ü.wav")], ids=str)
def test_json_for_any_number_of_recordings(names):
    rows = json.loads(written(Terminal(), OutputFormat.json, names))
    assert [row["file"] for row in rows] == list(names)
    ascii_only = written(Terminal("latin-1"), OutputFormat.json, names)
    assert ascii_only.isascii() and json.loads(ascii_only) == rows


SEGMENTS = [
    replace(SAD, arousal=0.25),
    Segment(3663.0, 3664.0, UNCERTAIN, 0.5, {"happy": 0.5, "sad": 0.5}, 0.5),
    PAUSE,
]


def test_arousal_is_in_text_json_and_csv(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    written_text = {}
    for format in OutputFormat:
        file = Terminal()
        out = timeline_writer(format, file, LABELS, has_arousal=True)
        out.begin("a.wav")
        for segment in SEGMENTS:
            out.add(segment)
        out.end()
        out.close()
        written_text[format] = file.getvalue()
    _, sad, uncertain, pause, *_ = written_text[OutputFormat.text].splitlines()
    assert sad.endswith("sad            75%  arousal  25%") and len(sad) <= 80
    assert uncertain.index("arousal  50%") == sad.index("arousal  25%")
    assert "uncertain (happy?)" in uncertain
    assert pause.endswith("no speech")
    (recording,) = json.loads(written_text[OutputFormat.json])
    assert [segment["arousal"] for segment in recording["segments"]] == [0.25, 0.5, None]
    lines = written_text[OutputFormat.jsonl].splitlines()
    assert [json.loads(line)["arousal"] for line in lines[:-1]] == [0.25, 0.5, None]
    rows = list(csv.DictReader(written_text[OutputFormat.csv].splitlines()))
    assert [row["arousal"] for row in rows] == ["0.25", "0.5", "", ""]
    for format in (OutputFormat.srt, OutputFormat.audacity):
        assert "arousal" not in written_text[format]


@pytest.mark.parametrize("width", [30, 44, 60, 61, 200])
def test_lines_fit_the_terminal(monkeypatch, width):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    lines = written(Terminal()).splitlines()
    assert lines[1].count("█") + lines[1].count("░") == min(20, max(1, width - 46))
    assert width < 47 or max(map(len, lines)) <= width
    assert " ".join(" ".join(lines[3:]).split()).startswith(
        "1:01:04.8 in all, 0:01.8 of speech: sad"
    )


def test_json_parts_end_lines_on_terminal():
    text = written(Terminal(), OutputFormat.json, ("a.wav", "b.wav"))
    assert json.loads(text) == json.loads(
        written(io.StringIO(), OutputFormat.json, ("a.wav", "b.wav"))
    )
    assert text.startswith("[\n") and "\n, {\n" in text and text.endswith("}\n]\n")
