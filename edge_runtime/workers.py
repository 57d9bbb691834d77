"""A function in processes of its own: Python runs on one core at a time, and of the few
milliseconds that a clip takes too many are Python's for threads to gain anything.

A worker is this interpreter again, which is told over its standard input what to do. It needs no
`if __name__ == "__main__"` of those who use it, Ctrl-C on the terminal does not reach it, and it
ends when whoever started it is gone.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from .errors import AudioError, EdgeSerError

T = TypeVar("T")

_BEGIN = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from edge_runtime.workers import serve; serve()"
)


class Workers(Generic[T]):
    """`work`, called in one process for each thread that calls this.

    `work` and what it returns must be such as pickle takes. A process that dies of an input is an
    AudioError, and the next input gets another.
    """

    def __init__(self, work: Callable[[str], T]) -> None:
        self._work = pickle.dumps(work)
        self._own = threading.local()
        self._lock = threading.Lock()
        self._closed = False
        self._processes: list[subprocess.Popen[bytes]] = []

    def __call__(self, names: Sequence[str]) -> list[T | EdgeSerError]:
        """What `work` returns for each of `names`, or the EdgeSerError that it raises."""
        process: subprocess.Popen[bytes] | None = getattr(self._own, "process", None)
        if process is None:
            process = self._own.process = self._start()
        assert process.stdin is not None and process.stdout is not None
        try:
            pickle.dump(names, process.stdin)
            process.stdin.flush()
            return pickle.load(process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError):
            self._own.process = None
            process.kill()
        if len(names) > 1:  # which of them was it?
            return [result for name in names for result in self([name])]
        status = process.wait()
        return [AudioError(f"{names[0]}: the process that was to read it ended with {status}")]

    def close(self) -> None:
        """End all processes, whatever they do."""
        with self._lock:
            self._closed = True
            for process in self._processes:
                process.kill()
            for process in self._processes:
                process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        # Windows' way, and that of all others, of leaving Ctrl-C to us.
        apart: dict[str, Any] = (
            {"creationflags": 0x200} if sys.platform == "win32" else {"start_new_session": True}
        )
        with self._lock:
            if self._closed:
                raise EdgeSerError("nobody waits for this answer")
            process = subprocess.Popen(
                [sys.executable, "-c", _BEGIN],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                **apart,
            )
            self._processes.append(process)
        assert process.stdin is not None
        pickle.dump(sys.path, process.stdin)
        process.stdin.write(self._work)
        return process


def attempt(work: Callable[[str], T], name: str) -> T | EdgeSerError:
    """What `work` returns for `name`, or the EdgeSerError that it raises."""
    try:
        return work(name)
    except EdgeSerError as error:
        return error
    except MemoryError:
        return AudioError(f"{name}: does not fit into the memory")


def serve() -> None:
    """What a worker does: receive the function, then call it for names after names."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nobody else's output gets among the answers
    try:
        work = pickle.load(sys.stdin.buffer)
        while True:
            names = pickle.load(sys.stdin.buffer)
            pickle.dump([attempt(work, name) for name in names], answers)
            answers.flush()
    except (EOFError, BrokenPipeError):  # we are no longer wanted
        os._exit(0)


def usable_cores() -> int:
    """The cores that this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1
