"""Archives whose runs are killed, and the two engines: `python -m benchmarks.archive`.

Runs are killed by SIGKILL at random moments and started again, until the archive is complete. The
tables must then hold the rows of a run that was not disturbed. Workers are killed as well, and the
speed of Ray on this machine is compared with that of the process pool.
"""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import duckdb
import numpy as np
import soundfile
import typer

from train.command import run_function
from train.data.demo_corpus import PROSODIES, synthesise, voices

from .report import Out, command, publish, table

RATE = 16_000
WORKERS = 2
TABLES = ("segments", "recordings", "errors")

# The cluster of this benchmark accepts runs with its own token only.
# https://docs.ray.io/en/latest/ray-security/token-auth.html
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "RAY_AUTH_MODE": "token"}
ENVIRONMENT["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def write_recordings(folder: Path, count: int, seconds: float) -> None:
    """Write synthesised calls, one of which is damaged.

    Args:
        folder: Folder to create.
        count: Number of recordings.
        seconds: Duration of each.
    """
    folder.mkdir()
    rng = np.random.default_rng(0)
    prosodies = list(PROSODIES.values())
    for number in range(count):
        voice = voices(8)[number % 8]
        parts: list[np.ndarray] = []
        while sum(map(len, parts)) < seconds * RATE:
            parts.append(synthesise(voice, prosodies[rng.integers(len(prosodies))], rng))
        soundfile.write(folder / f"call{number:04d}.flac", np.concatenate(parts), RATE)
    (folder / "damaged.wav").write_bytes(b"RIFF, but no audio")


def log(text: str) -> None:
    """Print a line of progress."""
    print(text, file=sys.stderr, flush=True)


# Holds a cluster of this machine, to which runs connect, until its input ends.
CLUSTER = """
import ray, sys
print(ray.init(include_dashboard=False, num_cpus=int(sys.argv[1])).address_info["gcs_address"])
sys.stdout.flush()
sys.stdin.read()
"""


@contextlib.contextmanager
def cluster(engine: str) -> Iterator[str]:
    """Yield the address of a Ray cluster for the engine "ray", otherwise an empty text."""
    if engine != "ray":
        yield ""
        return
    holder = subprocess.Popen(
        [sys.executable, "-c", CLUSTER, str(WORKERS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **ENVIRONMENT},
        text=True,
    )
    assert holder.stdin is not None and holder.stdout is not None
    try:
        yield holder.stdout.readline().strip()
    finally:
        holder.stdin.close()
        holder.wait()


def start(calls: Path, out: Path, address: str, shard_seconds: float) -> subprocess.Popen[bytes]:
    """Start a run, on Ray if there is an address."""
    arguments = ["run", calls, "--out", out, "--jobs", WORKERS]
    arguments += ["--engine", "ray", "--ray-address", address] if address else []
    arguments += ["--shard-seconds", shard_seconds, "--max-errors", "100%", "--quiet"]
    return subprocess.Popen(
        [sys.executable, "-m", "edge_runtime", "archive", *map(str, arguments)],
        stdout=subprocess.DEVNULL,
        env={**os.environ, **ENVIRONMENT},
    )


def committed(out: Path) -> int:
    """Return the number of committed shards."""
    return len(list(out.glob("run=*/segments/*.parquet")))


def differences(one: Path, other: Path) -> int:
    """Return the number of rows that are in one archive only."""
    count = 0
    for kind in TABLES:
        first, second = (f"SELECT * FROM '{out}/run=*/{kind}/*.parquet'" for out in (one, other))
        for left, right in ((first, second), (second, first)):
            count += len(duckdb.sql(f"{left} EXCEPT ALL {right}").fetchall())
    return count


def workers_of(pid: int) -> list[int]:
    """Return the children of a process."""
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def run_killed(
    calls: Path, out: Path, address: str, shard_seconds: float, kills: int, longest: float
) -> tuple[int, int]:
    """Kill runs at random moments, and complete the last one.

    Args:
        calls: The recordings.
        out: The archive.
        address: Address of a Ray cluster, or an empty text.
        shard_seconds: Seconds of a shard.
        kills: Number of kills.
        longest: Latest moment of a kill in seconds after the start.

    Returns:
        The number of runs that were killed before they ended, and the shards that were committed
        after the last of them.
    """
    rng = random.Random(0)
    n_killed = 0
    for _ in range(kills):
        run = start(calls, out, address, shard_seconds)
        try:
            run.wait(rng.uniform(0, longest))
        except subprocess.TimeoutExpired:
            run.kill()
            n_killed += 1
        run.wait()
    n_committed = committed(out)
    if start(calls, out, address, shard_seconds).wait() != 0:
        raise RuntimeError("the last run has failed")
    return n_killed, n_committed


def run_with_killed_workers(calls: Path, out: Path, shard_seconds: float, kills: int) -> int:
    """Kill worker processes of a local run; return how many were killed."""
    rng = random.Random(0)
    run = start(calls, out, "", shard_seconds)
    n_killed = 0
    while run.poll() is None and n_killed < kills:
        time.sleep(rng.uniform(0.5, 1.5))
        if run.poll() is None and committed(out) and (workers := workers_of(run.pid)):
            os.kill(rng.choice(workers), signal.SIGKILL)
            n_killed += 1
    run.wait()
    return n_killed


def speed(calls: Path, out: Path, engine: str, shard_seconds: float) -> float:
    """Return the seconds of a run without the start of its workers."""
    from edge_runtime import EmotionModel
    from edge_runtime.archive.engines import Engine, LocalEngine, RayEngine
    from edge_runtime.archive.manifest import Recording, find_recordings
    from edge_runtime.archive.plan import extend_plan
    from edge_runtime.archive.runner import run_shards
    from edge_runtime.archive.settings import ArchiveSettings
    from edge_runtime.archive.store import FolderStore
    from edge_runtime.archive.work import ShardWork

    settings = ArchiveSettings.of(EmotionModel.load())
    found = [r for r in find_recordings([str(calls)]) if isinstance(r, Recording)]
    shards, _ = extend_plan(FolderStore(str(out)), settings, found, shard_seconds)
    work = ShardWork(str(out), settings)
    runner: Engine = RayEngine(work, WORKERS) if engine == "ray" else LocalEngine(work, WORKERS)
    try:
        run_shards(work, shards[:WORKERS], runner)  # every worker loads the model
        begin = time.monotonic()
        run_shards(work, shards[WORKERS:], runner)
        return time.monotonic() - begin
    finally:
        runner.close()


def main(
    recordings: Annotated[int, typer.Option(help="Number of recordings.")] = 40,
    seconds: Annotated[float, typer.Option(help="Duration of each.")] = 60.0,
    kills: Annotated[int, typer.Option(help="Kills per engine.")] = 20,
    ray: Annotated[bool, typer.Option(help="Measure Ray, too.")] = True,
    out: Out = None,
) -> None:
    """Kill runs of an archive, and compare the result with that of an undisturbed run."""
    engines = ["local", "ray"] if ray else ["local"]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        calls, undisturbed = root / "calls", root / "undisturbed"
        write_recordings(calls, recordings, seconds)
        for engine in engines:
            target = undisturbed if engine == "local" else root / "undisturbed-ray"
            killed = root / f"killed-{engine}"
            with cluster(engine) as address:
                begin = time.monotonic()
                if start(calls, target, address, seconds).wait() != 0:
                    raise RuntimeError(f"the run with the engine {engine} has failed")
                total = time.monotonic() - begin
                n_shards = committed(target)
                log(f"{engine}: {n_shards} shards in {total:.0f} s")
                n_killed, n_committed = run_killed(
                    calls, killed, address, seconds, kills, total / 4
                )
            rows.append(
                [
                    f"{engine}: run killed",
                    str(n_killed),
                    f"{n_committed} of {n_shards}",
                    str(differences(undisturbed, killed)),
                ]
            )
            log(f"{engine}: {', '.join(rows[-1][1:])}")
        target = root / "killed-workers"
        n_killed = run_with_killed_workers(calls, target, seconds, kills // 4)
        rows.append(
            [
                "local: workers killed",
                str(n_killed),
                f"{committed(target)} of {n_shards}",
                str(differences(undisturbed, target)),
            ]
        )
        times = {
            engine: min(
                speed(calls, root / f"speed-{engine}-{k}", engine, seconds) for k in range(2)
            )
            for engine in engines
        }
    hours = (recordings - WORKERS) * seconds / 3600
    speeds = table(
        ["engine", "seconds", "hours of audio per hour and worker"],
        [
            [engine, f"{elapsed:.1f}", f"{hours / (elapsed / 3600) / WORKERS:.0f}"]
            for engine, elapsed in times.items()
        ],
    )
    killed_rows = table(
        ["disturbance", "kills", "shards committed before the last run", "rows that differ"], rows
    )
    publish(
        f"""# Archives whose runs are killed

{command()}: {recordings} synthesised recordings of {seconds:g} s and a damaged file, in shards of \
{seconds:g} s, by {WORKERS} workers. Runs are killed by SIGKILL at random moments, and started \
again; the rows are compared with those of an undisturbed run of the process pool by `EXCEPT ALL`, \
both ways.

{killed_rows}

The speed without the start of the workers, the better of two runs:

{speeds}
""",
        out,
    )


if __name__ == "__main__":
    run_function(main)
