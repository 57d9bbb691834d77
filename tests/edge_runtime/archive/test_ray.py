"""Archives on Ray: two local workers."""

from __future__ import annotations

import importlib.util
import shutil

import pytest
from support.killing_work import killing_work

from edge_runtime.archive.engines import RayEngine
from edge_runtime.archive.manifest import find_recordings
from edge_runtime.archive.plan import extend_plan
from edge_runtime.archive.report import last_errors, status_of, verify
from edge_runtime.archive.runner import run_shards
from edge_runtime.archive.store import FolderStore
from edge_runtime.archive.work import ShardWork
from edge_runtime.errors import EdgeSerError

pytestmark = [
    pytest.mark.slow,  # starting Ray takes several seconds
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed"),
]


def test_actors_that_die(calls, settings, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "tests")  # for `support` in the actors
    folder, out = tmp_path / "calls", tmp_path / "out"
    shutil.copytree(calls, folder)
    shutil.copy(calls / "call0.wav", folder / "kill.wav")
    store = FolderStore(str(out))
    recordings = list(find_recordings([str(folder)]))
    shards, _ = extend_plan(store, settings, recordings, 5.0)
    work = killing_work(str(out), settings)
    engine = RayEngine(work, 2)
    try:
        assert engine.n_workers == 2
        report = run_shards(work, shards, engine)
    finally:
        engine.close()
    assert (report.recordings, len(report.failures)) == (5, 1)
    (error,) = last_errors(store, settings)
    assert error["uri"].endswith("kill.wav") and "kills the worker process" in error["error"]
    assert verify(store, settings) == [] and status_of(store, settings).processed == 4


def test_unavailable_cluster(settings, tmp_path):
    with pytest.raises(EdgeSerError, match="127.0.0.1:1 is not available"):
        RayEngine(ShardWork(str(tmp_path), settings), 1, "127.0.0.1:1")
