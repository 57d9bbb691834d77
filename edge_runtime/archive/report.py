"""Status, verification, compaction and summary of an archive."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ConfigError, EdgeSerError
from ..inference.prediction import NO_SPEECH
from .error_reasons import Failure, describe_failures
from .plan import read_plans
from .settings import ArchiveSettings
from .store import Store
from .tables import SECONDS, duration_labels, read_table, table_as_parquet

if TYPE_CHECKING:
    import pyarrow as pa

TABLES = ("segments", "recordings", "errors")
SUMMARY_PARTS = 10  # of a recording, in the picture


def partitions(store: Store) -> list[ArchiveSettings]:
    """Return the settings of all partitions of an archive.

    Raises:
        ConfigError: If the folder is not an archive.
        EdgeSerError: If they cannot be read.
    """
    names = [name for name in store.names("") if name.startswith("run=")]
    settings = [
        ArchiveSettings.from_json(store.get(f"{name}/settings.json").decode("utf-8"))
        for name in names
        if store.exists(f"{name}/settings.json")
    ]
    if not settings:
        raise ConfigError(f"{store.uri}: is not an archive; `edge-ser archive run` creates one")
    return settings


@dataclass
class Status:
    """Progress of a partition.

    Attributes:
        partition: Folder of the partition.
        shards: Number of planned shards.
        committed: Number of shards that are done.
        recordings: Number of planned recordings.
        processed: Number of recordings with results.
        failed: Number of recordings whose last attempt failed.
        hours: Hours of processed audio, all channels counted.
        speech_hours: Hours of speech in it.
    """

    partition: str
    shards: int
    committed: int
    recordings: int
    processed: int
    failed: int
    hours: float
    speech_hours: float

    def as_dict(self) -> dict[str, Any]:
        """Return the status as JSON types."""
        return asdict(self)


def audio_duration(hours: float) -> str:
    """Return a duration of audio in hours, or in minutes if it is below one hour.

    Example:
        >>> audio_duration(0.25), audio_duration(1234.56)
        ('15.0 min', '1,234.6 h')
    """
    return f"{hours:,.1f} h" if hours >= 1 else f"{60 * hours:.1f} min"


def status_of(store: Store, settings: ArchiveSettings) -> Status:
    """Return the progress of a partition."""
    shards = read_plans(store, settings)
    names = set(store.names(f"{settings.partition()}/segments"))
    planned = {r.recording_id for shard in shards for r in shard.recordings}
    processed: set[str] = set()
    seconds, speech = 0.0, 0.0
    for table in _tables(store, settings, "recordings"):
        processed |= set(table.column("recording_id").to_pylist())
        seconds += sum(table.column("duration").to_pylist())
        speech += sum(table.column("speech").to_pylist())
    failed = {row["recording_id"] for row in last_errors(store, settings)}
    return Status(
        settings.partition(),
        len(shards),
        sum(f"{shard.name}.parquet" in names for shard in shards),
        len(planned),
        len(processed),
        len(failed),
        round(seconds / 3600, 3),
        round(speech / 3600, 3),
    )


def last_errors(store: Store, settings: ArchiveSettings) -> list[dict[str, Any]]:
    """Return the last error of each recording that no attempt has processed."""
    processed: set[str] = set()
    for table in _tables(store, settings, "recordings"):
        processed |= set(table.column("recording_id").to_pylist())
    last: dict[str, dict[str, Any]] = {}
    for table in _tables(store, settings, "errors"):
        for row in table.to_pylist():
            previous = last.get(row["recording_id"])
            if previous is None or previous["attempt"] < row["attempt"]:
                last[row["recording_id"]] = row
    return [row for name, row in sorted(last.items()) if name not in processed]


def failures_of(store: Store, settings: ArchiveSettings) -> list[Failure]:
    """Return the recordings that no attempt has processed."""
    return [Failure(row["uri"], row["error"]) for row in last_errors(store, settings)]


def _tables(store: Store, settings: ArchiveSettings, kind: str) -> Iterator[pa.Table]:
    folder = f"{settings.partition()}/{kind}"
    for name in store.names(folder):
        yield read_table(store.get(f"{folder}/{name}"), f"{folder}/{name}")[0]


def verify(store: Store, settings: ArchiveSettings) -> list[str]:
    """Return the problems of a partition, one sentence each.

    Every object is read. The recordings of a shard must be those of the plan, and the derived
    tables must hold the rows of the object that they are derived from.
    """
    partition = settings.partition()
    problems: list[str] = []
    planned = {f"{shard.name}.parquet": shard for shard in read_plans(store, settings)}
    present = {kind: set(store.names(f"{partition}/{kind}")) for kind in TABLES}
    for name in sorted(present["segments"]):
        key = f"{partition}/segments/{name}"
        if name not in planned:
            problems.append(f"{key}: is not in a plan")
            continue
        try:
            table, metadata = read_table(store.get(key), key)
            rows = {kind: json.loads(metadata[kind]) for kind in ("recordings", "errors")}
        except (EdgeSerError, KeyError, ValueError) as error:
            problems.append(f"{key}: cannot be read: {error}")
            continue
        ids = {row["recording_id"] for kind in rows for row in rows[kind]}
        if ids != {recording.recording_id for recording in planned[name].recordings}:
            problems.append(f"{key}: its recordings are not those of the plan")
        if set(table.column("recording_id").to_pylist()) - ids:
            problems.append(f"{key}: holds segments of other recordings")
        for kind, expected in rows.items():
            problems += _check_derived(store, f"{partition}/{kind}/{name}", expected, kind)
    for kind in ("recordings", "errors"):
        for name in sorted(present[kind] - present["segments"]):
            problems.append(f"{partition}/{kind}/{name}: belongs to no committed shard")
    return problems


def _check_derived(
    store: Store, key: str, expected: list[dict[str, Any]], kind: str
) -> Iterator[str]:
    if not expected and kind == "errors":
        return
    if not store.exists(key):
        yield f"{key}: is missing; `edge-ser archive run` writes it again"
        return
    try:
        rows = read_table(store.get(key), key)[0].to_pylist()
    except EdgeSerError as error:
        yield str(error)
        return
    if rows != expected:
        yield f"{key}: differs from the object of its shard"


def compact(store: Store, settings: ArchiveSettings) -> dict[str, str]:
    """Join the objects of each table into one, in the folder `compact`; return the keys.

    The name of an object is derived from the names of its parts, so that it is written once. The
    parts stay.
    """
    import pyarrow as pa

    keys = {}
    partition = settings.partition()
    for kind in TABLES:
        names = store.names(f"{partition}/{kind}")
        if not names:
            continue
        digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:12]
        key = f"{partition}/compact/{kind}-{digest}.parquet"
        if not store.exists(key):
            tables = list(_tables(store, settings, kind))
            metadata = dict(tables[0].schema.metadata or {})
            for own in (b"edge_ser.recordings", b"edge_ser.errors", b"edge_ser.shard"):
                metadata.pop(own, None)  # of one shard
            table = pa.concat_tables([t.replace_schema_metadata(metadata) for t in tables])
            order = [("recording_id", "ascending")]
            if kind == "segments":
                table = table.unify_dictionaries()
                order += [("channel", "ascending"), ("start", "ascending")]
            store.put_new(key, table_as_parquet(table.sort_by(order)))
        keys[kind] = key
    return keys


class Summary:
    """Shares of the labels in a partition, by role and by position in the recording.

    Args:
        store: The archive.
        settings: The settings.

    Attributes:
        labels: Labels with a column.
        seconds: Seconds of each label, by role.
        parts: Seconds of each label in each tenth of the recordings, by role.
    """

    def __init__(self, store: Store, settings: ArchiveSettings) -> None:
        self._store, self._settings = store, settings
        self.labels = duration_labels(settings.labels)
        self.seconds: dict[str, dict[str, float]] = {}
        self.parts: dict[str, dict[str, list[float]]] = {}
        durations: dict[tuple[str, int | None], float] = {}
        self.n_identical = 0
        for table in _tables(store, settings, "recordings"):
            for row in table.to_pylist():
                role = row["role"] or "all"
                own = self.seconds.setdefault(role, dict.fromkeys(self.labels, 0.0))
                for label in self.labels:
                    own[label] += row[SECONDS + label]
                durations[row["recording_id"], row["channel"]] = row["duration"]
                self.n_identical += bool(row["identical_channels"])
        for table in _tables(store, settings, "segments"):
            if len(table):
                self._add(table, durations)

    def _add(self, table: pa.Table, durations: dict[tuple[str, int | None], float]) -> None:
        """Add the seconds of segments to each tenth of their recordings that they overlap."""
        start, end = (table.column(name).to_numpy() for name in ("start", "end"))
        ids, channels, roles, labels = (
            table.column(name).to_pylist() for name in ("recording_id", "channel", "role", "label")
        )
        duration = np.array([durations.get(key, 0.0) for key in zip(ids, channels)])
        edges = np.linspace(0.0, 1.0, SUMMARY_PARTS + 1) * duration[:, np.newaxis]
        overlap = np.minimum(end[:, np.newaxis], edges[:, 1:])
        overlap = np.maximum(overlap - np.maximum(start[:, np.newaxis], edges[:, :-1]), 0.0)
        for role, label in sorted({(r or "all", n) for r, n in zip(roles, labels)}):
            if label == NO_SPEECH:
                continue
            own = [(r or "all", n) == (role, label) for r, n in zip(roles, labels)]
            empty: dict[str, list[float]] = defaultdict(lambda: [0.0] * SUMMARY_PARTS)
            parts = self.parts.setdefault(role, empty)
            sums = overlap[own].sum(axis=0).tolist()
            parts[label] = [a + b for a, b in zip(parts[label], sums)]

    def as_markdown(self) -> str:
        """Return the summary as a page."""
        status = status_of(self._store, self._settings)
        settings = self._settings
        lines = [
            "# Emotions of an archive",
            "",
            f"- {status.processed:,} of {status.recordings:,} recordings, "
            f"{audio_duration(status.hours)} of audio, {audio_duration(status.speech_hours)} of "
            "speech",
            f"- {status.failed:,} recordings failed; {status.committed:,} of {status.shards:,} "
            "shards are committed",
            *(f"  - {line}" for line in describe_failures(failures_of(self._store, settings))),
            f"- model {os.path.basename(settings.model)} ({settings.model_fingerprint[:12]}), "
            f"licence: {settings.licence}",
            f"- window {settings.window:g} s, hop {settings.hop:g} s, threshold "
            f"{settings.threshold:g}, edge-ser {settings.version}",
        ]
        if self.n_identical:
            lines.append(f"- {self.n_identical:,} channels are identical to another channel")
        spoken = [label for label in self.labels if label != NO_SPEECH]
        lines += [
            "",
            "Share of the time of speech:",
            "",
            "| role | speech | " + " | ".join(spoken) + " |",
            "|---|---:|" + "---:|" * len(spoken),
        ]
        for role, seconds in sorted(self.seconds.items()):
            total = sum(seconds[label] for label in spoken)
            shares = [f"{100 * seconds[label] / total:.1f} %" if total else "" for label in spoken]
            lines.append(
                f"| {role} | {audio_duration(total / 3600)} | " + " | ".join(shares) + " |"
            )
        if self.parts:
            lines += ["", "![Share of labels over the recordings](summary.png)"]
        return "\n".join(lines) + "\n"

    def as_png(self) -> bytes | None:
        """Draw the share of the labels over the recordings, one panel per role.

        Returns:
            The picture; None without speech, or if matplotlib is not installed.
        """
        try:
            from matplotlib.figure import Figure
        except ModuleNotFoundError:
            return None
        if not self.parts:
            return None
        figure = Figure(figsize=(8, 1 + 2.5 * len(self.parts)), layout="constrained")
        panels = figure.subplots(len(self.parts), 1, squeeze=False, sharex=True)[:, 0]
        positions = [(part + 0.5) / SUMMARY_PARTS for part in range(SUMMARY_PARTS)]
        for panel, (role, seconds) in zip(panels, sorted(self.parts.items())):
            totals = [sum(values[k] for values in seconds.values()) for k in range(SUMMARY_PARTS)]
            labels = [label for label in self.labels if label in seconds]
            shares = [
                [s / total if total else 0.0 for s, total in zip(seconds[label], totals)]
                for label in labels
            ]
            panel.stackplot(positions, shares, labels=labels)
            panel.set(title=role, ylabel="share of speech", xlim=(0, 1), ylim=(0, 1))
            panel.legend(loc="center left", bbox_to_anchor=(1, 0.5))
        panels[-1].set_xlabel("position in the recording")
        content = io.BytesIO()
        figure.savefig(content, format="png", dpi=100)
        return content.getvalue()

    def write(self) -> None:
        """Write `summary.md` and `summary.png` into the partition."""
        partition = self._settings.partition()
        self._store.put(f"{partition}/summary.md", self.as_markdown().encode("utf-8"))
        if (picture := self.as_png()) is not None:
            self._store.put(f"{partition}/summary.png", picture)
