"""Process pool for trainings, one thread each."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

import torch

from edge_runtime.workers import usable_cores

from .progress import Progress
from .run_folder import RunError

WAIT_SECONDS = 1.0  # between two calls of `on_wait`

T = TypeVar("T")
R = TypeVar("R")

_ray_address: str | None = None  # set by `use_ray`


def use_ray(address: str) -> None:
    """Run the tasks of `map_in_processes` on a Ray cluster from now on."""
    global _ray_address
    _ray_address = address


def uses_ray() -> bool:
    """Return True if tasks run on a Ray cluster."""
    return _ray_address is not None


def map_in_processes(
    work: Callable[[T], R],
    tasks: Sequence[T],
    jobs: int,
    prepare: Callable[..., None] | None = None,
    arguments: tuple[Any, ...] = (),
    on_wait: Callable[[int], None] | None = None,
) -> Iterator[R]:
    """Apply a function to tasks in parallel processes, or on a Ray cluster after `use_ray`.

    An error, or Ctrl-C, ends all processes at once.

    Args:
        work: The function.
        tasks: Its arguments.
        jobs: Number of processes; 0 means one per core.
        prepare: Called once in each process, before the first task.
        arguments: Arguments of `prepare`.
        on_wait: Called about once a second with the number of tasks that are finished. Default: a
            bar or plain lines show it.

    Yields:
        The results, in the order of completion.

    Raises:
        RunError: If a process was killed.
    """
    if not tasks:
        return
    if _ray_address is not None:
        from .ray_pool import map_on_ray

        with contextlib.ExitStack() as stack:
            if on_wait is None:
                on_wait = stack.enter_context(Progress(len(tasks), unit="tasks")).update
            yield from map_on_ray(_ray_address, work, tasks, jobs, prepare, arguments, on_wait)
        return
    # Spawned, because torch's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    n_processes = min(jobs or usable_cores(), len(tasks))
    pool = ProcessPoolExecutor(n_processes, context, _initialise, (prepare, arguments))
    other_processes = set(multiprocessing.active_children())
    try:
        with contextlib.ExitStack() as stack:
            if on_wait is None:
                on_wait = stack.enter_context(Progress(len(tasks), unit="tasks")).update
            pending: set[Future[R]] = set()
            for task in tasks:
                with _block_interrupts():  # a process may start here
                    pending.add(pool.submit(work, task))
            while pending:
                done, pending = wait(pending, WAIT_SECONDS, FIRST_COMPLETED)
                for future in done:
                    yield future.result()
                on_wait(len(tasks) - len(pending))
    except BaseException as error:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - other_processes:
            process.terminate()
        if isinstance(error, BrokenProcessPool):
            raise RunError(
                "a training process was killed, possibly because memory ran out; continue with "
                "--resume; fewer --jobs need less memory"
            ) from error
        raise
    pool.shutdown()


@contextlib.contextmanager
def _block_interrupts() -> Iterator[None]:
    """Delay Ctrl-C, and block it for good in the processes that start meanwhile.

    A terminal sends it to all processes, and each would print a traceback.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _initialise(prepare: Callable[..., None] | None, arguments: tuple[Any, ...]) -> None:
    """Initialise a process, which ends with its parent.

    Otherwise it would keep training for hours after the parent was killed.
    """

    def exit_with_parent() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    torch.set_num_threads(1)  # faster for a network of this size, and reproducible
    threading.Thread(target=exit_with_parent, daemon=True).start()
    if prepare is not None:
        prepare(*arguments)
