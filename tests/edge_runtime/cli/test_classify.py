"""`edge-ser classify` with folders, standard input, files of answers, threads and Ctrl-C."""

from __future__ import annotations

import csv
import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.paths import ROOT

from edge_runtime import AudioError
from edge_runtime.cli.terminal import Interruption, print_error

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


def test_folders_and_patterns_are_answered_in_order_by_any_number_of_jobs(folder):
    names = ["a.flac", "b.wav", "later/c.wav", "a.flac", "later/c.wav"]
    paths = [folder, folder / "a.flac", folder / "**" / "c.*"]
    one = classify(*paths, "--format", "jsonl")
    assert [row["file"] for row in rows(one)] == [str(folder / name) for name in names]
    assert (one.returncode, one.stderr) == (0, b"")
    for jobs in (2, 0):
        assert classify(*paths, "--format", "jsonl", "--jobs", jobs).stdout == one.stdout


def told_of(*arguments: object, stdin: bytes = b"") -> object:
    """The probabilities of the first answer."""
    return rows(classify(*arguments, "--format", "jsonl", stdin=stdin))[0]["probabilities"]


def test_one_channel_of_a_call_is_heard_as_if_it_were_alone(voice_clips, tmp_path):
    length = min(map(len, voice_clips[:2]))
    sides = [clip[:length] for clip in voice_clips[:2]]
    for kind in ("wav", "flac"):
        call = tmp_path / f"call.{kind}"
        soundfile.write(call, np.stack(sides, axis=1), 16_000)
        for k, side in enumerate(sides):
            alone, only = tmp_path / f"{k}.{kind}", ["--channel", k + 1]
            soundfile.write(alone, side, 16_000)
            told = told_of(alone)
            assert told_of(call, *only) == told_of("-", *only, stdin=call.read_bytes()) == told
            assert told_of(call, *only, "--timeline") == told_of(alone, "--timeline")
            if kind == "wav":
                raw = call.read_bytes()[44:]
                layout = ["--rate", 16_000, "--channels", 2]
                assert told_of("-", *only, *layout, stdin=raw) == told
    third = classify(tmp_path / "call.wav", tmp_path / "0.wav", "--channel", 2)
    assert third.returncode == 1 and third.stdout
    assert b"0.wav: has 1 channel; channel=2 must be from 1 to 1" in third.stderr


def test_what_holds_no_audio_is_one_line_and_status_1(folder, tmp_path):
    result = classify(tmp_path, folder / "*.mp3", folder / "b.wav", "--format", "jsonl")
    assert result.returncode == 1 and len(rows(result)) == 1
    assert [line.split(b": ", 2)[2] for line in result.stderr.splitlines()] == [
        b"holds no audio files; expected WAV, FLAC, OGG or MP3",
        b"matches no audio files",
    ]


def test_standard_input_is_answered_as_the_file_and_as_its_samples(folder):
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
        (["a.wav", "--rate", 8000], "give - as a PATH"),
        (["-", "--rate", 5], "sample_rate=5 must be from"),
        (["-", "--rate", 8000, "--encoding", "mp3"], "'mp3' is not one of"),
        (["a.wav", "-o", "answers.xls"], "answers.xls: wanted a name that ends in .json"),
        (["a.wav", "-o", "no/answers.csv"], "make it first"),
        (["a.wav", "--force"], "give one of them as well"),
        (["a.wav", "--jobs", -1], "-1 is not in the range"),
    ],
)
def test_a_wrong_command_line_is_status_2(arguments, message):
    result = classify(*arguments)
    assert (result.returncode, result.stdout) == (2, b"")
    assert message in " ".join(result.stderr.decode().split())
    assert b"Traceback" not in result.stderr


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
def test_a_standard_input_that_cannot_be_used_is_one_line_and_status_1(stdin, options, message):
    result = classify("-", *options, stdin=stdin)
    assert (result.returncode, result.stdout) == (1, b"")
    assert result.stderr.startswith(b"edge-ser: standard input: ")
    assert message in result.stderr.decode() and result.stderr.count(b"\n") == 1


