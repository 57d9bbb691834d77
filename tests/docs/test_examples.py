"""The commands and the Python code of the README and of the documentation."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.command import edge_ser, python_m_each
from support.pages import PAGES, blocks, commands, name_of
from support.paths import ROOT, VOICES

from scripts.readme_pictures import write_call

# Commands that are not run, and why. Every pattern must match a command of a page.
NOT_RUN = {
    r"make ": "builds environments or trains; .ci/run covers `make classify` and `make test`",
    r"(sudo|python3 -m venv|pip install|journalctl)": "changes the system",
    r"(arecord|ffmpeg)": "needs a microphone or a film; test_listen and test_pcm pipe the same",
    r"edge-ser (listen|doctor) --mqtt": "needs a broker; tests/edge_runtime/mqtt runs brokers",
    r"edge-ser listen$": "needs a microphone; test_microphone has a simulated one",
    r"edge-ser profile create anna --microphone": "needs a microphone",
    r"edge-ser profile create anna \S+ --labelled": "needs a model with clip statistics; "
    "tests/edge_runtime/cli/test_profile.py makes one",
    r"(edge-ser archive|ray )": "needs an archive or a cluster; tests/edge_runtime/archive makes "
    "some, and an object store",
    r"\.cache/c/edge-ser-c": "is built by `make c`; tests/export/c builds and runs the program",
    r"edge-ser attach": "needs transcripts; tests/edge_runtime/attach makes them",
    r"(edge-ser serve|curl|openssl|/opt/edge-ser)": "serves until it is stopped; "
    "tests/edge_runtime/serve starts servers",
    r"edge-ser bench$": "takes 10 s or more; test_bench runs the command once",
    r"edge-ser classify clip\.wav --model": "needs the model of a run; tests/export makes one",
    r"\.venv/bin/python -m (train|evaluate|export)": "needs corpora and hours; tests/train, "
    "tests/evaluate and tests/export run them on small ones",
    r"\.venv/bin/python -m benchmarks": "needs a corpus; tests/benchmarks runs them",
}
EXAMPLES = {name_of(page): page for page in PAGES if blocks(page, "sh") or blocks(page, "python")}


def is_run(command: str) -> bool:
    return not any(re.match(pattern, command) for pattern in NOT_RUN)


WITH_COMMANDS = [name for name, page in EXAMPLES.items() if any(map(is_run, commands(page)))]
WITH_PYTHON = [name for name, page in EXAMPLES.items() if blocks(page, "python")]


@pytest.fixture
def desk(tmp_path, voice_clips) -> tuple[Path, dict[str, str]]:
    """A folder with the files that the commands name, and an environment with `edge-ser`."""
    for name in ("clip.wav", "call.mp3", "other.mp3", "anna-1.wav", "anna-2.wav"):
        soundfile.write(tmp_path / name, voice_clips[0], 16_000)
    soundfile.write(tmp_path / "anna-2.wav", np.concatenate(voice_clips), 16_000)
    soundfile.write(tmp_path / "call.wav", np.stack([voice_clips[0]] * 2, axis=1), 16_000)
    for name in ("recordings", "calls/monday"):
        (tmp_path / name).mkdir(parents=True)
        soundfile.write(tmp_path / name / "one.flac", voice_clips[1], 16_000)
    tools = tmp_path / "bin"
    tools.mkdir()
    program = tools / "edge-ser"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m edge_runtime "$@"\n')
    program.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "EDGE_SER_PROFILES": str(tmp_path / "profiles"),
    }
    return tmp_path, environment


def run(command: str, folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        ["sh", "-ec", command], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("sh") is None, reason="there is no sh")
@pytest.mark.parametrize("name", WITH_COMMANDS)
def test_commands_succeed(desk, name):
    for command in filter(is_run, commands(EXAMPLES[name])):
        run(command, *desk)
    if name == "docs/cli.md":
        folder = desk[0]
        assert (folder / "answers.csv").read_text().startswith("file,label,status,guess,confidence")
        assert (folder / "call.png").read_bytes().startswith(b"\x89PNG")
        assert np.load(folder / "features.npy").shape[1] == 13


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_PYTHON)
def test_python_runs(monkeypatch, capsys, name):
    monkeypatch.chdir(ROOT)
    for block in blocks(EXAMPLES[name], "python"):
        exec(compile(block, name, "exec"), {"__name__": "__main__"})
    if name == "docs/python.md":
        assert "Prediction(label=" in capsys.readouterr().out


def test_every_exclusion_is_used():
    all_commands = [command for page in EXAMPLES.values() for command in commands(page)]
    assert sum(map(is_run, all_commands)) >= 15
    for pattern in NOT_RUN:
        assert any(re.match(pattern, command) for command in all_commands), pattern


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text()
    for name, page in EXAMPLES.items():
        for target in re.findall(r"(?:^|`)(?:sudo )?make ([a-z0-9-]+)", page.read_text(), re.M):
            assert re.search(rf"^{target}:", makefile, re.M), f"{name}: make {target}"


def options_of(command: Sequence[str]) -> set[str]:
    """Return the options that `--help` of a command lists."""
    done = subprocess.run(
        [sys.executable, "-m", *command, "--help"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "PYTHONPATH": str(ROOT)},
    )
    return listed_options(done)


def listed_options(done: subprocess.CompletedProcess[str]) -> set[str]:
    """Return the options in the output of `--help`."""
    assert done.returncode == 0, f"{done.args}: {done.stderr}"
    return set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", done.stdout))


# Subcommands that have subcommands, or none.
DEPTH = {"edge_runtime": 1, "train": 1, "evaluate": 1, "export": 1}


def program_of(command: str) -> tuple[str, ...] | None:
    """Return module and subcommand of a command line, None for other programs."""
    words = command.split()
    if "|" in words:
        words = words[words.index("|") + 1 :]
    if words[:1] == ["edge-ser"]:
        words = ["edge_runtime", *words[1:]]
    elif words[:2] == [".venv/bin/python", "-m"]:
        words = words[2:]
    else:
        return None
    depth = DEPTH.get(words[0], 0)
    if words[:2] in (["edge_runtime", "profile"], ["edge_runtime", "archive"]):
        depth = 2
    return tuple(words[: 1 + depth])


@pytest.mark.slow
def test_options_exist(monkeypatch):
    """Covers all commands, including those that are not run."""
    documented: dict[tuple[str, ...], set[str]] = {}
    for page in EXAMPLES.values():
        for command in commands(page):
            program = program_of(command)
            if program is not None:
                options = re.findall(
                    r"(?<=\s)--?[a-zA-Z][\w-]*", command.partition("|")[2] or command
                )
                options = [option for option in options if option not in ("-m", "-")]
                documented.setdefault(program, set()).update(options)
    assert len(documented) > 12
    # `edge-ser` ends its process; the others share one, because importing torch takes longest.
    shared = [program for program in documented if program[0] != "edge_runtime"]
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    results = python_m_each(*([*program, "--help"] for program in shared))
    available = dict(zip(shared, map(listed_options, results)))
    for program, options in documented.items():
        if program not in available:
            available[program] = options_of(program)
        assert options <= available[program], program


COMMANDS = (
    "classify", "listen", "attach", "score", "doctor", "bench", "info", "mfcc", "parity-dump",
)  # fmt: skip
GROUPS = {
    "profile": ("create", "list", "delete"),
    "archive": ("run", "status", "verify", "retry", "compact"),
}
PAGES_OF_OPTIONS = ("cli", "listen", "profiles", "transcripts", "archive", "archive-cluster")


@pytest.mark.slow
def test_every_option_is_documented():
    text = "".join((ROOT / "docs" / f"{name}.md").read_text() for name in PAGES_OF_OPTIONS)
    programs = [[name] for name in COMMANDS]
    programs += [[group, name] for group, names in GROUPS.items() for name in names]
    for program in programs:
        for option in options_of(["edge_runtime", *program]) - {"--help"}:
            if option.startswith("--") and not option.startswith("--no-"):
                pattern = rf"--(no-)?{option[2:]}\b"
                assert re.search(pattern, text), f"{' '.join(program)} {option}"


def test_the_terminal_picture_shows_the_answers_of_the_model():
    """`python -m scripts.readme_pictures` draws it."""
    from edge_runtime import EmotionModel

    picture = (ROOT / "docs" / "terminal.svg").read_text(encoding="utf-8")
    text = re.sub(r"<[^>]+>", "", picture).replace("&#160;", " ")
    model = EmotionModel.load()
    clips = sorted((ROOT / "samples").glob("*/*.wav"))
    assert len(clips) == 4
    for clip in clips:
        label = model.classify(clip).label
        assert re.search(rf"{clip.relative_to(ROOT).as_posix()}: +{label}\b", text), clip


def test_samples_name_their_licence():
    text = (ROOT / "samples" / "README.md").read_text(encoding="utf-8")
    for clip in (ROOT / "samples").glob("*/*.wav"):
        assert f"`{clip.parent.name}/{clip.name}`" in text
    for words in ("CREMA-D", "Open Database License", "Database Contents License", "10.1109/TAFFC"):
        assert words in text
    assert not {clip.name for clip in (ROOT / "samples").rglob("*.wav")} & {
        clip.name for clip in VOICES.rglob("*.wav")
    }


@pytest.mark.slow
def test_timeline_of_the_page_is_the_output(tmp_path):
    write_call(tmp_path / "call.wav")
    done = edge_ser("classify", "--timeline", tmp_path / "call.wav")
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```\ncall\.wav\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    shown = re.sub(r"\d+%", "N%", example).splitlines()  # the last digits depend on the machine
    lines = re.sub(r"\d+%", "N%", done.stdout).splitlines()[1:]
    cut = shown.index("…")
    assert (lines[:cut], lines[cut - len(shown) + 1 :]) == (shown[:cut], shown[cut + 1 :])
