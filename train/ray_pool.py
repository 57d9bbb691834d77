"""Trainings on a Ray cluster, one thread each.

https://docs.ray.io/en/latest/ray-core/actors.html
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from edge_runtime import ConfigError
from edge_runtime.messages import missing_package, shorten_error

from .run_folder import RunError

WAIT_SECONDS = 1.0  # between two calls of `on_wait`
LOCAL = "local"  # address that starts Ray on this machine

T = TypeVar("T")
R = TypeVar("R")


def map_on_ray(
    address: str,
    work: Callable[[T], R],
    tasks: Sequence[T],
    jobs: int,
    prepare: Callable[..., None] | None,
    arguments: tuple[Any, ...],
    on_wait: Callable[[int], None],
) -> Iterator[R]:
    """Apply a function to tasks on a Ray cluster; see `map_in_processes`.

    All machines must have the same folders: the code, the recordings and the run folders.

    Args:
        address: Address of the cluster, or `LOCAL`.
        work: The function.
        tasks: Its arguments.
        jobs: Number of actors; 0 means one per CPU of the cluster.
        prepare: Called once in each actor, before the first task.
        arguments: Arguments of `prepare`.
        on_wait: Called about once a second with the number of tasks that are finished.

    Yields:
        The results, in the order of completion.

    Raises:
        ConfigError: If Ray is not installed, or the cluster is not available.
        RunError: If an actor was killed.
    """
    ray = _connected(address, jobs)
    try:
        n_actors = jobs or max(1, int(ray.cluster_resources().get("CPU", 1)))
        shared = ray.put((prepare, arguments, os.getcwd()))
        actor_class = ray.remote(num_cpus=1, max_restarts=0)(_Actor)
        idle = [actor_class.remote(shared) for _ in range(min(n_actors, len(tasks)))]
        waiting = list(tasks)[::-1]
        running: dict[Any, Any] = {}  # actors by the reference to their result
        while waiting or running:
            while waiting and idle:
                actor = idle.pop()
                running[actor.run.remote(work, waiting.pop())] = actor
            done, _ = ray.wait(list(running), timeout=WAIT_SECONDS)
            for reference in done:
                idle.append(running.pop(reference))
                yield ray.get(reference)
            on_wait(len(tasks) - len(waiting) - len(running))
    except ray.exceptions.RayActorError as error:
        raise RunError(
            "a training process was killed, or its machine has disappeared; continue with --resume"
        ) from error
    finally:
        ray.shutdown()


def _connected(address: str, jobs: int) -> Any:
    """Return the module of Ray, connected to a cluster.

    Raises:
        ConfigError: If Ray is not installed, or the cluster is not available.
    """
    try:
        ray: Any = importlib.import_module("ray")
    except ModuleNotFoundError:
        raise ConfigError(missing_package("--ray", "ray", "ray")) from None
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if address == LOCAL:
        options |= {"include_dashboard": False, **({"num_cpus": jobs} if jobs else {})}
    path = os.pathsep.join(os.path.abspath(entry) for entry in sys.path)
    options["runtime_env"] = {"env_vars": {"PYTHONPATH": path}}
    try:
        ray.init(address=None if address == LOCAL else address, **options)
    except Exception as error:  # one that times out has no class of its own
        raise ConfigError(f"--ray {address}: is not available: {shorten_error(error)}") from error
    return ray


class _Actor:
    """A worker of Ray."""

    def __init__(self, shared: tuple[Callable[..., None] | None, tuple[Any, ...], str]) -> None:
        import torch

        prepare, arguments, folder = shared
        os.chdir(folder)
        torch.set_num_threads(1)  # as in the local processes, for the same numbers
        if prepare is not None:
            prepare(*arguments)

    def run(self, work: Callable[[T], R], task: T) -> R:
        """Run a task."""
        return work(task)