def test_a_file_of_answers_is_what_standard_output_would_be(folder, tmp_path):
    output = tmp_path / "answers.csv"
    result = classify(folder, "-o", output)
    assert (result.returncode, result.stdout) == (0, b"")
    assert output.read_bytes() == classify(folder, "--format", "csv").stdout
    refused = classify(folder / "b.wav", "-o", output)
    assert refused.returncode == 2 and b"give --force to replace it" in refused.stderr
    assert len(list(csv.reader(output.open()))) == 4
    assert classify(folder / "b.wav", "-o", output, "--force").returncode == 0
    assert len(list(csv.reader(output.open()))) == 2


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("to_file", [False, True])
def test_ctrl_c_leaves_complete_answers_and_status_130(folder, tmp_path, jobs, to_file):
    output = tmp_path / "answers.json"
    part = tmp_path / "answers.json.part"
    arguments = ["b.wav"] * 5000 + ["--format", "json", "--jobs", str(jobs)]
    process = subprocess.Popen(
        [*CLASSIFY, *arguments, *(["-o", str(output)] if to_file else [])],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    text = b""
    if to_file:
        while not part.exists() or part.stat().st_size < 1000:
            assert process.poll() is None
    else:
        while len(text) < 1000:
            text += os.read(process.stdout.fileno(), 1000)
    process.send_signal(signal.SIGINT)
    text += process.stdout.read()
    errors = process.stderr.read().decode()
    process.stdout.close(), process.stderr.close()
    assert process.wait(20) == 130
    answers = json.loads(part.read_bytes() if to_file else text)
    assert 0 < len(answers) < 5000
    assert not output.exists()
    if to_file:
        assert errors == f"edge-ser: interrupted; the answers so far are in {part}\n"
    else:
        assert errors == ""


# No second to wait for the bar.
AT_ONCE = """
import edge_runtime.cli.terminal
edge_runtime.cli.terminal.MOMENT = 0
from edge_runtime.cli.app import main
main()
"""


def on_a_terminal(*arguments: object, **variables: str) -> str:
    """What a terminal of 80 columns gets to see."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", **variables}
    process = subprocess.Popen(
        [sys.executable, "-c", AT_ONCE, "classify", *map(str, arguments)],
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


def test_colours_are_for_terminals_whose_user_wants_them(folder):
    seen = on_a_terminal(folder, "-q", NO_COLOR="")
    assert seen.count("\033[1m") + seen.count("\033[2m") == 3
    assert "\033" not in on_a_terminal(folder, "-q", NO_COLOR="1")


def test_the_bar_leaves_nothing_behind_and_every_answer_whole(folder):
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
def test_what_is_read_is_never_written_over(folder, tmp_path, given):
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
    assert result.returncode == 2 and b"is an input as well" in result.stderr
    result = classify(
        "rec.wav", "--plot", "x.svg", "-o", "./x.svg", "--format", "csv", cwd=tmp_path
    )
    assert result.returncode == 2 and b"give two files" in result.stderr
    assert (tmp_path / "rec.wav").read_bytes() == content
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.csv", "rec.wav"]


def test_standard_output_by_its_name_keeps_what_it_is_redirected_to(folder, tmp_path):
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


def test_an_interruption_that_a_library_swallowed_accuses_nobody(capsys):
    with Interruption():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        for _ in range(2):  # it stays in mind
            with pytest.raises(KeyboardInterrupt):
                print_error(AudioError("a.wav: is damaged"))
    with Interruption():
        print_error(AudioError("a.wav: is damaged"))
    assert capsys.readouterr().err == "edge-ser: a.wav: is damaged\n"


def test_an_interruption_while_an_object_is_deleted_is_no_traceback(capsys):
    class Slow:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    with Interruption():
        del [Slow()][0]
        with pytest.raises(KeyboardInterrupt):
            Interruption.check()
    assert capsys.readouterr().err == ""


def test_a_file_that_is_kept_for_want_of_answers_is_told_of(folder, tmp_path):
    (tmp_path / "old.csv").write_text("precious")
    (tmp_path / "empty.wav").touch()
    result = classify("empty.wav", "-o", "old.csv", "--force", cwd=tmp_path)
    assert result.returncode == 1 and (tmp_path / "old.csv").read_text() == "precious"
    assert b"old.csv: is as it was before: there is no answer to write" in result.stderr
    result = classify("empty.wav", "-o", "new.csv", cwd=tmp_path)
    assert result.returncode == 1 and b"as it was" not in result.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("stderr", ["2>&-", "2>/dev/full"])
def test_no_answer_is_lost_where_errors_cannot_be_told(folder, stderr):
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


@pytest.mark.parametrize("jobs", [1, 2])
def test_kill_leaves_complete_answers_as_ctrl_c_does(folder, jobs):
    process = subprocess.Popen(
        [*CLASSIFY, *["b.wav"] * 5000, "--format", "json", "--jobs", str(jobs)],
        cwd=folder,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    text = os.read(process.stdout.fileno(), 1000)
    process.send_signal(signal.SIGTERM)
    text += process.stdout.read()
    process.stdout.close()
    assert process.wait(20) == -signal.SIGTERM
    assert 0 < len(json.loads(text)) < 5000
