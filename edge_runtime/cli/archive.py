"""`edge-ser archive`: the timelines of many recordings as Parquet."""

from __future__ import annotations

import json
import sys
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from ..audio.channel_roles import parse_roles
from ..errors import AudioError, ConfigError, EdgeSerError
from .options import JsonOption, ModelOption, QuietOption, SpeechThresholdOption, ThresholdOption
from .terminal import Interruption, Progress, is_terminal, print_error

if TYPE_CHECKING:
    from ..archive.engines import Engine
    from ..archive.manifest import Recording
    from ..archive.plan import Shard
    from ..archive.settings import ArchiveSettings
    from ..archive.store import Store
    from ..archive.work import ShardResult, ShardWork

archive = typer.Typer(
    name="archive",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Process many recordings to Parquet, on one machine or a cluster.\n\n"
    "A run that ends early continues where it ended.",
)

MIX = "mix"  # as --channels: average them


class EngineName(str, Enum):
    """Where the shards are processed."""

    local = "local"
    ray = "ray"


EngineOption = Annotated[
    EngineName, typer.Option("--engine", help="Processes of this machine, or a Ray cluster.")
]
RayAddressOption = Annotated[
    str | None,
    typer.Option(
        "--ray-address",
        metavar="ADDRESS",
        help="Address of the cluster, such as auto or ray://head:10001 [default: start Ray here].",
    ),
]
JobsOption = Annotated[
    int,
    typer.Option("--jobs", "-j", metavar="N", min=0, help="Number of workers; 0: one per core."),
]
MaxErrorsOption = Annotated[
    str,
    typer.Option("--max-errors", metavar="N|SHARE", help="Stop if more recordings than this fail."),
]
ShardSecondsOption = Annotated[
    float,
    typer.Option("--shard-seconds", metavar="SECONDS", min=1.0, help="Audio of a shard, about."),
]
OutArgument = Annotated[
    str, typer.Argument(metavar="OUT", help="Folder or s3://bucket/prefix of the archive.")
]


@archive.command()
def run(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SRC...]",
            help="Folders, patterns, files or s3://bucket/prefix [default: those of the plan].",
        ),
    ] = None,
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="OUT", help="Folder or s3://bucket/prefix.")
    ] = "",
    manifest: Annotated[
        str | None,
        typer.Option(
            "--manifest",
            metavar="FILE",
            help="CSV or Parquet with the column uri, and optionally recording_id, seconds, size.",
        ),
    ] = None,
    engine: EngineOption = EngineName.local,
    ray_address: RayAddressOption = None,
    jobs: JobsOption = 0,
    channels: Annotated[
        str | None,
        typer.Option(
            "--channels",
            metavar="N=ROLE,...|mix",
            help="Role of each channel, such as 1=agent,2=customer; mix averages them.",
        ),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option("--only", metavar="ROLE,...", help="Process the channels of these roles."),
    ] = None,
    window: Annotated[
        float, typer.Option(metavar="SECONDS", help="Length of a timeline window.")
    ] = 3.0,
    hop: Annotated[
        float, typer.Option(metavar="SECONDS", help="Distance from one window to the next.")
    ] = 1.0,
    shard_seconds: ShardSecondsOption = 3600.0,
    max_errors: MaxErrorsOption = "5%",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be processed; write nothing.")
    ] = False,
    model: ModelOption = None,
    threshold: ThresholdOption = None,
    speech_threshold: SpeechThresholdOption = None,
    quiet: QuietOption = False,
) -> None:
    """Process recordings to Parquet.

    The work is cut into shards of about an hour of audio. Each shard becomes one object, written
    with a conditional put; a run that is started again processes the shards that are missing, and
    two runs at the same time write nothing twice. The folder holds a fingerprint of the model and
    the settings, so that other settings make another partition.

    A recording that cannot be processed is a row of the table errors. A recording with several
    channels needs --channels.

    \b
    Examples:
      edge-ser archive run calls/ --out results --channels 1=agent,2=customer --only customer
      edge-ser archive run s3://calls/2024 --out s3://results/calls --engine ray
      edge-ser archive run --manifest calls.csv --out results --dry-run
    """  # noqa: D301
    from ..archive.report import Summary
    from ..archive.settings import ArchiveSettings
    from ..archive.store import open_store
    from ..archive.tables import load_pyarrow
    from ..model import EmotionModel
    from ..streaming.timeline import check_window

    if not out:
        raise ConfigError("--out is required: a folder or s3://bucket/prefix")
    check_window(window, hop)
    mix = channels == MIX
    if mix and only is not None:
        raise ConfigError("--only cannot be combined with --channels mix")
    roles = None if mix else parse_roles(channels, only)
    load_pyarrow()
    settings = ArchiveSettings.of(
        EmotionModel.load(model),
        threshold,
        speech_threshold=speech_threshold,
        window=window,
        hop=hop,
        roles=roles,
        mix=mix,
    )
    store = open_store(out)
    recordings = _recordings(sources or [], manifest)
    shards, n_new, done = _plan(store, settings, recordings, shard_seconds, write=not dry_run)
    if not shards:
        raise ConfigError("no recordings: give SRC or --manifest, or an OUT with a plan")
    if dry_run:
        _print_plan(settings, shards, n_new, done)
        return
    if not _run(store, settings, shards, engine, ray_address, jobs, max_errors, not quiet):
        raise typer.Exit(1)
    Summary(store, settings).write()


