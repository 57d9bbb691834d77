"""Plans: which recordings form which shard, stored so that all runs agree.

A plan is written once, with a conditional put. Recordings that are added later, and those that are
tried again, form shards of a further plan; shards never change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .manifest import Recording
from .settings import ArchiveSettings
from .store import Store
from .tables import as_parquet, common_metadata, read_table

MAX_RECORDINGS = 2000  # in a shard


class Shard(NamedTuple):
    """Recordings that are processed and committed together.

    Attributes:
        name: Unique name: number of the plan, number in the plan, and a hash.
        recordings: The recordings.
    """

    name: str
    recordings: list[Recording]

    @property
    def seconds(self) -> float:
        """Estimated duration of all recordings."""
        return sum(recording.seconds for recording in self.recordings)


def cut(recordings: Iterable[Recording], shard_seconds: float) -> Iterator[list[Recording]]:
    """Yield lists of recordings of about `shard_seconds` each."""
    shard: list[Recording] = []
    seconds = 0.0
    for recording in recordings:
        shard.append(recording)
        seconds += recording.seconds
        if seconds >= shard_seconds or len(shard) == MAX_RECORDINGS:
            yield shard
            shard, seconds = [], 0.0
    if shard:
        yield shard


def read_plans(store: Store, settings: ArchiveSettings) -> list[Shard]:
    """Return the shards of all plans, in order.

    Raises:
        EdgeSerError: If a plan cannot be read.
    """
    return [
        shard for number in _numbers(store, settings) for shard in _read(store, settings, number)
    ]


def _numbers(store: Store, settings: ArchiveSettings) -> list[int]:
    names = store.names(f"{settings.partition()}/plan")
    return [int(name[:6]) for name in names if name.endswith(".parquet")]


def _key(settings: ArchiveSettings, number: int) -> str:
    return f"{settings.partition()}/plan/{number:06d}.parquet"


def _read(store: Store, settings: ArchiveSettings, number: int) -> list[Shard]:
    key = _key(settings, number)
    table, _ = read_table(store.get(key), key)
    columns = [table.column(name).to_pylist() for name in _COLUMNS]
    shards: dict[str, list[Recording]] = {}
    for name, *values in zip(*columns):
        shards.setdefault(name, []).append(Recording(*values))
    return [Shard(name, recordings) for name, recordings in shards.items()]


_COLUMNS = ("shard", *Recording._fields)


def extend_plan(
    store: Store,
    settings: ArchiveSettings,
    recordings: list[Recording],
    shard_seconds: float,
    *,
    write: bool = True,
) -> tuple[list[Shard], int]:
    """Plan the recordings that no plan contains at this attempt.

    Args:
        store: The archive.
        settings: The settings.
        recordings: The recordings.
        shard_seconds: Seconds of a shard.
        write: Store the new plan.

    Returns:
        The shards of all plans, and the number of new ones.

    Raises:
        EdgeSerError: If a plan cannot be read or written.
    """
    import pyarrow as pa

    while True:
        numbers = _numbers(store, settings)
        shards = [shard for number in numbers for shard in _read(store, settings, number)]
        planned = {(r.recording_id, r.attempt) for shard in shards for r in shard.recordings}
        rest = [r for r in recordings if (r.recording_id, r.attempt) not in planned]
        rest.sort(key=lambda recording: recording.uri)
        number = max(numbers, default=-1) + 1
        new = [
            Shard(f"{number:04d}-{index:06d}-{_hash(part)}", part)
            for index, part in enumerate(cut(rest, shard_seconds))
        ]
        if not new or not write:
            return shards + new, len(new)
        rows = [
            dict(zip(_COLUMNS, (shard.name, *recording)))
            for shard in new
            for recording in shard.recordings
        ]
        schema = pa.schema(
            [
                ("shard", pa.string()),
                ("recording_id", pa.string()),
                ("uri", pa.string()),
                ("seconds", pa.float64()),
                ("attempt", pa.int32()),
            ]
        )
        content = as_parquet(rows, schema, common_metadata(settings, "plan"))
        if store.put_new(_key(settings, number), content):
            return shards + new, len(new)
        # Another run has planned in the meantime; its shards come first.


def _hash(recordings: list[Recording]) -> str:
    text = "\n".join(f"{r.recording_id} {r.attempt}" for r in recordings)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:8]
