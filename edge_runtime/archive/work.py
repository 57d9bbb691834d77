"""The work on a shard: the timelines of its recordings, committed as one object."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..audio.decode import AudioFile
from ..audio.limits import TIMELINE_LIMITS
from ..audio.pcm import mono
from ..errors import AudioError, EdgeSerError
from ..inference.network import network_of
from ..inference.prediction import NO_SPEECH
from ..messages import printable, shorten
from ..model import EmotionModel
from ..streaming.segments import LabelDurations, Segment
from ..streaming.timeline import TimelineStream
from .error_reasons import Failure
from .manifest import Recording
from .settings import ArchiveSettings
from .store import Store, StoreError, local_copy, open_store
from .tables import (
    PROBABILITY,
    SECONDS,
    Row,
    as_parquet,
    common_metadata,
    duration_labels,
    error_schema,
    read_table,
    recording_schema,
    shard_as_parquet,
)

if TYPE_CHECKING:
    from .plan import Shard

MAX_ERROR_LENGTH = 500  # characters of an error in the table


class Outcome(NamedTuple):
    """The rows of one recording.

    Attributes:
        segments: Rows of its segments; empty after an error.
        recordings: A row for each channel; empty after an error.
        errors: One row after an error.
    """

    segments: list[Row]
    recordings: list[Row]
    errors: list[Row]


class ShardResult(NamedTuple):
    """The result of a shard.

    Attributes:
        shard: Name of the shard.
        n_recordings: Number of its recordings.
        failures: Those that could not be processed.
        is_new: False if another run has committed it before.
    """

    shard: str
    n_recordings: int
    failures: list[Failure]
    is_new: bool


class ShardWork:
    """Processes shards, or single recordings; supports pickle, and loads the model once.

    Args:
        out: Path or address of the archive.
        settings: The settings.
    """

    def __init__(self, out: str, settings: ArchiveSettings) -> None:
        self._out, self.settings = out, settings
        self._model: EmotionModel | None = None
        self._store: Store | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the arguments only."""
        return ShardWork, (self._out, self.settings)

    def __call__(self, task: str) -> Any:
        """Run a task that `shard_task` or `recording_task` returned.

        Returns:
            A ShardResult or an Outcome.

        Raises:
            StoreError: If the results cannot be written.
        """
        kind, values = json.loads(task)
        if kind == "recording":
            return self.process(Recording(*values))
        name, rows = values
        return self.process_shard(name, [Recording(*row) for row in rows])

    @property
    def store(self) -> Store:
        """The store of the archive."""
        if self._store is None:
            self._store = open_store(self._out)
        return self._store

    def _load_model(self) -> EmotionModel:
        if self._model is None:
            model = EmotionModel.load(self.settings.model)
            if network_of(model).fingerprint != self.settings.model_fingerprint:
                raise StoreError(f"{self.settings.model}: has changed since the run was planned")
            self._model = model
        return self._model

    def process_shard(self, name: str, recordings: Sequence[Recording]) -> ShardResult:
        """Process and commit a shard, unless it is committed already."""
        if self.store.exists(segments_key(self.settings, name)):
            return ShardResult(name, len(recordings), [], False)
        return self.commit(name, map(self.process, recordings))

    def commit(self, name: str, outcomes: Iterable[Outcome]) -> ShardResult:
        """Write the object of a shard, and the tables derived from it.

        Args:
            name: Name of the shard.
            outcomes: The outcome of each recording.

        Raises:
            StoreError: If an object cannot be written.
        """
        everything = list(outcomes)
        segments, rows, errors = (
            [row for outcome in everything for row in outcome[part]] for part in range(3)
        )
        content = shard_as_parquet(self.settings, name, segments, rows, errors)
        is_new = self.store.put_new(segments_key(self.settings, name), content)
        if is_new:
            write_derived(self.store, self.settings, name, rows, errors)
        failures = [Failure(row["uri"], row["error"]) for row in errors]
        return ShardResult(name, len(everything), failures, is_new)

    def process(self, recording: Recording) -> Outcome:
        """Return the rows of a recording, or the row of its error."""
        try:
            return self._process(recording)
        except StoreError:
            raise
        except (EdgeSerError, MemoryError, OSError) as error:
            return failed(recording, error)
        except Exception as error:  # a fault of one recording must not cost the others
            return failed(recording, error)

    def _process(self, recording: Recording) -> Outcome:
        settings, model = self.settings, self._load_model()
        with local_copy(recording.uri, TIMELINE_LIMITS.max_size) as path, _naming(recording, path):
            file = AudioFile(path, limits=TIMELINE_LIMITS)
            roles = settings.channels_of(recording.uri, file.n_channels)
            streams = {
                channel: TimelineStream(
                    model,
                    file.sample_rate,
                    window=settings.window,
                    hop=settings.hop,
                    threshold=settings.threshold,
                    speech_threshold=settings.speech_threshold,
                )
                for channel in roles
            }
            segments: dict[int | None, list[Segment]] = {channel: [] for channel in roles}
            identical = file.n_channels > 1
            for block in file.channels():
                identical = identical and bool((block == block[:, :1]).all())
                for channel, stream in streams.items():
                    samples = np.ascontiguousarray(mono(block, channel))
                    segments[channel] += stream.push(samples)
        outcome = Outcome([], [], [])
        for channel, stream in streams.items():
            segments[channel] += stream.flush()
            common: Row = {
                "recording_id": recording.recording_id,
                "uri": recording.uri,
                "channel": channel,
                "role": roles[channel],
            }
            durations = LabelDurations()
            for segment in segments[channel]:
                durations.add(segment)
                outcome.segments.append({**common, **_segment_row(segment)})
            total = durations.total()
            seconds = {
                SECONDS + label: round(durations.seconds.get(label, 0.0), 3)
                for label in duration_labels(settings.labels)
            }
            outcome.recordings.append(
                {
                    **common,
                    "duration": round(total, 3),
                    "speech": round(total - durations.seconds.get(NO_SPEECH, 0.0), 3),
                    **seconds,
                    "identical_channels": identical,
                    "attempt": recording.attempt,
                }
            )
        return outcome


