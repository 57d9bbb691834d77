"""`edge-ser archive`: the timelines of many recordings as Parquet."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from ..audio.channel_roles import parse_roles
from ..errors import ConfigError, EdgeSerError
from ..messages import printable
from .archive_run import EngineName, check_planned, find_all, plan_shards, print_plan, run_pending
from .options import JsonOption, ModelOption, QuietOption, SpeechThresholdOption, ThresholdOption
from .terminal import print_error

if TYPE_CHECKING:
    from ..archive.store import Store

archive = typer.Typer(
    name="archive",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Process many recordings to Parquet.\n\n"
    "One machine or a cluster does the work. A run that ends early continues where it ended.",
)

MIX = "mix"  # as --channels: average them


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

    A recording that cannot be processed is a row of the table errors, and the most frequent
    reasons are printed. A recording with several channels requires --channels.

    \b
    Examples:
      edge-ser archive run calls/ --out results --channels 1=agent,2=customer --only customer
      edge-ser archive run s3://calls/2024 --out s3://results/calls --engine ray
      edge-ser archive run --manifest calls.csv --out results --dry-run
    """  # noqa: D301
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
    recordings, n_missing = find_all(sources or [], manifest)
    check_planned(store, settings, recordings)
    shards, n_new = plan_shards(store, settings, recordings, shard_seconds, write=not dry_run)
    succeeded = True
    if dry_run:
        print_plan(store, settings, shards, n_new)
    else:
        succeeded = run_pending(
            store, settings, shards, engine, ray_address, jobs, max_errors, quiet
        )
    if n_missing or not succeeded:
        raise typer.Exit(1)


@archive.command()
def status(out: OutArgument, as_json: JsonOption = False) -> None:
    """Print the progress of an archive."""
    from ..archive.error_reasons import describe_failures
    from ..archive.report import audio_duration, failures_of, partitions, status_of

    store = _open(out)
    everything = partitions(store)
    if as_json:
        rows = [status_of(store, settings).as_dict() for settings in everything]
        print(json.dumps(rows, indent=2))
        return
    for settings in everything:
        one = status_of(store, settings)
        print(one.partition)
        print(f"  shards      {one.committed:,} of {one.shards:,} committed")
        counts = f"{one.processed:,} of {one.recordings:,} processed, {one.failed:,} failed"
        print(f"  recordings  {counts}")
        for line in describe_failures(failures_of(store, settings)):
            print(f"              {printable(line)}")
        speech = audio_duration(one.speech_hours)
        print(f"  audio       {audio_duration(one.hours)}, {speech} of speech")


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
    from ..archive.report import last_errors, partitions

    store = _open(out)
    succeeded = True
    for settings in partitions(store):
        recordings = [
            Recording(row["recording_id"], row["uri"], UNKNOWN_SECONDS, row["attempt"] + 1)
            for row in last_errors(store, settings)
        ]
        shards, _ = plan_shards(store, settings, recordings, shard_seconds)
        succeeded &= run_pending(
            store, settings, shards, engine, ray_address, jobs, max_errors, quiet
        )
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
