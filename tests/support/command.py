"""Run the command lines, as separate processes or, for those that import torch, in this one."""

from __future__ import annotations

import contextlib
import io
import logging
import runpy
import signal
import subprocess
import sys
from collections.abc import Iterator

from support.paths import ROOT

LOGGERS = ("train", "evaluate", "export", "edge_runtime")  # of `train.command.log_to_console`


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
    """Run `python -m` commands of `train`, `evaluate` and `export` in this process.

    Importing torch takes longer than most of them.
    """
    with _unchanged_process():
        return [_run_module(list(map(str, command))) for command in commands]


def _run_module(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    out, error = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    status: object = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        sys.argv = arguments
        try:
            runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
        except SystemExit as exit:
            status = exit.code or 0
            if not isinstance(status, int):
                status = 1
                print(exit.code, file=sys.stderr)
    texts = []
    for stream in (out, error):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())
    return subprocess.CompletedProcess(arguments, int(str(status)), *texts)


@contextlib.contextmanager
def _unchanged_process() -> Iterator[None]:
    """Restore what the commands set for their process: arguments, handlers of logs and SIGTERM."""
    arguments, handler = sys.argv, signal.getsignal(signal.SIGTERM)
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(logger.level, list(logger.handlers)) for logger in loggers]
    try:
        yield
    finally:
        sys.argv = arguments
        signal.signal(signal.SIGTERM, handler)
        for logger, (level, handlers) in zip(loggers, before):
            logger.setLevel(level)
            logger.handlers[:] = handlers
