"""Call a function in worker processes.

Threads would gain nothing: most of the few milliseconds that a clip takes hold Python's lock.

A worker is another process of this interpreter, controlled over its standard input. The program
that uses it needs no `if __name__ == "__main__"`. Ctrl-C on the terminal does not reach a worker,
and it exits when the process that started it is gone.
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
from .notes import notes_to, pass_on

T = TypeVar("T")

_WORKER_CODE = (
    "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); "
    "from edge_runtime.workers import serve; serve()"
)

_CREATE_NEW_PROCESS_GROUP = 0x200  # of subprocess, on Windows only


class Workers(Generic[T]):
    """Call a function in one process per calling thread.

    If a process dies, the input that killed it gets an AudioError, and the next input another
    process.

    Args:
        work: The function, from a name to a result. Both must support pickle.
    """

    def __init__(self, work: Callable[[str], T]) -> None:
        self._work = pickle.dumps(work)
        self._local = threading.local()
        self._lock = threading.Lock()
        self._closed = False
        self._processes: list[subprocess.Popen[bytes]] = []

    def __call__(self, names: Sequence[str]) -> list[T | EdgeSerError]:
        """Call the function for each of several names, in the process of this thread.

        Args:
            names: The names.

        Returns:
            The result for each name, or the EdgeSerError that it raised.

        Raises:
            EdgeSerError: If the workers are closed.
        """
        process: subprocess.Popen[bytes] | None = getattr(self._local, "process", None)
        if process is None:
            process = self._local.process = self._start()
        assert process.stdin is not None and process.stdout is not None
        try:
            pickle.dump(names, process.stdin)
            process.stdin.flush()
            results: list[T | EdgeSerError]
            results, notes = pickle.load(process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError):
            self._local.process = None
            process.kill()
        else:
            for message in notes:
                pass_on(message)
            return results
        if len(names) > 1:  # find the one that killed it
            return [result for name in names for result in self([name])]
        status = process.wait()
        return [AudioError(f"{names[0]}: the worker process died with exit status {status}")]

    def close(self) -> None:
        """Kill all processes."""
        with self._lock:
            self._closed = True
            for process in self._processes:
                process.kill()
            for process in self._processes:
                process.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        # Ctrl-C is delivered to the process group of the terminal; the worker gets its own.
        options: dict[str, Any] = (
            {"creationflags": _CREATE_NEW_PROCESS_GROUP}
            if sys.platform == "win32"
            else {"start_new_session": True}
        )
        with self._lock:
            if self._closed:
                raise EdgeSerError("the worker processes are closed")
            process = subprocess.Popen(
                [sys.executable, "-c", _WORKER_CODE],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                **options,
            )
            self._processes.append(process)
        assert process.stdin is not None
        pickle.dump(sys.path, process.stdin)
        process.stdin.write(self._work)
        return process


def attempt(work: Callable[[str], T], name: str) -> T | EdgeSerError:
    """Return `work(name)`, or the EdgeSerError that it raises; MemoryError becomes AudioError."""
    try:
        return work(name)
    except EdgeSerError as error:
        return error
    except MemoryError:
        return AudioError(f"{name}: does not fit into memory")


def serve() -> None:
    """Run a worker: read the function, then lists of names, and write the results and notes."""
    results = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # keeps the output of libraries out of the results
    try:
        work = pickle.load(sys.stdin.buffer)
        while True:
            names = pickle.load(sys.stdin.buffer)
            notes: list[str] = []
            with notes_to(notes.append):
                answers = [attempt(work, name) for name in names]
            pickle.dump((answers, notes), results)
            results.flush()
    except (EOFError, BrokenPipeError):  # the parent has closed its end
        os._exit(0)


def usable_cores() -> int:
    """Return the number of cores that this process may run on."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1
