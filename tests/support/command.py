"""Run the command lines as separate processes."""

from __future__ import annotations

import json
import subprocess
import sys

from support.paths import ROOT

# Runs `python -m` commands one after the other in one process: importing torch takes longer than
# most of them. Prints status, stdout and stderr of each as JSON in the last line.
SEVERAL = """
import contextlib, io, json, runpy, sys

results = []
for arguments in json.loads(sys.argv[1]):
    out, error = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    status, sys.argv = 0, arguments
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        try:
            runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
        except SystemExit as exit:
            status = exit.code or 0
            if not isinstance(status, int):
                status = 1
                print(exit.code, file=sys.stderr)
    out.flush(), error.flush()
    results.append([status, out.buffer.getvalue().decode(), error.buffer.getvalue().decode()])
print(json.dumps(results))
"""


def edge_ser(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `edge-ser` and return its status and output as text."""
    return python_m("edge_runtime", *arguments)


def python_m(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run `python -m` and return its status and output as text."""
    return subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
    )


def python_m_each(*commands: list[object]) -> list[subprocess.CompletedProcess[str]]:
    """Run several `python -m` commands of `train`, `evaluate` and `export` in one process."""
    texts = [list(map(str, command)) for command in commands]
    done = subprocess.run(
        [sys.executable, "-c", SEVERAL, json.dumps(texts)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout.splitlines()[-1])
    return [
        subprocess.CompletedProcess(arguments, *result) for arguments, result in zip(texts, results)
    ]
