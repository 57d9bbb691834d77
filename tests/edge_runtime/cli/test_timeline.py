"""`edge-ser classify --timeline` as a process."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from edge_runtime import EmotionModel

RATE = 16_000


def edge_ser(*arguments, **options):
    return subprocess.run(
        [sys.executable, "-m", "edge_runtime", "classify", *map(str, arguments)],
        capture_output=True,
        **{"text": True, **options},
    )


@pytest.fixture(scope="module")
def call(tmp_path_factory, voice_clips):
    """Voices with pauses between them."""
    path = tmp_path_factory.mktemp("calls") / "a call.wav"
    pause = np.zeros(2 * RATE, np.float32)
    soundfile.write(path, np.concatenate([x for clip in voice_clips for x in (clip, pause)]), RATE)
    return path


@pytest.fixture(scope="module")
def segments(call):
    return list(EmotionModel.load().timeline(call))


@pytest.mark.slow
def test_all_formats_equal_python_api(call, segments):
    def answer(format):
        done = edge_ser("--timeline", "--format", format, call)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    expected = [(round(s.start, 3), round(s.end, 3), s.label) for s in segments]

    def triple(row):
        return float(row["start"]), float(row["end"]), row["label"] or row["status"]

    rows = [json.loads(line) for line in answer("jsonl").splitlines()]
    assert [triple(row) for row in rows] == expected
    assert {row["file"] for row in rows} == {str(call)}
    (whole,) = json.loads(answer("json"))
    assert [triple(row) for row in whole["segments"]] == expected
    assert sum(whole["shares"].values()) == pytest.approx(1, abs=1e-5)
    assert whole["seconds"] == pytest.approx(segments[-1].end, abs=1e-3)
    table = list(csv.DictReader(io.StringIO(answer("csv"))))
    assert [triple(row) for row in table] == expected
    track = [line.split("\t") for line in answer("audacity").splitlines()]
    assert [
        (round(float(start), 3), round(float(end), 3), label.partition(" (")[0])
        for start, end, label in track
    ] == expected
    spoken = [s for s in segments if s.label != "no speech"]
    srt = answer("srt").strip().split("\n\n")
    assert [cue.splitlines()[0] for cue in srt] == [str(k + 1) for k in range(len(spoken))]
    vtt = answer("vtt")
    assert vtt.startswith("WEBVTT\n\n") and vtt.count(" --> ") == len(spoken)
    text = answer("text").splitlines()
    assert text[0] == str(call) and " in all: " in text[-1] and len(text) == len(segments) + 2


@pytest.mark.slow
def test_output_suffix_and_window_options(call, tmp_path):
    out = tmp_path / "call.srt"
    done = edge_ser("-t", call, "-o", out, "--window", 2, "--hop", 0.5)
    assert (done.returncode, done.stdout) == (0, "")
    expected = [
        s for s in EmotionModel.load().timeline(call, window=2.0, hop=0.5) if s.label != "no speech"
    ]
    assert out.read_text().count(" --> ") == len(expected)
    again = edge_ser("-t", call, "-o", out)
    assert again.returncode == 2 and "exists already" in again.stderr


@pytest.mark.slow
def test_plot_is_drawn_in_addition(call, tmp_path):
    pytest.importorskip("matplotlib")
    picture = tmp_path / "call.png"
    done = edge_ser(call, "--plot", picture)
    assert (done.returncode, done.stderr) == (0, "")
    assert " in all: " in done.stdout
    content = picture.read_bytes()
    assert content.startswith(b"\x89PNG")
    again = edge_ser(call, "--plot", picture)
    assert again.returncode == 2 and "--force" in again.stderr
    assert picture.read_bytes() == content


@pytest.mark.slow
def test_stdin_is_accepted(call, segments):
    done = edge_ser("-t", "--format", "jsonl", "-", input=call.read_bytes(), text=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["label"] or row["status"] for row in rows] == [s.label for s in segments]


def test_unreadable_recording_does_not_stop_others(call, segments, tmp_path):
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no audio")
    done = edge_ser("-t", "--format", "json", bad, call, tmp_path / "missing.wav")
    assert done.returncode == 1
    (answer,) = json.loads(done.stdout)
    assert len(answer["segments"]) == len(segments)
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.slow
def test_truncated_recording_is_incomplete(call, tmp_path):
    cut = tmp_path / "cut.wav"
    cut.write_bytes(call.read_bytes()[: call.stat().st_size // 2])
    done = edge_ser("-t", "--format", "json", call, cut)
    assert done.returncode == 1 and "cut.wav: is truncated" in done.stderr
    whole, half = json.loads(done.stdout)
    assert whole["complete"] and not half["complete"]
    assert 0 < half["seconds"] < 0.6 * whole["seconds"] and half["segments"]
    assert " until it broke off: " in edge_ser("-t", cut).stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--format", "srt"], "--format srt requires --timeline"),
        (["--hop", "1"], "--window and --hop require --timeline"),
        (["-t", "--window", "0"], "window=0.0 must be from 0.5 to 60 seconds"),
        (["-t", "--hop", "5"], "hop=5.0 must be from 0.05 seconds to the window of 3 seconds"),
        (["-t", "--jobs", "2"], "one recording at a time"),
        (["--plot", "a.gif"], "expected a name that ends in"),
        (["-t", "--format", "vtt", "CALL"], "--format vtt supports one recording, got 2"),
        (["--plot", "PLOT", "CALL"], "--plot supports one recording, got 2"),
    ],
    ids=str,
)
def test_invalid_combinations_are_status_2(call, tmp_path, arguments, message):
    places = {"CALL": call, "PLOT": tmp_path / "a.png"}
    done = edge_ser(*(places.get(a, a) for a in arguments), call)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_existing_file_survives_total_failure(call, tmp_path):
    out, bad = tmp_path / "old.csv", tmp_path / "bad.wav"
    out.write_text("of great value")
    bad.write_bytes(b"no audio")
    for more in ((), ("-t",)):
        done = edge_ser(*more, bad, "-o", out, "--force")
        assert done.returncode == 1
        assert out.read_text() == "of great value" and len(list(tmp_path.iterdir())) == 2
    assert edge_ser("-t", bad, call, "-o", out, "--force").returncode == 1
    assert out.read_text().startswith("file,start,end")
