"""Try files in a separate process, and report those that end it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Result:
    """The outcome of one file."""

    path: Path
    message: str  # "read", the message of the AudioError, or "FAILED ..."
    peak: int  # KiB, of the process so far


def try_all(paths: Iterable[Path], command: bool = True) -> Iterator[Result]:
    """Yield the outcome of each file; `paths` may create a file lazily."""
    child = None
    try:
        for path in paths:
            child = child or _start()
            assert child.stdin is not None and child.stdout is not None
            line = ""
            try:
                child.stdin.write(json.dumps([str(path), command]) + "\n")
                child.stdin.flush()
                line = child.stdout.readline()
            except BrokenPipeError:
                pass
            if line:
                yield Result(path, *json.loads(line)[1:])
            else:
                child.kill()
                yield Result(path, f"FAILED: the process ended with {child.wait()}", 0)
                child = None
    finally:
        if child is not None:
            child.kill()
            child.wait()


def _start() -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "support.hostile.outcome"],
        cwd=TESTS,
        env={**os.environ, "PYTHONPATH": str(TESTS.parent)},
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # libmpg123 prints there
    )
