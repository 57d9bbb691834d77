"""Trainings in processes of their own, one thread each."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

import torch
from tqdm import tqdm

from edge_runtime.workers import usable_cores

from .run_folder import RunError

T = TypeVar("T")
R = TypeVar("R")


def map_in_processes(
    work: Callable[[T], R],
    tasks: Sequence[T],
    jobs: int,
    prepare: Callable[..., None] | None = None,
    given: tuple[Any, ...] = (),
) -> Iterator[R]:
    """What `work` returns for each of `tasks`, as it comes; up to `jobs` at a time, 0: as many as
    there are cores, in processes that call `prepare(*given)` first.

    One failure, or Ctrl-C, ends all of them at once.
    """
    if not tasks:
        return
    # Spawned, because torch's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    at_once = min(jobs or usable_cores(), len(tasks))
    pool = ProcessPoolExecutor(at_once, context, _begin, (prepare, given))
    others = set(multiprocessing.active_children())
    try:
        with tqdm(total=len(tasks), unit="training", disable=None) as progress:
            pending = set()
            for task in tasks:
                with _no_interrupts():  # a process may begin here
                    pending.add(pool.submit(work, task))
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    progress.update()
                    yield future.result()
    except BaseException as error:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in set(multiprocessing.active_children()) - others:
            process.terminate()
        if isinstance(error, BrokenProcessPool):
            raise RunError(
                "a process that was training has been killed, perhaps for want of memory; "
                "--resume goes on with it, and fewer --jobs need less"
            ) from error
        raise
    pool.shutdown()


@contextlib.contextmanager
def _no_interrupts() -> Iterator[None]:
    """Ctrl-C waits meanwhile. Processes that begin here never hear it: it goes to all that a
    terminal runs, and each would tell of it at length."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(prepare: Callable[..., None] | None, given: tuple[Any, ...]) -> None:
    """The beginning of a process: it ends with the process that started it, which would otherwise
    leave it training for hours when it is killed."""

    def follow() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    torch.set_num_threads(1)  # faster for so small a network, and the same weights everywhere
    threading.Thread(target=follow, daemon=True).start()
    if prepare is not None:
        prepare(*given)
