"""Writers of timelines."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest

from edge_runtime.cli.timeline_output import timeline_writer
from edge_runtime.inference.prediction import NO_SPEECH, UNCERTAIN
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
    assert lines[1] == "  1:01:01.2  1:01:03.0  " + "█" * 15 + "░" * 5 + "  sad         75%"
    assert lines[2].split() == ["1:01:03.0", "1:01:04.8", "no", "speech"]
    assert lines[3] == "     0:03.5 in all: sad 50%, no speech 50%"


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
    assert sad.endswith("sad         75%  arousal  25%") and len(sad) <= 80
    assert uncertain.index("arousal  50%") == sad.index("arousal  25%")
    assert pause.endswith("no speech")
    (recording,) = json.loads(written_text[OutputFormat.json])
    assert [segment["arousal"] for segment in recording["segments"]] == [0.25, 0.5, None]
    lines = written_text[OutputFormat.jsonl].splitlines()
    assert [json.loads(line)["arousal"] for line in lines] == [0.25, 0.5, None]
    rows = list(csv.DictReader(written_text[OutputFormat.csv].splitlines()))
    assert [row["arousal"] for row in rows] == ["0.25", "0.5", ""]
    for format in (OutputFormat.srt, OutputFormat.vtt, OutputFormat.audacity):
        assert "arousal" not in written_text[format]


@pytest.mark.parametrize("width", [30, 44, 60, 61, 200])
def test_lines_fit_the_terminal(monkeypatch, width):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    lines = written(Terminal()).splitlines()
    assert lines[1].count("█") + lines[1].count("░") == min(20, max(1, width - 41))
    assert width < 42 or max(map(len, lines)) <= width
    assert " ".join(" ".join(lines[3:]).split()) == "0:03.5 in all: sad 50%, no speech 50%"


def test_json_parts_end_lines_on_terminal():
    text = written(Terminal(), OutputFormat.json, ("a.wav", "b.wav"))
    assert json.loads(text) == json.loads(
        written(io.StringIO(), OutputFormat.json, ("a.wav", "b.wav"))
    )
    assert text.startswith("[\n") and "\n, {\n" in text and text.endswith("}\n]\n")
