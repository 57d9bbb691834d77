"""`edge-ser classify` interrupted by Ctrl-C and by SIGTERM."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
import soundfile
from support.paths import ROOT

CLASSIFY = [sys.executable, "-m", "edge_runtime", "classify"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory, voice_clips):
    folder = tmp_path_factory.mktemp("calls")
    soundfile.write(folder / "b.wav", voice_clips[0], 16_000)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("to_file", [False, True])
def test_ctrl_c_leaves_complete_results_and_status_130(folder, tmp_path, jobs, to_file):
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
        assert errors == f"edge-ser: interrupted; the results so far are in {part}\n"
    else:
        assert errors == ""


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_sigterm_leaves_complete_results(folder, jobs):
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
