"""Trying files in a process of their own, and telling which of them ended it."""

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
    """`said`: "read", the message of the AudioError, or "FAILED ..." """

    path: Path
    said: str
    peak: int  # KiB that the process has held at most so far


def try_all(paths: Iterable[Path], command: bool = True) -> Iterator[Result]:
    """What becomes of each of `paths`, as `outcome` has it; `paths` may make each file at once."""
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
                yield Result(path, f"FAILED the process ended with {child.wait()}", 0)
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
        stderr=subprocess.DEVNULL,  # libmpg123 talks
    )
