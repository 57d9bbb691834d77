"""Engines: worker processes on this machine, or actors of a Ray cluster.

An engine runs one task per calling thread. Workers load the model once and read the recordings
themselves; only the rows of the manifest are sent to them.
"""

from __future__ import annotations

import importlib
import socket
import threading
from typing import Any, Protocol

from ..errors import AudioError, ConfigError, EdgeSerError
from ..messages import missing_package, shorten_error, system_reason
from ..workers import Workers, usable_cores
from .work import ShardWork

CONNECTION_SECONDS = 5.0


class WorkerDiedError(Exception):
    """A worker process that ended during a task."""


class Engine(Protocol):
    """Runs tasks in other processes.

    Attributes:
        n_workers: Number of tasks that run at the same time.
    """

    n_workers: int

    def call(self, task: str) -> Any:
        """Run a task in the worker of this thread, and return its result.

        Raises:
            WorkerDiedError: If the worker ended; the next call gets another one.
            EdgeSerError: If the results cannot be written, or the engine is closed.
        """

    def close(self) -> None:
        """End all workers."""


class LocalEngine:
    """Worker processes on this machine.

    Args:
        work: The work.
        jobs: Number of processes; 0 for one per core.

    Attributes:
        n_workers: Number of processes.

    Raises:
        ConfigError: If `jobs` is negative.
    """

    def __init__(self, work: ShardWork, jobs: int = 0) -> None:
        if jobs < 0:
            raise ConfigError(f"jobs={jobs} must be 0 (one per core) or more")
        self.n_workers = jobs or usable_cores()
        self._workers: Workers[Any] = Workers(work)

    def call(self, task: str) -> Any:
        """Run a task in the process of this thread."""
        (result,) = self._workers([task])
        if isinstance(result, AudioError):  # errors of recordings are rows, so that it has died
            raise WorkerDiedError(str(result).removeprefix(f"{task}: "))
        if isinstance(result, EdgeSerError):
            raise result
        return result

    def close(self) -> None:
        """Kill the processes."""
        self._workers.close()


class RayEngine:
    """Actors of a Ray cluster, one per CPU.

    https://docs.ray.io/en/latest/ray-core/actors.html

    Args:
        work: The work. Its archive and recordings must be accessible from all machines.
        jobs: Number of actors; 0 for one per CPU of the cluster.
        address: Address of the cluster, such as "auto" or "ray://head:10001". None: start Ray on
            this machine.

    Attributes:
        n_workers: Number of actors.

    Raises:
        ConfigError: If `jobs` is negative.
        EdgeSerError: If Ray is not installed, or the cluster is not available.
    """

    def __init__(self, work: ShardWork, jobs: int = 0, address: str | None = None) -> None:
        try:
            ray: Any = importlib.import_module("ray")
        except ModuleNotFoundError:
            raise EdgeSerError(missing_package("--engine ray", "ray", "archive,ray")) from None
        if jobs < 0:
            raise ConfigError(f"jobs={jobs} must be 0 (one per CPU) or more")
        self._ray = ray
        if address is not None:
            _check_reachable(address)
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if address is None:
            options |= {"include_dashboard": False}
            if jobs:
                options["num_cpus"] = jobs
        try:
            ray.init(address=address, **options)
        except Exception as error:  # one that times out has no class of its own
            raise EdgeSerError(
                f"Ray at {address or 'this machine'} is not available: {shorten_error(error)}"
            ) from error
        self.n_workers = jobs or max(1, int(ray.cluster_resources().get("CPU", 1)))
        self._actor_class = ray.remote(num_cpus=1, max_restarts=0)(_Actor)
        self._work = ray.put(work)
        self._closed = False
        self._local = threading.local()

    def call(self, task: str) -> Any:
        """Run a task in the actor of this thread."""
        if self._closed:  # a call would start Ray again
            raise EdgeSerError("the engine is closed")
        actor = getattr(self._local, "actor", None)
        if actor is None:
            actor = self._local.actor = self._actor_class.remote(self._work)
        try:
            result = self._ray.get(actor.run.remote(task))
        except self._ray.exceptions.RayActorError as error:
            self._local.actor = None
            raise WorkerDiedError(shorten_error(error)) from error
        except self._ray.exceptions.RayError as error:
            raise EdgeSerError(f"Ray: {shorten_error(error)}") from error
        if isinstance(result, EdgeSerError):
            raise result
        return result

    def close(self) -> None:
        """Disconnect; the actors end."""
        self._closed = True
        self._ray.shutdown()


def _check_reachable(address: str) -> None:
    """Raise EdgeSerError if no server answers at host:port; Ray itself tries for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if not host or not port.isdecimal():  # such as "auto"
        return
    try:
        socket.create_connection((host, int(port)), CONNECTION_SECONDS).close()
    except OSError as error:
        raise EdgeSerError(f"Ray at {address} is not available: {system_reason(error)}") from error


class _Actor:
    """A worker of Ray, which loads the model with its first task."""

    def __init__(self, work: ShardWork) -> None:
        self._work = work

    def run(self, task: str) -> Any:
        """Return the result of a task, or the EdgeSerError that it raised."""
        try:
            return self._work(task)
        except EdgeSerError as error:
            return error
