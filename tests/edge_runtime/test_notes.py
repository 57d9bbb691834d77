"""Notes on inputs reach the logger, the terminal and, from workers, the process that waits."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest
from support import hostile
from support.command import edge_ser
from support.paths import ROOT

from edge_runtime import EmotionModel, classify_many
from edge_runtime.notes import note, notes_to

SAMPLES = bytes(40_000)


@pytest.fixture
def phone_clip(tmp_path):
    """Return a WAV whose header counts itself among the samples."""
    path = tmp_path / "phone.wav"
    path.write_bytes(hostile.wav(SAMPLES, size=len(SAMPLES) + 44))
    return path


def test_notes_are_warnings_of_the_logger(caplog):
    note("clip.wav", "is odd")
    assert caplog.record_tuples == [("edge_runtime", logging.WARNING, "clip.wav: note: is odd")]


def test_innermost_receiver_gets_the_notes(caplog):
    outer, inner = [], []
    with notes_to(outer.append):
        note("a", "1")
        with notes_to(inner.append):
            note("b", "2")
        note("c", "3")
    assert (outer, inner) == (["a: note: 1", "c: note: 3"], ["b: note: 2"])
    assert not caplog.records


@pytest.mark.parametrize("jobs", [1, 2])
def test_notes_of_workers_reach_the_caller(phone_clip, jobs):
    notes = []
    with notes_to(notes.append):
        list(classify_many(EmotionModel.load(), [phone_clip], jobs=jobs))
    assert notes == [
        f"{phone_clip}: note: the header declares 40044 bytes of samples, the file has 40000"
    ]


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["--quiet"], ["--timeline"], ["--jobs", "2"]], ids=str)
def test_command_prints_one_line_for_a_note(phone_clip, options):
    done = edge_ser("classify", *options, phone_clip)
    assert done.returncode == 0
    assert done.stderr == (
        f"edge-ser: {phone_clip}: note: the header declares 40044 bytes of samples, the file has "
        "40000\n"
    )


def test_logging_is_imported_only_for_notes():
    code = (
        "import sys; from edge_runtime import read_audio\n"
        "read_audio('samples/sad/1013_ITH_SAD_XX.wav')\n"
        "print([name for name in ('logging', 'soundfile', 'av') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
