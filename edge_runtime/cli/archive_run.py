"""Plan and run the shards of an archive, with progress and the reasons of failures."""

from __future__ import annotations

import sys
from enum import Enum
from typing import TYPE_CHECKING

from ..archive.error_reasons import describe_failures
from ..errors import AudioError, ConfigError, EdgeSerError
from ..messages import count_of
from .terminal import Interruption, Progress, is_terminal, print_error

if TYPE_CHECKING:
    from ..archive.engines import Engine
    from ..archive.manifest import Recording
    from ..archive.plan import Shard
    from ..archive.runner import RunReport
    from ..archive.settings import ArchiveSettings
    from ..archive.store import Store
    from ..archive.work import ShardResult, ShardWork


class EngineName(str, Enum):
    """Where the shards are processed."""

    local = "local"
    ray = "ray"


def find_all(sources: list[str], manifest: str | None) -> tuple[list[Recording], int]:
    """Return the recordings of the sources and the manifest; print what cannot be found.

    Args:
        sources: Folders, patterns, files and S3 prefixes.
        manifest: A manifest, or None.

    Returns:
        The recordings, each once, and the number of sources without any.
    """
    from ..archive.manifest import find_recordings, read_manifest

    recordings = [] if manifest is None else read_manifest(manifest)
    seen = {recording.recording_id for recording in recordings}
    n_missing = 0
    for recording in find_recordings(sources):
        if isinstance(recording, AudioError):
            print_error(recording)
            n_missing += 1
        elif recording.recording_id not in seen:
            recordings.append(recording)
    return recordings, n_missing


def check_planned(store: Store, settings: ArchiveSettings, recordings: list[Recording]) -> None:
    """Raise ConfigError if there is nothing to process, now or from an earlier plan.

    Args:
        store: The archive.
        settings: The settings.
        recordings: The recordings of the command.

    Raises:
        ConfigError: If no recording is given, and none is planned with these settings.
    """
    from ..archive.plan import read_plans

    if recordings or read_plans(store, settings):
        return
    others = [name for name in store.names("") if name.startswith("run=")]
    if not others:
        raise ConfigError("no recordings: give SRC or --manifest, or an OUT with a plan")
    raise ConfigError(
        f"no recordings, and {store.uri} has no plan with these options; give SRC or --manifest, "
        f"or the options of {', '.join(others)}, see settings.json there"
    )


def plan_shards(
    store: Store,
    settings: ArchiveSettings,
    recordings: list[Recording],
    shard_seconds: float,
    *,
    write: bool = True,
) -> tuple[list[Shard], int]:
    """Plan the recordings that no plan contains, and store the settings.

    Args:
        store: The archive.
        settings: The settings.
        recordings: The recordings.
        shard_seconds: Seconds of a shard.
        write: Store settings and plan.

    Returns:
        The shards of all plans, and the number of new ones.
    """
    from ..archive.plan import extend_plan

    if write:
        content = settings.to_json().encode("utf-8")
        store.put_new(f"{settings.partition()}/settings.json", content)
    return extend_plan(store, settings, recordings, shard_seconds, write=write)


def print_plan(store: Store, settings: ArchiveSettings, shards: list[Shard], n_new: int) -> None:
    """Print what a run would process.

    Args:
        store: The archive.
        settings: The settings.
        shards: All shards.
        n_new: Number of those that no plan contains yet.
    """
    from ..archive.report import audio_duration

    names = store.names(f"{settings.partition()}/segments")
    done = {name.removesuffix(".parquet") for name in names}
    pending = [shard for shard in shards if shard.name not in done]
    n_recordings = sum(len(shard.recordings) for shard in pending)
    duration = audio_duration(sum(shard.seconds for shard in pending) / 3600)
    print(f"partition   {settings.partition()}")
    print(f"shards      {len(shards):,}: {len(done):,} committed, {n_new:,} new")
    work = f"{count_of(len(pending), 'shard')}, {count_of(n_recordings, 'recording')}"
    print(f"to process  {work}, about {duration}")


def run_pending(
    store: Store,
    settings: ArchiveSettings,
    shards: list[Shard],
    engine_name: EngineName,
    ray_address: str | None,
    jobs: int,
    max_errors: str,
    quiet: bool,
) -> bool:
    """Process the shards that are not committed, and write the summary.

    Args:
        store: The archive.
        settings: The settings.
        shards: All shards.
        engine_name: Where they are processed.
        ray_address: Address of a Ray cluster.
        jobs: Number of workers; 0: one per core.
        max_errors: Number or share of recordings that may fail.
        quiet: Print errors only.

    Returns:
        False if more recordings failed than `max_errors`.

    Raises:
        ConfigError: If an option is not valid.
    """
    from ..archive.report import Summary
    from ..archive.runner import parse_max_errors, run_shards
    from ..archive.work import ShardWork, repair_derived

    repair_derived(store, settings)
    names = set(store.names(f"{settings.partition()}/segments"))
    pending = [shard for shard in shards if f"{shard.name}.parquet" not in names]
    accepted = parse_max_errors(max_errors, sum(len(shard.recordings) for shard in pending))
    if ray_address is not None and engine_name is not EngineName.ray:
        raise ConfigError("--ray-address requires --engine ray")
    if not pending:
        Summary(store, settings).write()
        print("edge-ser: all shards are committed", file=sys.stderr)
        return True
    work = ShardWork(store.uri, settings)
    progress = None
    if not quiet and is_terminal(sys.stderr):
        progress = Progress(round(sum(shard.seconds for shard in pending)), show_pos=False)
    finished = 0

    def on_shard(shard: Shard, _: ShardResult) -> None:
        nonlocal finished
        finished += 1
        if progress is not None:
            progress.advance(round(shard.seconds), f"{finished} of {len(pending)} shards")

    engine = _engine(work, engine_name, ray_address, min(jobs, len(pending)) if jobs else 0)
    try:
        report = run_shards(
            work, pending, engine, max_errors=accepted, on_shard=on_shard, check=Interruption.check
        )
    except KeyboardInterrupt:
        if progress is not None:
            progress.close()
        engine.close()
        print(
            f"edge-ser: interrupted after {finished} of {len(pending)} shards; the same command "
            "continues",
            file=sys.stderr,
        )
        Interruption.leave()
    finally:
        if progress is not None:
            progress.close()
        engine.close()
    repair_derived(store, settings)  # of shards that a run that was killed has just committed
    folder = f"{store.uri}/{settings.partition()}"
    _print_failures(report, folder)
    if report.too_many_errors:
        print_error(
            EdgeSerError(
                f"stopped: more than {max_errors} of the recordings failed; correct the cause, or "
                "raise --max-errors"
            )
        )
        return False
    Summary(store, settings).write()
    if not quiet:
        n_processed = count_of(report.recordings - len(report.failures), "recording")
        print(f"edge-ser: {n_processed} processed; see {folder}/summary.md", file=sys.stderr)
    return True


def _print_failures(report: RunReport, folder: str) -> None:
    for line in describe_failures(report.failures):
        print_error(EdgeSerError(line))
    if report.failures:
        n_failed = f"{len(report.failures):,} of {count_of(report.recordings, 'recording')}"
        print_error(EdgeSerError(f"{n_failed} failed; they are in {folder}/errors"))


def _engine(work: ShardWork, name: EngineName, address: str | None, jobs: int) -> Engine:
    from ..archive.engines import LocalEngine, RayEngine

    if name is EngineName.ray:
        return RayEngine(work, jobs, address)
    return LocalEngine(work, jobs)
