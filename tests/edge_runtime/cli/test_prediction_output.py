"""Writers of predictions, with unusual file names and after interruptions."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import pytest

from edge_runtime import Prediction
from edge_runtime.cli.output import format_of
from edge_runtime.cli.prediction_output import prediction_writer
from edge_runtime.errors import ConfigError
from edge_runtime.results.writer import OutputFormat

NAMES = [
    "plain.wav",
    'a "quoted", name.wav',
    "two\nlines\r.wav",
    "tab\t;.wav",
    "\u2028ünï 语.wav",
    "cr\r.wav",
    os.fsdecode(b"\xff.wav"),
    "=1+1.wav",
]
PREDICTION = Prediction("low", 0.75, {"low": 0.75, "high": 0.25})


def written(format: OutputFormat, encoding: str, names=NAMES, close=True) -> bytes:
    buffer = io.BytesIO()
    file = io.TextIOWrapper(buffer, encoding=encoding, errors="backslashreplace", newline="")
    writer = prediction_writer(format, file, ("low", "high"))
    for name in names:
        writer.add(name, PREDICTION)
    if close:
        writer.close()
    file.flush()
    return buffer.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_json_and_jsonl_preserve_names(encoding):
    rows = json.loads(written(OutputFormat.json, encoding).decode(encoding))
    lines = written(OutputFormat.jsonl, encoding).decode(encoding).split("\n")
    assert [row["file"] for row in rows] == NAMES
    assert [json.loads(line) for line in lines[:-1]] == rows
    assert rows[0] == {
        "file": "plain.wav",
        "label": "low",
        "status": "emotion",
        "guess": "low",
        "confidence": 0.75,
        "probabilities": {"low": 0.75, "high": 0.25},
        "arousal": None,
    }


def test_csv_preserves_names():
    rows = list(csv.reader(io.StringIO(written(OutputFormat.csv, "utf-8").decode(), newline="")))
    assert rows[0] == [
        *("file", "label", "status", "guess", "confidence", "low", "high", "arousal")
    ]
    assert [row[0] for row in rows[1:]] == [name.replace("\udcff", "\\udcff") for name in NAMES]
    assert all(row[1:] == ["low", "emotion", "low", "0.75", "0.75", "0.25", ""] for row in rows[1:])


def test_uncertain_answer_has_a_guess_and_no_label():
    file = io.StringIO()
    for format in (OutputFormat.jsonl, OutputFormat.csv):
        prediction_writer(format, file, ("low", "high")).add(
            "a.wav", Prediction("uncertain", 0.75, PREDICTION.probabilities)
        )
    line, _, row = file.getvalue().splitlines()
    assert json.loads(line) == {
        "file": "a.wav",
        "label": None,
        "status": "uncertain",
        "guess": "low",
        "confidence": None,
        "probabilities": PREDICTION.probabilities,
        "arousal": None,
    }
    assert row == "a.wav,,uncertain,low,,0.75,0.25,"


def test_no_speech_has_only_a_status():
    file = io.StringIO()
    prediction = Prediction("no speech", 0.75, PREDICTION.probabilities, arousal=0.5)
    for format in (OutputFormat.jsonl, OutputFormat.csv):
        prediction_writer(format, file, ("low", "high")).add("a.wav", prediction)
    line, _, row = file.getvalue().splitlines()
    values = json.loads(line)
    assert (values.pop("file"), values.pop("status")) == ("a.wav", "no speech")
    assert set(values.values()) == {None}
    assert row == "a.wav,,no speech,,,,,"


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("low", "a.wav: low  (low  75%  high  25%)  arousal  82%"),
        ("uncertain", "a.wav: uncertain (low?)  (low  75%  high  25%)  arousal  82%"),
    ],
)
def test_arousal_is_in_every_format(label, text):
    prediction = Prediction(label, 0.75, PREDICTION.probabilities, 0.8212345678)
    files = {}
    for format in (OutputFormat.text, OutputFormat.json, OutputFormat.jsonl, OutputFormat.csv):
        files[format.value] = io.StringIO()
        writer = prediction_writer(format, files[format.value], ("low", "high"))
        writer.add("a.wav", prediction)
        writer.close()
    written_text = {name: file.getvalue() for name, file in files.items()}
    assert written_text["text"] == text + "\n"
    assert json.loads(written_text["json"])[0]["arousal"] == 0.821235
    assert json.loads(written_text["jsonl"])["arousal"] == 0.821235
    header, row = csv.reader(written_text["csv"].splitlines())
    assert dict(zip(header, row))["arousal"] == "0.821235"


def test_json_equals_dumped_list():
    rows = json.loads(written(OutputFormat.json, "utf-8"))
    assert written(OutputFormat.json, "ascii").decode() == json.dumps(rows, indent=2) + "\n"
    assert json.loads(written(OutputFormat.json, "utf-8", [])) == []


def test_json_parts_end_lines_on_terminal():
    """Errors and the progress bar appear between the parts."""

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    file, parts = Terminal(), []
    writer = prediction_writer(OutputFormat.json, file, ("low", "high"))
    for name in ("a.wav", "b.wav"):
        parts.append(file.getvalue())
        writer.add(name, PREDICTION)
    parts.append(file.getvalue())
    writer.close()
    assert all(part.endswith("\n") for part in parts if part)
    assert [row["file"] for row in json.loads(file.getvalue())] == ["a.wav", "b.wav"]
    empty = Terminal()
    prediction_writer(OutputFormat.json, empty, ("low", "high")).close()
    assert json.loads(empty.getvalue()) == []


def test_text_is_one_line_per_file():
    lines = written(OutputFormat.text, "utf-8").decode().splitlines()
    assert len(lines) == len(NAMES)
    assert lines[0] == "plain.wav: low  (low  75%  high  25%)"


def test_columns_and_colours_keep_the_words():
    file = io.StringIO()
    writer = prediction_writer(
        OutputFormat.text, file, ("low", "high"), colours=True, names=["a", "long name"]
    )
    writer.add("a", PREDICTION)
    writer.add("long name", Prediction("uncertain", 0.75, PREDICTION.probabilities))
    first, second = file.getvalue().splitlines()
    assert first.index("\033[1mlow") == second.index("\033[2muncertain")
    assert "\033[0m  (low  75%" in first


@pytest.mark.parametrize(
    ("name", "format", "expected"),
    [
        ("a.json", None, "json"),
        ("a.JSONL", None, "jsonl"),
        ("a.csv", None, "csv"),
        ("a.txt", None, "text"),
        ("a", None, "text"),
        ("a.csv", "json", "json"),
        (None, None, "text"),
        (None, "csv", "csv"),
        ("a.xls", "csv", "csv"),
    ],
)
def test_format_follows_suffix(name, format, expected):
    assert format_of(name and Path(name), format and OutputFormat(format)) is OutputFormat(expected)


def test_unknown_suffix_is_rejected():
    with pytest.raises(ConfigError, match=r"a\.xls: expected a name that ends in \.json"):
        format_of(Path("a.xls"), None)
