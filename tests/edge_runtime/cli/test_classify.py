"""`edge-ser classify` with folders, stdin, output files, processes and interruptions."""

from __future__ import annotations

import csv
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.paths import ROOT

CLASSIFY = [sys.executable, "-m", "edge_runtime", "classify"]


def classify(*arguments: object, stdin: bytes = b"", cwd: Path = ROOT):
    return subprocess.run(
        [*CLASSIFY, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory, voice_clips):
    folder = tmp_path_factory.mktemp("calls")
    (folder / "later").mkdir()
    for name, samples in zip(["b.wav", "a.flac", "later/c.wav"], voice_clips):
        soundfile.write(folder / name, samples, 16_000)
    return folder


def rows(result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.decode().splitlines()]


@pytest.mark.slow
def test_order_is_independent_of_jobs(folder):
    names = ["a.flac", "b.wav", "later/c.wav", "a.flac", "later/c.wav"]
    paths = [folder, folder / "a.flac", folder / "**" / "c.*"]
    one = classify(*paths, "--format", "jsonl")
    assert [row["file"] for row in rows(one)] == [str(folder / name) for name in names]
    assert (one.returncode, one.stderr) == (0, b"")
    for jobs in (2, 0):
        assert classify(*paths, "--format", "jsonl", "--jobs", jobs).stdout == one.stdout


@pytest.mark.slow
def test_long_recording_gets_a_note_on_timelines(voice_clips, tmp_path):
    repeats = 1 + 30 * 16_000 // len(voice_clips[0])
    for name in ("a.wav", "b.wav"):
        soundfile.write(tmp_path / name, np.tile(voice_clips[0], repeats), 16_000)
    one = classify(tmp_path / "a.wav")
    assert one.returncode == 0
    assert re.search(rb"a.wav lasts 0:3\d.\d; --timeline splits it into segments", one.stderr)
    two = classify(tmp_path)
    assert b"2 recordings last 30 s or more, such as" in two.stderr
    assert classify(tmp_path, "--quiet").stderr == b""


def probabilities_of(*arguments: object, stdin: bytes = b"") -> object:
    """Return the probabilities of the first result."""
    return rows(classify(*arguments, "--format", "jsonl", stdin=stdin))[0]["probabilities"]


@pytest.mark.slow
def test_channel_equals_mono_file(voice_clips, tmp_path):
    length = min(map(len, voice_clips[:2]))
    sides = [clip[:length] for clip in voice_clips[:2]]
    for kind in ("wav", "flac"):
        call = tmp_path / f"call.{kind}"
        soundfile.write(call, np.stack(sides, axis=1), 16_000)
        for k, side in enumerate(sides):
            alone, only = tmp_path / f"{k}.{kind}", ["--channel", k + 1]
            soundfile.write(alone, side, 16_000)
            expected = probabilities_of(alone)
            assert (
                probabilities_of(call, *only)
                == probabilities_of("-", *only, stdin=call.read_bytes())
                == expected
            )
            assert probabilities_of(call, *only, "--timeline") == probabilities_of(
                alone, "--timeline"
            )
            if kind == "wav":
                raw = call.read_bytes()[44:]
                layout = ["--rate", 16_000, "--channels", 2]
                assert probabilities_of("-", *only, *layout, stdin=raw) == expected
    third = classify(tmp_path / "call.wav", tmp_path / "0.wav", "--channel", 2)
    assert third.returncode == 1 and third.stdout
    assert b"0.wav: has 1 channel; channel 2 does not exist" in third.stderr


def test_folder_or_pattern_without_audio_is_status_1(folder, tmp_path):
    result = classify(tmp_path, folder / "*.mp3", folder / "b.wav", "--format", "jsonl")
    assert result.returncode == 1 and len(rows(result)) == 1
    assert [line.split(b": ", 2)[2] for line in result.stderr.splitlines()] == [
        b"holds no audio files; expected WAV, FLAC, OGG or MP3",
        b"matches no audio files",
    ]


@pytest.mark.slow
def test_stdin_equals_file(folder):
    path = folder / "b.wav"
    content = path.read_bytes()
    expected = {**rows(classify(path, "--format", "jsonl"))[0], "file": "-"}
    samples = soundfile.read(path, dtype="int16")[0]
    stereo = np.stack([samples, samples], axis=1)
    for stdin, options in (
        (content, []),
        ((folder / "b.wav").read_bytes(), ["--jobs", 2]),
        (samples.tobytes(), ["--rate", 16_000]),
        (samples.tobytes() + b"\0", ["--rate", 16_000]),  # half a sample at the end
        (
            (stereo.astype("<i4") << 16).tobytes(),
            ["--rate", 16_000, "--channels", 2, "--encoding", "s32le"],
        ),
    ):
        result = classify("-", "--format", "jsonl", *options, stdin=stdin)
        assert rows(result) == [expected], options


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-", "-"], "- is given twice"),
        (["-", "--channels", 2], "require --rate"),
        (["-", "--encoding", "u8"], "require --rate"),
        (["a.wav", "--rate", 8000], "pass - as a PATH"),
        (["-", "--rate", 5], "sample_rate=5 must be from"),
        (["-", "--rate", 8000, "--encoding", "mp3"], "'mp3' is not one of"),
        (["a.wav", "-o", "answers.xls"], "answers.xls: expected a name that ends in .json"),
        (["a.wav", "-o", "no/answers.csv"], "create it first"),
        (["a.wav", "--force"], "--force requires --output, --output-dir or --plot"),
        (["a.wav", "--jobs", -1], "-1 is not in the range"),
        (["a.wav", "--channel", 1, "--channel=2"], "--channel is given twice"),
    ],
)
def test_invalid_command_line_is_status_2(arguments, message):
    result = classify(*arguments)
    assert (result.returncode, result.stdout) == (2, b"")
    assert message in " ".join(result.stderr.decode().split())
    assert b"Traceback" not in result.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stdin", "options", "message"),
    [
        (b"", [], "is empty"),
        (b"", ["--rate", 8000], "holds no samples"),
        (b"no audio at all", [], "is not audio"),
        (b"RIFF....WAVEfmt ", ["--rate", 8000], "leave out --rate"),
        (np.float32([np.nan]).tobytes(), ["--rate", 8000, "--encoding", "f32le"], "not finite"),
    ],
)
def test_invalid_stdin_is_one_line_and_status_1(stdin, options, message):
    result = classify("-", *options, stdin=stdin)
    assert (result.returncode, result.stdout) == (1, b"")
    assert result.stderr.startswith(b"edge-ser: standard input: ")
    assert message in result.stderr.decode() and result.stderr.count(b"\n") == 1


