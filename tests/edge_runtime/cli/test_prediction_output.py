"""Formats that programs read: whatever a file is called, and wherever Ctrl-C comes."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path

import pytest

from edge_runtime import Prediction
from edge_runtime.cli.prediction_output import Format, PredictionWriter, format_of
from edge_runtime.errors import ConfigError

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


def written(format: Format, encoding: str, names=NAMES, close=True) -> bytes:
    buffer = io.BytesIO()
    file = io.TextIOWrapper(buffer, encoding=encoding, errors="backslashreplace", newline="")
    answers = PredictionWriter(format, file, ("low", "high"))
    for name in names:
        answers.add(name, PREDICTION)
    if close:
        answers.close()
    file.flush()
    return buffer.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_json_and_jsonl_give_every_name_back(encoding):
    rows = json.loads(written(Format.json, encoding).decode(encoding))
    lines = written(Format.jsonl, encoding).decode(encoding).split("\n")
    assert [row["file"] for row in rows] == NAMES
    assert [json.loads(line) for line in lines[:-1]] == rows
    assert rows[0] == {
        "file": "plain.wav",
        "label": "low",
        "confidence": 0.75,
        "probabilities": {"low": 0.75, "high": 0.25},
    }


def test_csv_gives_every_name_back_that_is_text():
    rows = list(csv.reader(io.StringIO(written(Format.csv, "utf-8").decode(), newline="")))
    assert rows[0] == ["file", "label", "confidence", "low", "high"]
    assert [row[0] for row in rows[1:]] == [name.replace("\udcff", "\\udcff") for name in NAMES]
    assert all(row[1:] == ["low", "0.75", "0.75", "0.25"] for row in rows[1:])


@pytest.mark.parametrize("label", ["uncertain", "no speech"])
def test_what_is_no_emotion_has_no_confidence_but_the_probabilities_of_all(label):
    file = io.StringIO()
    for format in (Format.jsonl, Format.csv):
        PredictionWriter(format, file, ("low", "high")).add(
            "a.wav", Prediction(label, 0.75, PREDICTION.probabilities)
        )
    line, _, row = file.getvalue().splitlines()
    assert json.loads(line) == {
        "file": "a.wav",
        "label": label,
        "confidence": None,
        "probabilities": PREDICTION.probabilities,
    }
    assert row == f"a.wav,{label},,0.75,0.25"


def test_json_is_what_a_list_of_all_answers_would_be():
    rows = json.loads(written(Format.json, "utf-8"))
    assert written(Format.json, "ascii").decode() == json.dumps(rows, indent=2) + "\n"
    assert json.loads(written(Format.json, "utf-8", [])) == []


def test_on_a_terminal_every_part_of_a_list_ends_its_line():
    """For the errors and the progress bar that are shown between the parts."""

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    file, parts = Terminal(), []
    answers = PredictionWriter(Format.json, file, ("low", "high"))
    for name in ("a.wav", "b.wav"):
        parts.append(file.getvalue())
        answers.add(name, PREDICTION)
    parts.append(file.getvalue())
    answers.close()
    assert all(part.endswith("\n") for part in parts if part)
    assert [row["file"] for row in json.loads(file.getvalue())] == ["a.wav", "b.wav"]
    empty = Terminal()
    PredictionWriter(Format.json, empty, ("low", "high")).close()
    assert json.loads(empty.getvalue()) == []


def test_text_is_one_line_a_file():
    lines = written(Format.text, "utf-8").decode().splitlines()
    assert len(lines) == len(NAMES)
    assert lines[0] == "plain.wav: low  (low  75%  high  25%)"


def test_columns_and_colours_do_not_change_the_words():
    file = io.StringIO()
    answers = PredictionWriter(
        Format.text, file, ("low", "high"), colours=True, names=["a", "long name"]
    )
    answers.add("a", PREDICTION)
    answers.add("long name", Prediction("uncertain", 0.75, PREDICTION.probabilities))
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
def test_the_format_follows_the_suffix(name, format, expected):
    assert format_of(name and Path(name), format and Format(format)) is Format(expected)


def test_an_unknown_suffix_is_refused():
    with pytest.raises(ConfigError, match=r"a\.xls: wanted a name that ends in \.json"):
        format_of(Path("a.xls"), None)
