"""Trainings on Ray: results, shared arguments and errors."""

from __future__ import annotations

import importlib.util
import os

import pytest

from train import process_pool
from train.process_pool import map_in_processes
from train.run_folder import RunError

pytestmark = [
    pytest.mark.slow,  # starting Ray takes several seconds
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed"),
]

_offset: list[int] = []


def prepare(offset):
    _offset.append(offset)


def add(number):
    """Stand in for a training."""
    if number == 7:
        raise RunError("no luck")
    if number == 9:
        os._exit(1)
    return number + _offset[0], os.getcwd()


def test_tasks_on_ray(monkeypatch):
    monkeypatch.setattr(process_pool, "_ray_address", "local")
    finished: list[int] = []
    results = list(map_in_processes(add, range(4), 2, prepare, (10,), finished.append))
    assert sorted(results) == [(number, os.getcwd()) for number in range(10, 14)]
    assert finished[-1] == 4


@pytest.mark.parametrize("task, message", [(7, "no luck"), (9, "was killed")])
def test_errors_on_ray(monkeypatch, task, message):
    monkeypatch.setattr(process_pool, "_ray_address", "local")
    with pytest.raises(RunError, match=message):
        list(map_in_processes(add, [task], 1, prepare, (10,), lambda _: None))