def _recordings(sources: list[str], manifest: str | None) -> list[Recording]:
    """Return the recordings of the sources and the manifest; print what cannot be found."""
    from ..archive.manifest import find_recordings, read_manifest

    recordings = [] if manifest is None else read_manifest(manifest)
    seen = {recording.recording_id for recording in recordings}
    for recording in find_recordings(sources):
        if isinstance(recording, AudioError):
            print_error(recording)
        elif recording.recording_id not in seen:
            recordings.append(recording)
    return recordings


def _plan(
    store: Store,
    settings: ArchiveSettings,
    recordings: list[Recording],
    shard_seconds: float,
    *,
    write: bool = True,
) -> tuple[list[Shard], int, set[str]]:
    """Return all shards, the number of new ones, and the names of those that are committed."""
    from ..archive.plan import extend_plan

    if write:
        content = settings.to_json().encode("utf-8")
        store.put_new(f"{settings.partition()}/settings.json", content)
    shards, n_new = extend_plan(store, settings, recordings, shard_seconds, write=write)
    names = store.names(f"{settings.partition()}/segments")
    return shards, n_new, {name.removesuffix(".parquet") for name in names}


def _print_plan(settings: ArchiveSettings, shards: list[Shard], n_new: int, done: set[str]) -> None:
    pending = [shard for shard in shards if shard.name not in done]
    n_recordings = sum(len(shard.recordings) for shard in pending)
    hours = sum(shard.seconds for shard in pending) / 3600
    print(f"partition   {settings.partition()}")
    print(f"shards      {len(shards):,}: {len(done):,} committed, {n_new:,} new")
    print(f"to process  {len(pending):,} shards, {n_recordings:,} recordings, about {hours:,.1f} h")


