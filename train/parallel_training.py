"""Trainings of a protocol in parallel processes, which share recipes, recordings and progress."""

from __future__ import annotations

import functools
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from edge_runtime.workers import usable_cores

from .candidates import Candidate
from .process_pool import map_in_processes, uses_ray
from .progress import EpochCounter, Progress

T = TypeVar("T")
R = TypeVar("R")

_shared: dict[str, Any] = {}  # in a worker process: arguments that all of its tasks share


def train_in_processes(
    work: Callable[[T, list[Candidate], str], R],
    tasks: Sequence[T],
    candidates: list[Candidate],
    *,
    jobs: int,
    device: str,
    n_epochs: int,
    quiet: bool = False,
) -> Iterator[R]:
    """Run trainings, and show their progress.

    Args:
        work: Trains one task, with the candidates and the device as further arguments. It passes
            its lines to a `TaskLog`.
        tasks: The tasks.
        candidates: The recipes, each with its features.
        jobs: Trainings at a time, one thread each; 0: one per core.
        device: Torch device.
        n_epochs: Planned epochs of all tasks.
        quiet: Print no progress.

    Yields:
        The results, in the order of completion.
    """
    # Actors of Ray share no memory: there, only trainings that are finished count.
    epochs = None if uses_ray() else multiprocessing.get_context("spawn").Value("q", 0)
    with Progress(n_epochs, quiet) as progress:

        def show(n_finished: int) -> None:
            n_done = n_epochs * n_finished // len(tasks) if epochs is None else epochs.value
            progress.update(n_done, f"{n_finished} of {len(tasks)} trainings done")

        yield from map_in_processes(
            functools.partial(_run, work), tasks, jobs, _share, (candidates, device, epochs), show
        )


def jobs_text(jobs: int, n_tasks: int) -> str:
    """Return how many of the tasks are run at a time, as text."""
    return f"{min(jobs or usable_cores(), n_tasks)} at a time"


def _share(candidates: list[Candidate], device: str, epochs: Any) -> None:
    _shared.update(candidates=candidates, device=device, epochs=epochs)


def _run(work: Callable[[T, list[Candidate], str], R], task: T) -> R:
    return work(task, _shared["candidates"], _shared["device"])


class TaskLog:
    """Keeps the lines of a training, and adds its epochs to those of all processes.

    Args:
        total: Planned epochs of this training. The final network may take fewer.

    Attributes:
        lines: The lines so far.
    """

    def __init__(self, total: int) -> None:
        self.lines: list[str] = []
        self._counter, self._total = EpochCounter(), total

    def __call__(self, line: str) -> None:
        """Process a line of the training."""
        self.lines.append(line)
        self._add(self._counter(line))

    def finish(self) -> None:
        """Add the epochs that were planned but not needed."""
        self._add(self._total - self._counter.count)

    def _add(self, n_epochs: int) -> None:
        epochs = _shared.get("epochs")
        if n_epochs and epochs is not None:
            with epochs.get_lock():
                epochs.value += n_epochs
