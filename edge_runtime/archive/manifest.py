"""Recordings of an archive: from folders, patterns, S3 prefixes or a manifest."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..audio.paths import expand, is_audio_name
from ..errors import AudioError, ConfigError, EdgeSerError
from ..messages import shorten_error, system_reason
from .store import S3_SCHEME, split_s3

# Bytes of a second of sound, to cut the work into shards before any file is opened: 16 kHz at 16
# bits for PCM, half of it for FLAC, and 64 kbit/s for other compressed formats.
_PCM_RATE, _FLAC_RATE, _OTHER_RATE = 32_000, 16_000, 8_000
_PCM_SUFFIXES = (".wav", ".wave", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".w64", ".rf64")

UNKNOWN_SECONDS = 300.0  # of a recording whose size is not known


class Recording(NamedTuple):
    """A recording to process.

    Attributes:
        recording_id: Unique name in the tables.
        uri: Absolute path, or address that begins with s3://.
        seconds: Estimated duration.
        attempt: Number of the attempt, from 1.
    """

    recording_id: str
    uri: str
    seconds: float
    attempt: int = 1


def id_of(uri: str) -> str:
    """Return the identifier of a recording without one: 16 hexadecimal digits of its address."""
    return hashlib.sha256(uri.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def estimated_seconds(uri: str, size: float) -> float:
    """Return the duration of a file as estimated by its size in bytes."""
    suffix = os.path.splitext(uri)[1].lower()
    if suffix in _PCM_SUFFIXES:
        return size / _PCM_RATE
    return size / (_FLAC_RATE if suffix == ".flac" else _OTHER_RATE)


def find_recordings(sources: Iterable[str]) -> Iterator[Recording | AudioError]:
    """Yield the recordings of folders, patterns, files and S3 prefixes, each once.

    Args:
        sources: The arguments of the command.

    Yields:
        A recording, or an error in the place of a source that stands for none.

    Raises:
        EdgeSerError: If a bucket cannot be listed.
    """
    seen = set()
    for source in sources:
        found = _find_in_s3(source) if source.startswith(S3_SCHEME) else _find_local(source)
        for recording in found:
            if isinstance(recording, AudioError):
                yield recording
            elif recording.recording_id not in seen:
                seen.add(recording.recording_id)
                yield recording


def _find_local(source: str) -> Iterator[Recording | AudioError]:
    for name in expand([source]):
        if isinstance(name, AudioError):
            yield name
            continue
        if not os.path.lexists(name):
            yield AudioError(f"{name}: no such file or folder")
            continue
        uri = os.path.abspath(name)
        if not _is_text(uri):
            yield AudioError(f"{name}: the name is not valid UTF-8; rename the file")
            continue
        yield Recording(id_of(uri), uri, _local_seconds(uri))


def _is_text(uri: str) -> bool:
    """Return True if a path can be stored in a table."""
    try:
        uri.encode()
    except UnicodeEncodeError:
        return False
    return True


def _local_seconds(uri: str) -> float:
    try:
        return estimated_seconds(uri, os.stat(uri).st_size)
    except OSError:  # reported when the recording is processed
        return UNKNOWN_SECONDS


def _find_in_s3(source: str) -> Iterator[Recording | AudioError]:
    from pyarrow import fs

    bucket, key = split_s3(source)
    count = 0
    try:
        store, _ = fs.FileSystem.from_uri(f"{S3_SCHEME}{bucket}")
        path = f"{bucket}/{key}".rstrip("/")
        infos = [store.get_file_info(path)] if key else []
        if not infos or infos[0].type != fs.FileType.File:
            infos = store.get_file_info(fs.FileSelector(path, recursive=True, allow_not_found=True))
    except OSError as error:
        raise EdgeSerError(f"{source}: cannot be listed: {shorten_error(error)}") from error
    for info in sorted(infos, key=lambda info: str(info.path)):
        if info.type == fs.FileType.File and is_audio_name(info.path):
            count += 1
            uri = f"{S3_SCHEME}{info.path}"
            yield Recording(id_of(uri), uri, estimated_seconds(uri, info.size))
    if not count:
        yield AudioError(f"{source}: holds no audio files; expected WAV, FLAC, OGG or MP3")


def read_manifest(path: str) -> list[Recording]:
    """Read a manifest: CSV, or Parquet if its name ends in .parquet.

    The column uri holds paths, relative to the manifest, or addresses of S3. recording_id, seconds
    and size (in bytes) are optional.

    Args:
        path: The manifest.

    Raises:
        ConfigError: If it cannot be read, has no column uri, or names a recording twice.
    """
    try:
        rows = _parquet_rows(path) if path.lower().endswith(".parquet") else _csv_rows(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {system_reason(error)}") from error
    folder = Path(path).resolve().parent
    recordings: dict[str, Recording] = {}
    for number, row in enumerate(rows, 1):
        try:
            recording = _recording_of(row, folder)
        except (KeyError, ValueError) as error:
            raise ConfigError(
                f"{path}: row {number}: expected a uri, and numbers as seconds and size"
            ) from error
        if recording.recording_id in recordings:
            raise ConfigError(f"{path}: row {number}: {recording.recording_id} is given twice")
        recordings[recording.recording_id] = recording
    return list(recordings.values())


def _csv_rows(path: str) -> list[dict[str, Any]]:
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        return list(csv.DictReader(io.StringIO(file.read(), newline="")))


def _parquet_rows(path: str) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    except pa.ArrowInvalid as error:
        raise ConfigError(f"{path}: is not Parquet: {shorten_error(error)}") from error
    return rows


def _recording_of(row: dict[str, Any], folder: Path) -> Recording:
    uri = row["uri"]
    if not uri:
        raise ValueError("uri is empty")
    if "://" not in uri:
        uri = os.path.normpath(folder / uri)
    elif not uri.startswith(S3_SCHEME):
        raise ValueError("unknown scheme")
    if row.get("seconds"):
        seconds = float(row["seconds"])
    elif row.get("size"):
        seconds = estimated_seconds(uri, float(row["size"]))
    else:
        seconds = UNKNOWN_SECONDS if uri.startswith(S3_SCHEME) else _local_seconds(uri)
    if not 0 <= seconds < 1e9:
        raise ValueError("seconds out of range")
    return Recording(str(row.get("recording_id") or id_of(uri)), uri, seconds)