def _run(
    store: Store,
    settings: ArchiveSettings,
    shards: list[Shard],
    engine_name: EngineName,
    ray_address: str | None,
    jobs: int,
    max_errors: str,
    show_progress: bool,
) -> bool:
    """Process the shards that are not committed.

    Returns:
        False if more recordings failed than `max_errors`.
    """
    from ..archive.runner import parse_max_errors, run_shards
    from ..archive.work import ShardWork, repair_derived

    repair_derived(store, settings)
    names = set(store.names(f"{settings.partition()}/segments"))
    pending = [shard for shard in shards if f"{shard.name}.parquet" not in names]
    accepted = parse_max_errors(max_errors, sum(len(shard.recordings) for shard in pending))
    if ray_address is not None and engine_name is not EngineName.ray:
        raise ConfigError("--ray-address requires --engine ray")
    if not pending:
        print("edge-ser: all shards are committed", file=sys.stderr)
        return True
    work = ShardWork(store.uri, settings)
    progress = None
    if show_progress and is_terminal(sys.stderr):
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
    if report.errors:
        print_error(
            EdgeSerError(
                f"{report.errors} of {report.recordings} recordings failed; they are in "
                f"{store.uri}/{settings.partition()}/errors"
            )
        )
    if report.too_many_errors:
        print_error(
            EdgeSerError(
                f"stopped: more than {max_errors} of the recordings failed; correct the cause, or "
                "raise --max-errors"
            )
        )
    return not report.too_many_errors


def _engine(work: ShardWork, name: EngineName, address: str | None, jobs: int) -> Engine:
    from ..archive.engines import LocalEngine, RayEngine

    if name is EngineName.ray:
        return RayEngine(work, jobs, address)
    return LocalEngine(work, jobs)


@archive.command()
def status(out: OutArgument, as_json: JsonOption = False) -> None:
    """Print the progress of an archive."""
    from ..archive.report import partitions, status_of

    store = _open(out)
    found = [status_of(store, settings) for settings in partitions(store)]
    if as_json:
        print(json.dumps([one.as_dict() for one in found], indent=2))
        return
    for one in found:
        print(one.partition)
        print(f"  shards      {one.committed:,} of {one.shards:,} committed")
        counts = f"{one.processed:,} of {one.recordings:,} processed, {one.failed:,} failed"
        print(f"  recordings  {counts}")
        print(f"  audio       {one.hours:,.1f} h, {one.speech_hours:,.1f} h of speech")


@archive.command()
def verify(out: OutArgument) -> None:
    """Read every object of an archive, and compare it with the plan."""
    from ..archive.report import partitions
    from ..archive.report import verify as problems_of

    store = _open(out)
    problems = [
        problem for settings in partitions(store) for problem in problems_of(store, settings)
    ]
    for problem in problems:
        print_error(EdgeSerError(problem))
    if problems:
        raise typer.Exit(1)
    print("no problems")


@archive.command()
def retry(
    out: OutArgument,
    engine: EngineOption = EngineName.local,
    ray_address: RayAddressOption = None,
    jobs: JobsOption = 0,
    shard_seconds: ShardSecondsOption = 3600.0,
    max_errors: MaxErrorsOption = "100%",
    quiet: QuietOption = False,
) -> None:
    """Process the recordings that failed once more.

    They form new shards, with the settings of their partition. The rows of the first attempt stay
    in the table errors; the column attempt counts.
    """
    from ..archive.manifest import UNKNOWN_SECONDS, Recording
    from ..archive.report import Summary, last_errors, partitions

    store = _open(out)
    succeeded = True
    for settings in partitions(store):
        recordings = [
            Recording(row["recording_id"], row["uri"], UNKNOWN_SECONDS, row["attempt"] + 1)
            for row in last_errors(store, settings)
        ]
        shards, *_ = _plan(store, settings, recordings, shard_seconds)
        succeeded &= _run(store, settings, shards, engine, ray_address, jobs, max_errors, not quiet)
        Summary(store, settings).write()
    if not succeeded:
        raise typer.Exit(1)


@archive.command()
def compact(out: OutArgument) -> None:
    """Join the objects of each table into one, in the folder compact."""
    from ..archive.report import compact as join
    from ..archive.report import partitions

    store = _open(out)
    for settings in partitions(store):
        for key in join(store, settings).values():
            print(f"{store.uri}/{key}")


def _open(out: str) -> Store:
    from ..archive.store import open_store
    from ..archive.tables import load_pyarrow

    load_pyarrow()
    return open_store(out)