@pytest.mark.slow
def test_output_file_equals_stdout(folder, tmp_path):
    output = tmp_path / "answers.csv"
    result = classify(folder, "-o", output)
    assert (result.returncode, result.stdout) == (0, b"")
    assert output.read_bytes() == classify(folder, "--format", "csv").stdout
    refused = classify(folder / "b.wav", "-o", output)
    assert refused.returncode == 2 and b"pass --force to replace it" in refused.stderr
    assert len(list(csv.reader(output.open()))) == 4
    assert classify(folder / "b.wav", "-o", output, "--force").returncode == 0
    assert len(list(csv.reader(output.open()))) == 2


# Shows the progress bar without delay.
MAIN_WITH_BAR = """
import edge_runtime.cli.terminal
edge_runtime.cli.terminal.PROGRESS_DELAY_SECONDS = 0
from edge_runtime.cli.app import main
main()
"""


def on_a_terminal(*arguments: object, **variables: str) -> str:
    """Return the output on a terminal of 80 columns."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", **variables}
    process = subprocess.Popen(
        [sys.executable, "-c", MAIN_WITH_BAR, "classify", *map(str, arguments)],
        stdout=follower,
        stderr=follower,
        cwd=ROOT,
        env=environment,
    )
    os.close(follower)
    seen = b""
    while True:
        try:
            seen += os.read(leader, 4096)
        except OSError:  # closed by the last who had it open
            break
    os.close(leader)
    assert process.wait(60) == 0
    return seen.decode()


@pytest.mark.slow
def test_colours_only_without_no_color(folder):
    seen = on_a_terminal(folder, "-q", NO_COLOR="")
    assert seen.count("\033[1m") + seen.count("\033[2m") == 3
    assert "\033" not in on_a_terminal(folder, "-q", NO_COLOR="1")


@pytest.mark.slow
def test_progress_bar_leaves_results_intact(folder):
    path = folder / "b.wav"
    seen = on_a_terminal(*[path] * 30, NO_COLOR="1")
    assert [f" {k}/30" in seen for k in range(1, 31)] == [True] * 30
    # what a terminal shows of a line is what was written after it was last cleared
    lines = [line.split("\033[K")[-1] for line in seen.split("\r\n")]
    assert sum(line.startswith(f"{path}: ") for line in lines) == 30
    assert not any("#" in line or "/30" in line for line in lines)
    seen = on_a_terminal(*[path] * 5, "--format", "json", NO_COLOR="1")
    lines = [line.split("\033[K")[-1] for line in seen.split("\r\n")]
    text = re.sub(r"\033\[[?\d]*[a-zA-Z]", "", "\n".join(lines))
    rows = json.loads("\n".join(line for line in text.split("\n") if "/5" not in line))
    assert [row["file"] for row in rows] == [str(path)] * 5


@pytest.mark.parametrize("given", ["rec.wav", "link.csv", "."])
def test_inputs_are_never_overwritten(folder, tmp_path, given):
    content = (folder / "b.wav").read_bytes()
    (tmp_path / "rec.wav").write_bytes(content)
    (tmp_path / "link.csv").symlink_to("rec.wav")
    result = classify(
        "rec.wav" if given != "." else ".",
        "--format",
        "csv",
        "--force",
        "-o",
        given if given != "." else "rec.wav",
        cwd=tmp_path,
    )
    assert result.returncode == 2 and b"is also an input" in result.stderr
    result = classify(
        "rec.wav", "--plot", "x.svg", "-o", "./x.svg", "--format", "csv", cwd=tmp_path
    )
    assert result.returncode == 2 and b"must be different files" in result.stderr
    assert (tmp_path / "rec.wav").read_bytes() == content
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.csv", "rec.wav"]


def test_dev_stdout_does_not_truncate_redirection(folder, tmp_path):
    with (tmp_path / "all.txt").open("w") as file:
        file.write("before\n")
        file.flush()
        subprocess.run(
            [*CLASSIFY, str(folder / "b.wav"), "-o", "/dev/stdout"],
            stdout=file,
            cwd=ROOT,
            check=True,
        )
    lines = (tmp_path / "all.txt").read_text().splitlines()
    assert lines[0] == "before" and "b.wav" in lines[1]


def test_unchanged_output_file_is_reported(folder, tmp_path):
    (tmp_path / "old.csv").write_text("precious")
    (tmp_path / "empty.wav").touch()
    result = classify("empty.wav", "-o", "old.csv", "--force", cwd=tmp_path)
    assert result.returncode == 1 and (tmp_path / "old.csv").read_text() == "precious"
    assert b"old.csv: not changed; no input could be classified" in result.stderr
    result = classify("empty.wav", "-o", "new.csv", cwd=tmp_path)
    assert result.returncode == 1 and b"not changed" not in result.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full"])
def test_unwritable_stderr_loses_no_results(folder, stderr):
    (folder / "empty.wav").touch()
    command = " ".join([*CLASSIFY, "empty.wav", "b.wav", stderr])
    result = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    (folder / "empty.wav").unlink()
    assert result.returncode == 1 and result.stdout.startswith(b"b.wav: ")


@pytest.mark.slow
def test_threshold_of_speech_applies_to_every_answer(folder):
    for more in ((), ("--adapt",), ("--jobs", 2)):
        arguments = (folder, "--format", "jsonl", *more)
        none = rows(classify(*arguments, "--speech-threshold", 1))
        assert {row["status"] for row in none} == {"no speech"}
        every = rows(classify(*arguments, "--speech-threshold", 0))
        assert "no speech" not in {row["status"] for row in every}
    timeline = rows(classify("-t", folder, "--format", "jsonl", "--speech-threshold", 1))
    assert {row["status"] for row in timeline if row["row"] == "segment"} == {"no speech"}
