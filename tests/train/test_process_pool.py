"""The process pool: number of processes, and errors."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from train.process_pool import map_in_processes
from train.run_folder import RunError


def first_fails(folder: Path) -> None:
    """Stand in for a training: the first one fails, the others are slow."""
    folder.mkdir()
    (folder / "begun").touch()
    if folder.name == "0":
        raise RunError("no luck")
    time.sleep(120)


@pytest.mark.slow
def test_error_in_one_task_ends_all_processes(tmp_path):
    started = time.monotonic()
    with pytest.raises(RunError, match="no luck"):
        list(map_in_processes(first_fails, [tmp_path / f"{k}" for k in range(8)], jobs=2))
    assert time.monotonic() - started < 110  # most of it is the import of torch
    assert len(list(tmp_path.glob("*/begun"))) <= 3


@pytest.mark.parametrize("jobs, tasks, expected", [(0, 9, 3), (2, 9, 2), (0, 2, 2)])
def test_zero_jobs_means_one_process_per_core(monkeypatch, jobs, tasks, expected):
    """There are never more processes than tasks."""
    sizes = []

    class Pool(ThreadPoolExecutor):
        def __init__(self, n_processes, context, initializer, arguments):
            sizes.append(n_processes)
            super().__init__(n_processes)

    monkeypatch.setattr("train.process_pool.ProcessPoolExecutor", Pool)
    monkeypatch.setattr("train.process_pool.usable_cores", lambda: 3)
    assert sorted(map_in_processes(str, range(tasks), jobs)) == list(map(str, range(tasks)))
    assert sizes == [expected]
