"""`--output-dir`: one file per recording, below one folder."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from ..audio.paths import expand
from ..errors import AudioError, ConfigError
from ..files import check_writable
from ..results.timelines import Channel
from ..results.writer import OutputFormat
from .classify_request import STDIN

SUMMARY_NAME = "summary.csv"

SUFFIX_OF = {
    OutputFormat.text: ".txt",
    OutputFormat.json: ".json",
    OutputFormat.jsonl: ".jsonl",
    OutputFormat.csv: ".csv",
    OutputFormat.audacity: ".txt",
    OutputFormat.srt: ".srt",
    OutputFormat.vtt: ".vtt",
    OutputFormat.rttm: ".rttm",
    OutputFormat.textgrid: ".TextGrid",
}


def output_stems(paths: Iterable[str]) -> dict[str, str]:
    """Return where to write the results of each recording, without a suffix.

    The folders below a folder or a pattern that was given are kept. Recordings that differ only in
    their suffix keep it.

    Args:
        paths: Files, folders, patterns, or `STDIN`.

    Returns:
        For each recording, a path relative to the folder of the results.

    Raises:
        ConfigError: If the results of two recordings would have the same name.
    """
    whole: dict[str, str] = {}
    for path in paths:
        for name in expand([path]):
            if not isinstance(name, AudioError):
                whole.setdefault(name, _relative(name, path))
    stems = {name: os.path.splitext(path)[0] for name, path in whole.items()}
    summary = os.path.splitext(SUMMARY_NAME)[0]
    counts = Counter([summary, *(stem.casefold() for stem in stems.values())])
    result = {
        name: stem if counts[stem.casefold()] == 1 else whole[name] for name, stem in stems.items()
    }
    first: dict[str, str] = {}
    for name, stem in result.items():
        other = first.setdefault(stem.casefold(), name)
        if other != name:
            raise ConfigError(
                f"--output-dir: {other} and {name} would be written to one file; give the folder "
                "that holds both, or process them one at a time"
            )
    return result


def _relative(name: str, path: str) -> str:
    """Return the path of a recording below the folder or pattern that it was found by."""
    if name == STDIN:
        return "stdin"
    if os.path.isdir(path):
        return os.path.relpath(name, path)
    if name == path:
        return os.path.basename(name)
    parts = re.split(r"[\\/]+" if os.sep == "\\" else "/+", path)
    magic = next(k for k, part in enumerate(parts) if re.search(r"[*?[]", part))
    base = os.sep.join(parts[:magic]) or (os.sep if path.startswith("/") else ".")
    return os.path.relpath(name, base)


def file_stem(stem: str, channel: Channel | None) -> str:
    """Return the path of the results of a channel, without a suffix."""
    if channel is None:
        return stem
    safe = re.sub(r"[^\w-]+", "-", channel.name)
    return f"{stem}.{safe}"


def check_new(paths: list[Path], force: bool) -> None:
    """Raise ConfigError if files exist already and `force` is False, or cannot be created."""
    existing = [path for path in paths if path.is_file()]
    if existing and not force:
        others = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        exist = "exist" if others else "exists"
        raise ConfigError(f"{existing[0]}{others} {exist} already; pass --force to replace")
    for path in paths:
        if path.parent.is_dir():
            check_writable(path, force)


def make_folder(folder: Path) -> None:
    """Create a folder and those above it.

    Raises:
        ConfigError: If it cannot be created.
    """
    from ..messages import system_reason

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be created: {system_reason(error)}") from error
