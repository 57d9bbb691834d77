"""What the README tells people to type works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.paths import ROOT

if not (ROOT / "README.md").exists():
    pytest.skip("the tests are alone, on a device", allow_module_level=True)
README = (ROOT / "README.md").read_text(encoding="utf-8")

# What needs another machine, a microphone or a network, or is run by .ci/run or other tests.
NOT_RUN = {
    r"make ": "a clean checkout runs these",
    r"(sudo|python3 -m venv|pip install)": "installs",
    r"(arecord|ffmpeg)": "needs a microphone or a film; test_cli_listen and test_pcm feed the same",
    r"edge-ser listen$": "needs a microphone; test_microphone has a false one",
    r"edge-ser profile create anna --microphone": "needs a microphone",
    r"edge-ser classify clip\.wav --model": "the model of a run; test_export makes one",
}


def commands() -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line.partition("  #")[0].strip() for line in lines if line.strip()]


RUN = [c for c in commands() if not any(re.match(pattern, c) for pattern in NOT_RUN)]


@pytest.fixture(scope="module")
def desk(tmp_path_factory, voice_clips) -> tuple[Path, dict[str, str]]:
    """A folder with the files that the commands name, and a PATH that has edge-ser."""
    folder = tmp_path_factory.mktemp("desk")
    for name in ("clip.wav", "call.mp3", "other.mp3", "anna-1.wav", "anna-2.wav"):
        soundfile.write(folder / name, voice_clips[0], 16_000)
    soundfile.write(folder / "call.wav", np.stack([voice_clips[0]] * 2, axis=1), 16_000)
    for name in ("recordings", "calls/monday"):
        (folder / name).mkdir(parents=True)
        soundfile.write(folder / name / "one.flac", voice_clips[1], 16_000)
    tools = folder / "bin"
    tools.mkdir()
    program = tools / "edge-ser"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m edge_runtime "$@"\n')
    program.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{tools}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "EDGE_SER_PROFILES": str(folder / "profiles"),
    }
    return folder, environment


def test_there_is_something_to_run_and_every_exception_is_needed():
    assert len(RUN) >= 10
    for pattern in NOT_RUN:
        assert any(re.match(pattern, command) for command in commands()), pattern


@pytest.mark.skipif(shutil.which("sh") is None, reason="there is no sh")
def test_the_commands_work_one_after_the_other(desk):
    folder, environment = desk
    for command in RUN:
        done = subprocess.run(
            ["sh", "-ec", command], cwd=folder, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    assert (folder / "answers.csv").read_text().startswith("file,label,confidence")
    assert (folder / "call.png").read_bytes().startswith(b"\x89PNG")
    assert np.load(folder / "features.npy").shape[1] == 13


def test_the_python_works(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    (block,) = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    exec(compile(block, "README.md", "exec"), {"__name__": "__main__"})
    assert "Prediction(label=" in capsys.readouterr().out


def test_what_it_links_to_is_there():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in target:
            assert (ROOT / target).exists(), target
