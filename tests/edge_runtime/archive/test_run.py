"""Runs of archives: tables, errors, workers that die, and resumption."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time

import duckdb
import pytest
from support.command import edge_ser
from support.killing_work import killing_work
from support.paths import ROOT

from edge_runtime import EmotionModel
from edge_runtime.archive.engines import LocalEngine, WorkerDiedError
from edge_runtime.archive.manifest import find_recordings
from edge_runtime.archive.plan import extend_plan
from edge_runtime.archive.report import Summary, compact, last_errors, partitions, status_of, verify
from edge_runtime.archive.runner import parse_max_errors, run_shards
from edge_runtime.archive.store import FolderStore
from edge_runtime.archive.work import ShardWork, repair_derived
from edge_runtime.errors import ConfigError


class InProcess:
    """An engine that runs tasks in this process, and dies at some of them."""

    n_workers = 1

    def __init__(self, work, deaths=()):
        self.work, self.deaths, self.tasks = work, list(deaths), []

    def call(self, task):
        self.tasks.append(task)
        for death in self.deaths:
            if death in task:
                raise WorkerDiedError("exit status -9")
        return self.work(task)

    def close(self):
        pass


def plan(out, settings, sources, shard_seconds=1.0):
    store = FolderStore(str(out))
    store.put_new(f"{settings.partition()}/settings.json", settings.to_json().encode())
    recordings = list(find_recordings([str(source) for source in sources]))
    return store, extend_plan(store, settings, recordings, shard_seconds)[0]


def process(out, settings, sources, shard_seconds=1.0, deaths=(), **options):
    store, shards = plan(out, settings, sources, shard_seconds)
    work = ShardWork(str(out), settings)
    engine = InProcess(work, deaths)
    return store, run_shards(work, shards, engine, **options), engine


def table(out, kind, columns="*"):
    return duckdb.sql(
        f"SELECT {columns} FROM read_parquet('{out}/run=*/{kind}/*.parquet', "
        "hive_partitioning=false) ORDER BY ALL"
    ).fetchall()


def same_tables(one, other):
    """Return True if no row of a table is in one archive only."""
    for kind in ("segments", "recordings", "errors"):
        a, b = (f"SELECT * FROM '{out}/run=*/{kind}/*.parquet'" for out in (one, other))
        if not list(one.glob(f"run=*/{kind}/*")) and not list(other.glob(f"run=*/{kind}/*")):
            continue
        for left, right in ((a, b), (b, a)):
            if duckdb.sql(f"{left} EXCEPT ALL {right}").fetchall():
                return False
    return True


@pytest.fixture(scope="module")
def finished(tmp_path_factory, calls, settings):
    """An archive of all calls; read-only."""
    out = tmp_path_factory.mktemp("archives") / "out"
    store, report, _ = process(out, settings, [calls])
    assert (report.recordings, len(report.failures)) == (4, 0)
    return out


def test_tables_equal_timelines(finished, calls, settings):
    columns = 'uri, channel, role, speaker, start, "end", label, confidence, p_angry, speech'
    rows = table(finished, "segments", columns)
    expected = [
        (str(path), 1, None, None, round(s.start, 6), round(s.end, 6), s.label)
        for path in sorted(calls.glob("*.wav"))
        for s in EmotionModel.load().timeline(path)
    ]
    assert [row[:7] for row in rows] == expected
    assert all(row[9] == (row[6] != "no speech") for row in rows)
    recordings = table(finished, "recordings", "uri, duration, speech, seconds_sad, attempt")
    for uri, duration, speech, _, attempt in recordings:
        own = [s for s in EmotionModel.load().timeline(uri)]
        assert duration == pytest.approx(own[-1].end, abs=1e-3) and attempt == 1
        spoken = sum(s.end - s.start for s in own if s.label != "no speech")
        assert speech == pytest.approx(spoken, abs=2e-3)
    assert not list(finished.glob("run=*/errors/*"))


def test_metadata_and_types(finished, settings):
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = next(iter(sorted(finished.glob("run=*/segments/*.parquet"))))
    schema = pq.read_schema(file)
    assert pa.types.is_dictionary(schema.field("label").type)
    assert schema.metadata[b"edge_ser.schema"] == b"1"
    assert schema.metadata[b"edge_ser.licence"].decode() == settings.licence
    assert schema.metadata[b"edge_ser.model"].decode() == settings.model_fingerprint
    assert pq.ParquetFile(file).metadata.row_group(0).column(0).compression == "ZSTD"


def test_status_verify_compact_summary(finished, settings, tmp_path):
    out = tmp_path / "copy"
    shutil.copytree(finished, out)
    store = FolderStore(str(out))
    assert partitions(store) == [settings]
    status = status_of(store, settings)
    assert (status.shards, status.committed, status.recordings, status.processed) == (4, 4, 4, 4)
    assert status.failed == 0 and status.hours > 0
    assert verify(store, settings) == []
    keys = compact(store, settings)
    assert compact(store, settings) == keys and set(keys) == {"segments", "recordings"}
    joined = duckdb.sql(f"SELECT * FROM '{out}/{keys['segments']}'").fetchall()
    assert len(joined) == len(table(out, "segments"))
    summary = Summary(store, settings)
    text = summary.as_markdown()
    assert "4 of 4 recordings" in text and "| all |" in text and settings.licence in text
    for label, seconds in summary.parts["all"].items():
        assert sum(seconds) == pytest.approx(summary.seconds["all"][label], abs=0.01)
    summary.write()
    pytest.importorskip("matplotlib")
    assert (out / settings.partition() / "summary.png").read_bytes()[:4] == b"\x89PNG"


def test_verify_finds_damage(finished, settings, tmp_path):
    out = tmp_path / "copy"
    shutil.copytree(finished, out)
    store = FolderStore(str(out))
    segments = sorted(out.glob("run=*/segments/*.parquet"))
    recordings = sorted(out.glob("run=*/recordings/*.parquet"))
    recordings[0].unlink()
    segments[1].write_bytes(segments[1].read_bytes()[:100])
    shutil.copy(segments[3], segments[2])
    shutil.copy(segments[3], segments[3].with_name("9999-other.parquet"))
    problems = "\n".join(verify(store, settings))
    for part in (
        "is missing; `edge-ser",
        "is damaged",
        "not those of the plan",
        "is not in a plan",
    ):
        assert part in problems
    assert repair_derived(FolderStore(str(finished)), settings) == []


def test_missing_derived_tables_are_written_again(finished, settings, tmp_path):
    out = tmp_path / "copy"
    shutil.copytree(finished, out)
    for file in list(out.glob("run=*/recordings/*"))[:2]:
        file.unlink()
    store = FolderStore(str(out))
    assert len(repair_derived(store, settings)) == 2
    assert verify(store, settings) == [] and same_tables(out, finished)


def test_roles_and_identical_channels(stereo, stereo_settings, tmp_path):
    process(tmp_path / "out", stereo_settings, [stereo])
    columns = "regexp_extract(uri, '\\w+.wav'), channel, role, identical_channels"
    assert table(tmp_path / "out", "recordings", columns) == [
        ("call.wav", 1, "agent", False),
        ("call.wav", 2, "customer", False),
        ("same.wav", 1, "agent", True),
        ("same.wav", 2, "customer", True),
    ]
    model = EmotionModel.load()
    (expected,) = model.timeline(stereo / "call.wav", channel=2)
    rows = table(tmp_path / "out", "segments", "role, uri, label, confidence")
    (row,) = (row for row in rows if row[0] == "customer" and row[1].endswith("call.wav"))
    assert row[2] == expected.label and row[3] == pytest.approx(expected.confidence, abs=1e-6)


def test_errors_cost_their_recording_only(calls, stereo, settings, tmp_path):
    folder = tmp_path / "calls"
    shutil.copytree(calls, folder)
    (folder / "bad.wav").write_text("no audio")
    shutil.copy(stereo / "call.wav", folder / "stereo.wav")
    vanishing = folder / "vanishing.wav"
    shutil.copy(folder / "call0.wav", vanishing)
    store, shards = plan(tmp_path / "out", settings, [folder], 1e6)
    vanishing.unlink()
    work = ShardWork(str(tmp_path / "out"), settings)
    report = run_shards(work, shards, InProcess(work))
    assert (report.shards, report.recordings, len(report.failures)) == (1, 7, 3)
    assert len(table(tmp_path / "out", "recordings")) == 4
    errors = {os.path.basename(row["uri"]): row["error"] for row in last_errors(store, settings)}
    assert "is not audio" in errors["bad.wav"] and "give their roles" in errors["stereo.wav"]
    assert "no such file" in errors["vanishing.wav"]
    assert status_of(store, settings).failed == 3 and verify(store, settings) == []


def test_worker_that_dies_costs_its_recording_only(calls, settings, finished, tmp_path):
    out = tmp_path / "out"
    _, report, engine = process(out, settings, [calls], 1e6, deaths=["call2"])
    assert (report.recordings, len(report.failures)) == (4, 1)
    assert len(engine.tasks) == 1 + 5  # the shard, each recording, and the culprit twice
    ((uri, error),) = table(out, "errors", "uri, error")
    assert uri.endswith("call2.wav") and "kills the worker process: exit status -9" in error
    kept = [row for row in table(finished, "segments") if not row[1].endswith("call2.wav")]
    assert table(out, "segments") == kept


def test_too_many_errors_stop_the_run(calls, settings, tmp_path):
    folder = tmp_path / "calls"
    folder.mkdir()
    for number in range(10):
        (folder / f"bad{number}.wav").write_text("no audio")
    store, shards = plan(tmp_path / "out", settings, [folder], 0.0)
    work = ShardWork(str(tmp_path / "out"), settings)
    report = run_shards(work, shards, InProcess(work), max_errors=3)
    assert report.too_many_errors and len(report.failures) == 4


@pytest.mark.parametrize("text", ["", "x", "-1", "101%", "nan"])
def test_invalid_max_errors(text):
    with pytest.raises(ConfigError, match="expected a number of recordings"):
        parse_max_errors(text, 10)


def test_committed_shards_are_skipped(calls, settings, finished, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    first = sorted(out.glob("run=*/segments/*"))[0]
    (out / first.relative_to(out).parent.parent / "recordings" / first.name).unlink()
    first.unlink()
    _, report, engine = process(out, settings, [calls])
    assert (report.shards, len(engine.tasks)) == (1, 1) and same_tables(out, finished)


def test_two_runs_write_nothing_twice(calls, settings, finished, tmp_path):
    out = tmp_path / "out"
    _, shards = plan(out, settings, [calls])
    works = [ShardWork(str(out), settings) for _ in range(2)]
    results = [work.process_shard(s.name, s.recordings) for s in shards for work in works]
    assert [result.is_new for result in results] == [True, False] * 4
    outcomes = [works[0].process(r) for r in shards[0].recordings]
    assert not works[0].commit(shards[0].name, outcomes).is_new  # lost the race at the very end
    assert same_tables(out, finished)


@pytest.mark.slow
def test_processes_that_die(calls, settings, finished, tmp_path):
    folder = tmp_path / "calls"
    shutil.copytree(calls, folder)
    shutil.copy(calls / "call0.wav", folder / "kill.wav")
    shutil.copy(calls / "call0.wav", folder / "once.wav")
    out = tmp_path / "out"
    _, shards = plan(out, settings, [folder], 1e6)
    work = killing_work(str(out), settings)
    engine = LocalEngine(work, 2)
    try:
        report = run_shards(work, shards, engine)
    finally:
        engine.close()
    assert (report.recordings, len(report.failures)) == (6, 1)
    ((uri, error),) = table(out, "errors", "uri, error")
    assert uri.endswith("kill.wav") and "exit status -9" in error
    labels = 'label, start, "end", confidence'
    own = table(out, "segments", f"regexp_extract(uri, '\\w+.wav'), {labels}")
    assert {row[0] for row in own} == {
        "call0.wav",
        "call1.wav",
        "call2.wav",
        "call3.wav",
        "once.wav",
    }


@pytest.mark.slow
def test_command_killed_and_resumed(calls, tmp_path):
    out, undisturbed = tmp_path / "out", tmp_path / "undisturbed"
    command = [
        sys.executable,
        "-m",
        "edge_runtime",
        "archive",
        "run",
        str(calls),
        "--out",
        str(out),
    ]
    command += ["--shard-seconds", "1", "--jobs", "1"]
    run = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)
    for _ in range(200):
        if list(out.glob("run=*/segments/*.parquet")):
            break
        time.sleep(0.05)
    run.send_signal(signal.SIGKILL)
    run.wait()
    done = edge_ser("archive", "run", calls, "--out", out, "--shard-seconds", 1, "--jobs", 1)
    assert done.returncode == 0, done.stderr
    # The same program: libraries that tests load change the last digits.
    edge_ser("archive", "run", calls, "--out", undisturbed, "--shard-seconds", 1, "--jobs", 1)
    assert same_tables(out, undisturbed)
    again = edge_ser("archive", "run", "--out", out)
    assert again.returncode == 0 and "all shards are committed" in again.stderr
    verified = edge_ser("archive", "verify", out)
    assert (verified.returncode, verified.stdout) == (0, "no problems\n")


@pytest.mark.slow
def test_retry_and_status_commands(calls, tmp_path):
    folder, out = tmp_path / "calls", tmp_path / "out"
    shutil.copytree(calls, folder)
    good = (folder / "call1.wav").read_bytes()
    (folder / "call1.wav").write_bytes(good[:2000])
    dry = edge_ser("archive", "run", folder, "--out", out, "--dry-run")
    assert "to process  1 shard, 4 recordings" in dry.stdout and not out.exists()
    stopped = edge_ser("archive", "run", folder, "--out", out, "--jobs", 1)
    assert stopped.returncode == 1 and "raise --max-errors" in stopped.stderr
    assert (
        "call1.wav: is truncated" in stopped.stderr and "1 of 4 recordings failed" in stopped.stderr
    )
    other = edge_ser("archive", "run", "--out", out, "--threshold", 0.9)
    assert other.returncode == 2 and "no plan with these options" in other.stderr
    (folder / "call1.wav").write_bytes(good)
    status = edge_ser("archive", "status", out).stdout
    assert "3 of 4 processed, 1 failed" in status and "call1.wav: is truncated" in status
    retried = edge_ser("archive", "retry", out, "--jobs", 1)
    assert retried.returncode == 0, retried.stderr
    assert "1 recording processed; see" in retried.stderr
    assert "4 of 4 processed, 0 failed" in edge_ser("archive", "status", out).stdout
    assert edge_ser("archive", "verify", out).returncode == 0
    assert edge_ser("archive", "compact", out).stdout.count("/compact/") == 3


@pytest.mark.slow
def test_invalid_commands(tmp_path):
    for arguments, message in (
        (["run", "x"], "--out is required"),
        (["run", "--out", tmp_path / "o"], "no recordings"),
        (["run", tmp_path / "none", "--out", tmp_path / "o"], "none: no such file or folder"),
        (["run", "x", "--out", tmp_path / "o", "--only", "a"], "--only a: requires --channels"),
        (["run", "x", "--out", "gs://b"], "expected a folder or s3"),
        (["status", tmp_path / "o2"], "is not an archive"),
    ):
        done = edge_ser("archive", *arguments)
        assert done.returncode == 2 and message in done.stderr, done.stderr
