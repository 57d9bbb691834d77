"""No command opens a socket, except `serve` and those with `--mqtt`."""

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

# Runs the command with an audit hook, which cannot be removed and also sees sockets that C code
# creates through Python. Functions that raise no audit event are patched.
WITHOUT_SOCKETS = """
import sys

def forbid(event, arguments):
    if event.startswith("socket.") or event in ("urllib.Request", "http.client.connect"):
        sys.stderr.write(f"NETWORK {event} {arguments}\\n")
        sys.stderr.flush()
        raise RuntimeError(f"network: {event}")

sys.addaudithook(forbid)
import socket

def refuse(*arguments, **options):
    forbid("socket.patched", arguments)

for name in ("getaddrinfo", "create_connection", "gethostbyname", "socketpair"):
    setattr(socket, name, refuse)
sys.argv = ["edge-ser", *sys.argv[1:]]
from edge_runtime.__main__ import main
main()
"""


def run_without_sockets(*arguments: object, folder: Path, **options) -> subprocess.CompletedProcess:
    """Run the command in an empty home folder, and check that no file is left there.

    onnxruntime would store telemetry in the home folder, except where CI is set.
    """
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
        [sys.executable, "-c", WITHOUT_SOCKETS, *map(str, arguments)],
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
        ["serve", "--help"],
        ["doctor"],
        ["doctor", CLIP],
        ["mfcc", CLIP],
        ["bench", "--runs", "1"],
        ["profile", "create", "anna", CLIP],
        ["profile", "list"],
        ["classify", CLIP, "--format", "json"],
    ],
    ids=lambda arguments: " ".join(argument for argument in arguments if isinstance(argument, str)),
)
def test_command_opens_no_socket(tmp_path, arguments):
    done = run_without_sockets(*arguments, folder=tmp_path)
    assert b"NETWORK" not in done.stderr, done.stderr
    assert done.returncode == 0, done.stderr


def test_listen_opens_no_socket(tmp_path):
    with wave.open(str(CLIP)) as file:
        samples = file.readframes(file.getnframes())
    done = run_without_sockets(
        *("listen", "-", "--rate", "16000"),
        folder=tmp_path,
        input=samples + np.zeros(32_000, np.int16).tobytes(),
    )
    assert b"NETWORK" not in done.stderr and done.returncode == 0, done.stderr


def test_a_socket_is_detected(tmp_path):
    code = WITHOUT_SOCKETS.replace(
        "from edge_runtime.__main__ import main\nmain()", "socket.socket()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
    assert done.returncode and b"NETWORK socket.__new__" in done.stderr
