"""Writers of live events."""

from __future__ import annotations

import io
import json
import sys
from datetime import datetime, timedelta

import pytest

from edge_runtime import ConfigError, ListenEvent, Prediction
from edge_runtime.cli.clock_times import StreamClock
from edge_runtime.cli.event_output import JsonEventWriter, TextEventWriter

PREDICTION = Prediction("sad", 0.8, {"angry": 0.2, "sad": 0.8})
EVENTS = [
    ListenEvent("start", 1.0, 2.0, PREDICTION),
    ListenEvent("update", 1.0, 2.5, PREDICTION),
    ListenEvent("end", 1.0, 3.0, PREDICTION),
    ListenEvent("overrun", 4.0, 4.25, None),
]


@pytest.mark.parametrize("updates", [True, False])
def test_json_has_events_with_or_without_updates(capsys, updates):
    output = JsonEventWriter(updates, StreamClock(None))
    for event in EVENTS:
        output.add(event)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    expected = [event for event in EVENTS if updates or event.kind != "update"]
    assert [(row["event"], row["start"], row["end"]) for row in rows] == [
        (event.kind, event.start, event.end) for event in expected
    ]
    assert rows[0]["probabilities"] == PREDICTION.probabilities
    assert rows[0]["label"] == "sad" and rows[0]["confidence"] == 0.8
    assert rows[0]["arousal"] is None
    assert rows[-1] == {"event": "overrun", "start": 4.0, "end": 4.25, "seconds": 0.25}


def test_clock_times_are_added(capsys):
    clock = StreamClock("2026-03-01T23:59:58Z")
    JsonEventWriter(True, clock).add(EVENTS[2])
    TextEventWriter(("angry", "sad"), clock).add(EVENTS[2])
    line, text = capsys.readouterr().out.splitlines()
    row = json.loads(line)
    assert (row["start_time"], row["end_time"]) == (
        "2026-03-01T23:59:59.000+00:00",
        "2026-03-02T00:00:01.000+00:00",
    )
    assert text.startswith("23:59:59.0 – 00:00:01.0  sad")


def test_now_is_when_the_first_audio_began():
    clock = StreamClock("now")
    assert clock.start_time is None
    before = datetime.now().astimezone()
    clock.begin(2.0)
    start = clock.start_time
    assert before - timedelta(seconds=2) <= start <= datetime.now().astimezone()
    clock.begin(1.0)
    assert clock.start_time == start
    with pytest.raises(ConfigError, match="or now"):
        StreamClock("then")


def test_text_has_ends_and_losses(capsys):
    output = TextEventWriter(("angry", "sad"), StreamClock(None))
    for event in EVENTS:
        output.add(event)
        output.show_level(event.end, -20.0)
    output.close()
    first, second = capsys.readouterr().out.splitlines()
    assert "0:03.0  sad" in first and "sad  80%" in first
    assert "0.25 s of audio were lost" in second


def test_arousal_follows_the_probabilities(capsys):
    prediction = Prediction("uncertain", 0.5, {"angry": 0.5, "sad": 0.5}, arousal=0.9)
    event = ListenEvent("end", 1.0, 3.0, prediction)
    JsonEventWriter(True, StreamClock(None)).add(event)
    TextEventWriter(("angry", "sad"), StreamClock(None)).add(event)
    line, text = capsys.readouterr().out.splitlines()
    assert json.loads(line)["arousal"] == 0.9
    assert text.endswith("(angry  50%  sad  50%)  arousal  90%")


def test_terminal_without_unicode_gets_ascii(monkeypatch):
    screen = Terminal(encoding="ascii")
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("TERM", "xterm")
    TextEventWriter(("angry", "sad"), StreamClock(None)).show_level(1.0, -30.0)
    assert "#####....." in screen.text()


class Terminal(io.TextIOWrapper):
    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding)

    def isatty(self) -> bool:
        return True

    def text(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)


@pytest.mark.parametrize("no_color", ["", "1"])
def test_terminal_has_live_line_and_permanent_lines(monkeypatch, no_color):
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setenv("COLUMNS", "60")
    lines = TextEventWriter(("angry", "sad"), StreamClock(None))
    lines.show_level(1.0, -30.0)
    lines.add(ListenEvent("start", 1.0, 2.0, PREDICTION))
    lines.show_level(2.0, -30.0)
    lines.add(ListenEvent("end", 1.0, 3723.4, PREDICTION))
    lines.close()
    text = screen.text()
    assert ("\x1b[33m" in text) == (not no_color)
    plain = text.replace("\x1b[33m", "").replace("\x1b[0m", "")
    drawn = plain.split("\r")
    assert "0:01.0  █████░░░░░  listening\x1b[K" in drawn
    assert all(len(line.replace("\x1b[K", "")) < 60 for line in drawn)
    assert plain.count("\n") == 1
    assert "0:01.0 – 1:02:03.4  sad" in plain
    assert plain.endswith("\r\x1b[K")
