"""The process pool: number of processes, and errors."""

from __future__ import annotations

import os
import time
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
    time.sleep(30)


@pytest.mark.slow
def test_error_in_one_task_ends_all_processes(tmp_path):
    started = time.monotonic()
    with pytest.raises(RunError, match="no luck"):
        list(map_in_processes(first_fails, [tmp_path / f"{k}" for k in range(8)], jobs=2))
    assert time.monotonic() - started < 25  # most of it is the import of torch
    assert len(list(tmp_path.glob("*/begun"))) <= 3


def own_process(task: int) -> int:
    return os.getpid()


@pytest.mark.slow
def test_zero_jobs_means_one_process_per_core(monkeypatch):
    monkeypatch.setattr("train.process_pool.usable_cores", lambda: 1)
    assert len(set(map_in_processes(own_process, range(4), jobs=0))) == 1