@contextlib.contextmanager
def _naming(recording: Recording, path: Path) -> Iterator[None]:
    """Name the recording in errors, instead of its local copy."""
    try:
        yield
    except AudioError as error:
        raise AudioError(str(error).replace(str(path), recording.uri)) from error


def _segment_row(segment: Segment) -> Row:
    return {
        "start": round(segment.start, 6),
        "end": round(segment.end, 6),
        "label": segment.label,
        "confidence": segment.confidence,
        **{PROBABILITY + label: p for label, p in segment.probabilities.items()},
        "speech": segment.label != NO_SPEECH,
    }


def failed(recording: Recording, error: Exception) -> Outcome:
    """Return the outcome of a recording that cannot be processed."""
    row = {
        "recording_id": recording.recording_id,
        "uri": recording.uri,
        "error": shorten(printable(str(error) or repr(error)), MAX_ERROR_LENGTH),
        "kind": type(error).__name__,
        "attempt": recording.attempt,
    }
    return Outcome([], [], [row])


def killed(recording: Recording, reason: str) -> Outcome:
    """Return the outcome of a recording that has killed its worker twice."""
    return failed(recording, AudioError(f"{recording.uri}: kills the worker process: {reason}"))


def segments_key(settings: ArchiveSettings, shard: str) -> str:
    """Return the key of the object that commits a shard."""
    return f"{settings.partition()}/segments/{shard}.parquet"


def write_derived(
    store: Store, settings: ArchiveSettings, shard: str, recordings: list[Row], errors: list[Row]
) -> None:
    """Write the tables derived from a committed shard: first its errors, then its recordings."""
    metadata = common_metadata(settings, shard)
    partition = settings.partition()
    if errors:
        content = as_parquet(errors, error_schema(), metadata)
        store.put_new(f"{partition}/errors/{shard}.parquet", content)
    content = as_parquet(recordings, recording_schema(settings.labels), metadata)
    store.put_new(f"{partition}/recordings/{shard}.parquet", content)


def repair_derived(store: Store, settings: ArchiveSettings) -> list[str]:
    """Write derived tables that an interruption has left out; return the names of the shards."""
    partition = settings.partition()
    committed = set(store.names(f"{partition}/segments"))
    missing = sorted(committed - set(store.names(f"{partition}/recordings")))
    for name in missing:
        key = f"{partition}/segments/{name}"
        _, metadata = read_table(store.get(key), key)
        rows, errors = json.loads(metadata["recordings"]), json.loads(metadata["errors"])
        write_derived(store, settings, os.path.splitext(name)[0], rows, errors)
    return missing


def shard_task(shard: Shard) -> str:
    """Return the task of a shard as text."""
    return json.dumps(["shard", [shard.name, shard.recordings]])


def recording_task(recording: Recording) -> str:
    """Return the task of a single recording as text."""
    return json.dumps(["recording", recording])
