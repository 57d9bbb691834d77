"""Terminal output and interruptions."""

from __future__ import annotations

import io
import signal

import pytest

from edge_runtime import AudioError
from edge_runtime.cli.terminal import Interruption, print_error, wrap_hanging


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_error_after_swallowed_interruption_is_not_printed(capsys):
    with Interruption():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        for _ in range(2):  # it is remembered
            with pytest.raises(KeyboardInterrupt):
                print_error(AudioError("a.wav: is damaged"))
    with Interruption():
        print_error(AudioError("a.wav: is damaged"))
    assert capsys.readouterr().err == "edge-ser: a.wav: is damaged\n"


def test_interruption_in_finalizer_prints_no_traceback(capsys):
    class Slow:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    with Interruption():
        del [Slow()][0]
        with pytest.raises(KeyboardInterrupt):
            Interruption.check()
    assert capsys.readouterr().err == ""


def test_wrap_hanging_indents_on_terminals_only(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    text = "name    some words that are many\nfile    /a/path/that-is-never-broken.wav"
    assert wrap_hanging(text, 8, io.StringIO()) == text
    assert wrap_hanging(text, 8, Terminal()).splitlines() == [
        "name    some words",
        "        that are",
        "        many",
        "file",
        "        /a/path/that-is-never-broken.wav",
    ]
