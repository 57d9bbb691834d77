"""No socket is opened at run time, by anything, whatever is asked for."""

from __future__ import annotations

import os
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest
from support.paths import ROOT, VOICES

CLIP = VOICES / "sad" / "speaker01-1.wav"

# Runs the command with an audit hook, which nothing can take out again: it sees what C code that
# Python calls does with Python's sockets. The modules that are patched are those Python code uses.
ALONE = """
import sys

def heard(event, arguments):
    if event.startswith("socket.") or event in ("urllib.Request", "http.client.connect"):
        sys.stderr.write(f"NETWORK {event} {arguments}\\n")
        sys.stderr.flush()
        raise RuntimeError(f"network: {event}")

sys.addaudithook(heard)
import socket

def refuse(*arguments, **options):
    heard("socket.patched", arguments)

for name in ("getaddrinfo", "create_connection", "gethostbyname", "socketpair"):
    setattr(socket, name, refuse)
sys.argv = ["edge-ser", *sys.argv[1:]]
from edge_runtime.__main__ import main
main()
"""


def alone(*arguments: object, folder: Path, **options) -> subprocess.CompletedProcess:
    """The command, in a home of its own, in which onnxruntime would leave what it is to send; it
    does not where CI is set."""
    home = folder / "home"
    home.mkdir()
    environment = {
        **os.environ,
        "EDGE_SER_PROFILES": str(folder / "profiles"),
        "HOME": str(home),
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    for name in ("CI", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", ALONE, *map(str, arguments)],
        capture_output=True,
        cwd=folder,
        env=environment,
        timeout=300,
        **options,
    )
    assert not [path for path in home.rglob("*") if path.is_file()]
    return done


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["classify", CLIP],
        ["classify", CLIP, CLIP, "--jobs", "2"],
        ["classify", "--timeline", CLIP],
        ["info"],
        ["doctor"],
        ["doctor", CLIP],
        ["mfcc", CLIP],
        ["bench", "--runs", "1"],
        ["profile", "create", "anna", CLIP],
        ["profile", "list"],
        ["classify", CLIP, "--format", "json"],
    ],
    ids=lambda arguments: " ".join(map(str, arguments[:2])),
)
def test_a_command_opens_no_socket(tmp_path, arguments):
    done = alone(*arguments, folder=tmp_path)
    assert b"NETWORK" not in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr


def test_listening_to_standard_input_opens_no_socket(tmp_path):
    with wave.open(str(CLIP)) as file:
        samples = file.readframes(file.getnframes())
    done = alone(
        "listen",
        "-",
        "--rate",
        "16000",
        folder=tmp_path,
        input=samples + np.zeros(32_000, np.int16).tobytes(),
    )
    assert b"NETWORK" not in done.stderr and done.returncode == 0, done.stderr


def test_a_socket_would_be_seen(tmp_path):
    code = ALONE.replace("from edge_runtime.__main__ import main\nmain()", "socket.socket()")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
    assert done.returncode and b"NETWORK socket.__new__" in done.stderr
