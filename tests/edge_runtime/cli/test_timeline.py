"""`edge-ser classify --timeline` as a process."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from edge_runtime import ConfigError, EmotionModel
from edge_runtime.cli.output_folder import output_stems

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

    *rows, summary = [json.loads(line) for line in answer("jsonl").splitlines()]
    assert [triple(row) for row in rows] == expected
    assert {row["file"] for row in rows} == {str(call)}
    (whole,) = json.loads(answer("json"))
    assert [triple(row) for row in whole["segments"]] == expected
    assert {**summary, "segments": whole["segments"]} == {"row": "summary", **whole}
    assert sum(whole["summary"]["shares"].values()) == pytest.approx(1, abs=1e-5)
    assert whole["seconds"] == pytest.approx(segments[-1].end, abs=1e-3)
    *table, total = csv.DictReader(io.StringIO(answer("csv")))
    assert (total["row"], float(total["end"])) == ("summary", whole["seconds"])
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
    assert text[0] == str(call) and " in all, " in text[-4] and len(text) == len(segments) + 5


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
    assert (done.returncode, done.stderr) == (0, f"edge-ser: {picture} is written\n")
    name, total, *_ = done.stdout.splitlines()
    assert name == str(call) and " in all, " in total  # the summary, without the segments
    content = picture.read_bytes()
    assert content.startswith(b"\x89PNG")
    again = edge_ser(call, "--plot", picture)
    assert again.returncode == 2 and "--force" in again.stderr
    assert picture.read_bytes() == content


@pytest.mark.slow
def test_stdin_is_accepted(call, segments):
    done = edge_ser("-t", "--format", "jsonl", "-", input=call.read_bytes(), text=False)
    *rows, _ = [json.loads(line) for line in done.stdout.splitlines()]
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
    assert " until it broke off, " in edge_ser("-t", cut).stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--format", "srt"], "--format srt requires --timeline"),
        (["--hop", "1"], "--hop requires --timeline"),
        (["-t", "--window", "0"], "edge-ser: --window 0.0 must be from 0.5 to 60 seconds"),
        (["-t", "--hop", "5"], "--hop 5.0 must be from 0.05 seconds to the window of 3 seconds"),
        (["--channel", "each"], "--channel each requires --timeline"),
        (["--output-dir", "FOLDER"], "--output-dir requires --timeline"),
        (["--start-time", "2026-03-01"], "--start-time requires --timeline"),
        (["-t", "--channel", "left"], "expected a number, counted from 1 (left), or each"),
        (["-t", "--channel-names", "a,b"], "--channel-names requires --channel each"),
        (["-t", "--start-time", "noon"], "expected a date and time in ISO 8601"),
        (["-t", "--start-time", "2026-03-01", "CALL"], "--start-time supports one recording"),
        (["-t", "--channel", "each", "--format", "srt"], "--channel each gives several"),
        (["-t", "--output-dir", "FOLDER", "-o", "a.csv"], "cannot be combined"),
        (["-t", "--output-dir", "FOLDER", "--plot", "gif"], "expected a format: png, svg, pdf"),
        (["--plot", "a.gif"], "expected a name that ends in"),
        (["-t", "--format", "vtt", "CALL"], "--format vtt supports one recording, got 2"),
        (["--plot", "PLOT", "CALL"], "--plot supports one recording, got 2"),
    ],
    ids=str,
)
def test_invalid_combinations_are_status_2(call, tmp_path, arguments, message):
    places = {"CALL": call, "PLOT": tmp_path / "a.png", "FOLDER": tmp_path / "folder"}
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
    assert out.read_text().startswith("row,file,channel,start,end")


@pytest.fixture(scope="module")
def calls(call, tmp_path_factory):
    """A folder with a call of two channels and, below, one of one channel."""
    folder = tmp_path_factory.mktemp("folder")
    samples, _ = soundfile.read(call)
    two = np.stack([samples, np.roll(samples, len(samples) // 2)], axis=1)
    soundfile.write(folder / "two.wav", two, RATE)
    (folder / "more").mkdir()
    soundfile.write(folder / "more" / "one.flac", samples, RATE)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_each_channel_has_a_timeline_equal_to_its_own(calls, jobs):
    two = calls / "two.wav"
    each = edge_ser("-t", "--channel", "each", "-j", jobs, "--format", "json", two, two)
    assert (each.returncode, each.stderr) == (0, "")
    timelines = json.loads(each.stdout)
    assert [timeline["channel"] for timeline in timelines] == ["left", "right"] * 2
    for number, timeline in enumerate(timelines[:2], 1):
        (alone,) = json.loads(edge_ser("-t", "--channel", number, "--format", "json", two).stdout)
        assert alone == timeline
    assert timelines[:2] == timelines[2:]
    assert timelines[0]["segments"] != timelines[1]["segments"]


@pytest.mark.slow
def test_stdin_has_each_channel(calls):
    data = (calls / "two.wav").read_bytes()
    done = edge_ser(
        *("-t", "--channel", "each", "--channel-names", "agent,customer", "--format", "json", "-"),
        input=data,
        text=False,
    )
    assert [timeline["channel"] for timeline in json.loads(done.stdout)] == ["agent", "customer"]
    samples = (32767 * soundfile.read(calls / "two.wav")[0]).round().astype("<i2").tobytes()
    raw = edge_ser(
        *("-t", "--channel", "each", "--rate", RATE, "--channels", 2, "--format", "json", "-"),
        input=samples,
        text=False,
    )
    assert [timeline["channel"] for timeline in json.loads(raw.stdout)] == ["left", "right"]


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_folder_of_results_has_a_file_for_each_timeline(calls, tmp_path, jobs):
    out = tmp_path / "results"
    arguments = ("-t", calls, "--channel", "each", "-j", jobs, "--output-dir", out)
    done = edge_ser(*arguments, "--format", "csv")
    assert (done.returncode, done.stderr) == (0, "")
    names = {str(path.relative_to(out)) for path in out.rglob("*.*")}
    timelines = {"two.left.csv", "two.right.csv", os.path.join("more", "one.mono.csv")}
    assert names == {*timelines, "summary.csv"}
    rows = list(csv.DictReader((out / "summary.csv").open()))
    assert {row["output"] for row in rows} == timelines and len(rows) == 3
    assert [line.partition(": ")[0] for line in done.stdout.splitlines()] == [
        str(out / row["output"]) for row in rows
    ]
    for row in rows:
        *_, summary = csv.DictReader((out / row["output"]).open())
        assert summary["row"] == "summary"
        assert {summary[name] for name in ("file", "channel")} == {row["file"], row["channel"]}
        assert summary["speech_seconds"] == row["speech_seconds"]


@pytest.mark.slow
def test_folder_of_results_is_not_overwritten_in_silence(calls, tmp_path):
    pytest.importorskip("matplotlib")
    out = tmp_path / "results"
    arguments = ("-t", calls, "--output-dir", out, "--format", "srt", "--plot", "png")
    assert edge_ser(*arguments).returncode == 0
    content = {path: path.read_bytes() for path in out.rglob("*.*")}
    assert {path.name for path in content} == {
        *("two.srt", "two.png", "one.srt", "one.png", "summary.csv")
    }
    again = edge_ser(*arguments)
    assert again.returncode == 2 and "and 4 more exist already; pass --force" in again.stderr
    assert {path: path.read_bytes() for path in out.rglob("*.*")} == content
    assert edge_ser(*arguments, "--force").returncode == 0


@pytest.mark.slow
def test_results_of_bad_and_truncated_recordings(calls, tmp_path):
    folder = tmp_path / "calls"
    folder.mkdir()
    content = (calls / "two.wav").read_bytes()
    (folder / "bad.wav").write_bytes(b"no audio")
    (folder / "cut.wav").write_bytes(content[: len(content) // 2])
    for jobs in (1, 2):
        out = tmp_path / f"results-{jobs}"
        done = edge_ser("-t", folder, "-j", jobs, "--output-dir", out, "--format", "json")
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 2
        assert {path.name for path in out.iterdir()} == {"cut.json", "summary.csv"}
        assert not json.loads((out / "cut.json").read_text())[0]["complete"]
        (row,) = csv.DictReader((out / "summary.csv").open())
        assert row["complete"] == "false"


def test_names_of_results_are_unique(tmp_path):
    for name in ("a/x.wav", "a/x.flac", "a/summary.wav", "b/x.wav", "b/c.d.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    a, b = tmp_path / "a", tmp_path / "b"
    assert output_stems([str(a)]) == {
        str(a / "summary.wav"): "summary.wav",
        str(a / "x.flac"): "x.flac",
        str(a / "x.wav"): "x.wav",
    }
    pattern = str(tmp_path / "?" / "x.wav")
    assert list(output_stems([pattern]).values()) == [os.path.join(k, "x") for k in "ab"]
    assert output_stems([str(b / "c.d.wav"), "-"]) == {str(b / "c.d.wav"): "c.d", "-": "stdin"}
    with pytest.raises(ConfigError, match="would be written to one file"):
        output_stems([str(a / "x.wav"), str(b / "x.wav")])


@pytest.mark.slow
def test_several_jobs_equal_one(call, calls):
    arguments = ("-t", calls, call, "missing.wav", "--adapt", "--format", "jsonl")
    one, two = (edge_ser(*arguments, "-j", jobs) for jobs in (1, 2))
    assert one.returncode == two.returncode == 1
    assert one.stdout == two.stdout != "" and one.stderr == two.stderr


@pytest.mark.slow
def test_json_follows_the_schema(calls):
    jsonschema = pytest.importorskip("jsonschema")
    from edge_runtime.serve.schemas import SCHEMAS

    arguments = ("-t", "--channel", "each", calls / "two.wav", "--start-time", "2026-03-01T10:00Z")
    for options in (arguments, ("-t", calls)):
        for timeline in json.loads(edge_ser(*options, "--format", "json").stdout):
            jsonschema.validate(timeline, SCHEMAS["timeline"])
        for line in edge_ser(*options, "--format", "jsonl").stdout.splitlines():
            jsonschema.validate(json.loads(line), SCHEMAS["timeline-line"])
