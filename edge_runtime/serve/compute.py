"""Threads that compute, so that the event loop never does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ..workers import usable_cores
from .metrics import Metrics
from .problems import ProblemError

T = TypeVar("T")


class ComputePool:
    """A bounded number of threads for live streams, and fewer for uploads.

    Uploads leave one core to the streams, which must answer in time.

    Args:
        max_waiting: Uploads that wait for a thread; others are refused.
        metrics: Counts the uploads that wait.
    """

    def __init__(self, max_waiting: int, metrics: Metrics) -> None:
        cores = usable_cores()
        self._streams = ThreadPoolExecutor(cores, thread_name_prefix="edge-ser-stream")
        n_uploads = max(1, cores - 1)
        self._uploads = ThreadPoolExecutor(n_uploads, thread_name_prefix="edge-ser-upload")
        self._n_uploads, self._max_waiting = n_uploads, max_waiting
        self._n_pending = 0
        self._metrics = metrics

    async def run_stream(self, work: Callable[[], T]) -> T:
        """Call a function for a live stream."""
        return await asyncio.get_running_loop().run_in_executor(self._streams, work)

    async def run_upload(self, work: Callable[[], T]) -> T:
        """Call a function for an upload."""
        return await asyncio.get_running_loop().run_in_executor(self._uploads, work)

    def reserve(self) -> _Reservation:
        """Return a context in which an upload may be processed.

        Raises:
            ProblemError: If too many uploads wait.
        """
        return _Reservation(self)

    def enter(self) -> None:
        """Count an upload."""
        if self._n_pending >= self._n_uploads + self._max_waiting:
            raise ProblemError(
                "busy", "too many recordings are being processed", retry_after=2, close=True
            )
        self._n_pending += 1
        self._metrics.waiting = max(0, self._n_pending - self._n_uploads)

    def leave(self) -> None:
        """End counting an upload."""
        self._n_pending -= 1
        self._metrics.waiting = max(0, self._n_pending - self._n_uploads)

    def close(self) -> None:
        """Drop the work that has not begun."""
        for executor in (self._streams, self._uploads):
            executor.shutdown(wait=False, cancel_futures=True)


class _Reservation:
    def __init__(self, pool: ComputePool) -> None:
        self._pool = pool

    def __enter__(self) -> None:
        self._pool.enter()

    def __exit__(self, *_: object) -> None:
        self._pool.leave()
