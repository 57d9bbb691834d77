"""Recordings for a speaker profile: files, class folders and manifests."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ..audio.decode import check_regular_file
from ..audio.paths import expand
from ..errors import AudioError, ConfigError
from ..files import sha256
from ..inference.label_names import canonical_label, normalise_text
from ..messages import brief_repr, system_reason
from .terminal import Interruption


class Recording(NamedTuple):
    """A recording for a profile.

    Attributes:
        path: The file.
        label: Its label, or None.
    """

    path: str
    label: str | None


def unlabelled_recordings(sources: Iterable[Path]) -> Iterator[Recording]:
    """Yield the recordings of files, folders and patterns, each content once.

    Raises:
        AudioError: If a path is not a regular file, or stands for no recording.
    """
    return _without_copies(Recording(path, None) for path in _files(sources))


def labelled_recordings(sources: Iterable[Path], labels: tuple[str, ...]) -> Iterator[Recording]:
    """Yield the recordings of class folders and manifests, each content once.

    In a folder, the subfolders are named after the labels, as for training: `angry`, or `anger`.
    Recordings in the folder itself have no label. A manifest is a CSV file with the columns path
    and label; an empty label stands for none, and other columns are ignored.

    Args:
        sources: Folders and manifests.
        labels: Labels of the model.

    Raises:
        AudioError: If a path is not a regular file, or a folder holds no recording.
        ConfigError: If a manifest is invalid, a label is not one of the model's, or a recording has
            two labels.
    """

    def recordings() -> Iterator[Recording]:
        for source in sources:
            if source.is_dir():
                yield from _of_class_folders(source, labels)
            elif source.suffix.lower() == ".csv":
                yield from _of_manifest(source, labels)
            else:
                raise ConfigError(
                    f"{source}: --labelled requires a folder with a subfolder for each label, or a "
                    "CSV file with the columns path and label"
                )

    return _without_copies(recordings())


def _files(sources: Iterable[Path]) -> Iterator[str]:
    for name in expand(sources):
        if isinstance(name, AudioError):
            raise name
        yield name


def _without_copies(recordings: Iterable[Recording]) -> Iterator[Recording]:
    labels: dict[str, Recording] = {}  # by content
    for recording in recordings:
        Interruption.check()
        path = Path(recording.path)
        check_regular_file(path)  # reading a pipe would block
        digest = recording.path
        with contextlib.suppress(OSError):  # reported when the file is decoded
            digest = sha256(path)
        first = labels.setdefault(digest, recording)
        if first is recording:
            yield recording
        elif first.label != recording.label:
            raise ConfigError(
                f"{path}: has the content of {first.path}, but another label; remove one of them"
            )


def _of_class_folders(folder: Path, labels: tuple[str, ...]) -> Iterator[Recording]:
    for name in _files([folder]):
        parts = Path(name).relative_to(folder).parts
        label = None if len(parts) == 1 else _label(parts[0], labels, str(folder / parts[0]))
        yield Recording(name, label)


def _of_manifest(manifest: Path, labels: tuple[str, ...]) -> Iterator[Recording]:
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            columns = [normalise_text(name).lower() for name in next(reader, [])]
            rows = [(reader.line_num, row) for row in reader if any(map(str.strip, row))]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = system_reason(error) if isinstance(error, OSError) else str(error)
        raise ConfigError(
            f"{manifest}: cannot be read as a manifest: {reason}; expected CSV in UTF-8"
        ) from error
    if not {"path", "label"} <= set(columns):
        raise ConfigError(f"{manifest}: expected the header path,label")
    if not rows:
        raise ConfigError(f"{manifest}: contains no recording, only a header")
    for line, values in rows:
        row = dict(zip(columns, values))
        path, text = row.get("path", "").strip(), normalise_text(row.get("label", ""))
        if not path or "\0" in path:
            raise ConfigError(f"{manifest}, line {line}: path={brief_repr(path)} is not a file")
        label = _label(text, labels, f"{manifest}, line {line}") if text else None
        yield Recording(str(manifest.parent / path), label)


def _label(text: str, labels: tuple[str, ...], where: str) -> str:
    """Return the label that a text stands for.

    Raises:
        ConfigError: If it is not one of the model's.
    """
    by_name = {canonical_label(label): label for label in labels}
    label = text if text in labels else by_name.get(canonical_label(text))
    if label is None:
        raise ConfigError(
            f"{where}: {brief_repr(text)} is not a label of the model; expected {', '.join(labels)}"
        )
    return label
