"""What a run leaves behind, written whole or not at all, and read without trust."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import pickle
import re
import stat
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from edge_runtime import ConfigError, EdgeSerError
from edge_runtime.files import atomic_replace
from edge_runtime.messages import shorten_error, system_reason

# Bytes that a file of torch may unfold to; ours have some millions.
MAX_TORCH = 2 << 30


def with_extra_suffix(report: Path, suffix: str) -> Path:
    """`report` with a suffix behind its name, whatever dots that has.

    >>> beside(Path("reports/v1.2"), ".json").name
    'v1.2.json'
    """
    return report.with_name(report.name + suffix)


def report_path(report: Path) -> Path:
    """Where a report goes, without the suffix of one of its files; ConfigError for no name of a
    file. Its folder is made."""
    if report.suffix in (".json", ".md"):
        report = report.with_suffix("")
    if report.name in ("", ".."):
        raise ConfigError(
            f"--report {report}: is a folder; give a name in it, such as {report / 'report'}"
        )
    make_folder(report.parent)
    return report


def make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EdgeSerError(f"{folder}: cannot be made: {system_reason(error)}") from error


def write_bytes(path: Path, content: bytes) -> None:
    make_folder(path.parent)
    with atomic_replace(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """As UTF-8. A name of a file that is no text is written as JSON escapes it."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_csv(path: Path, rows: list[dict[str, float]]) -> None:
    """A table of rows that have the same keys."""
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, out.getvalue())


def save_torch(path: Path, value: Any) -> None:
    # By way of memory: torch reports a full disk as anything but an OSError.
    content = io.BytesIO()
    torch.save(value, content)
    write_bytes(path, content.getvalue())


class TorchFileError(EdgeSerError):
    """A file of torch that cannot be used; its message does not begin with the path."""


def load_torch(path: Path) -> dict[str, Any]:
    """The values in a file that `save_torch` wrote. Executes no code from it, whatever it holds."""
    try:
        status = path.stat()
    except OSError as error:
        raise TorchFileError(f"cannot be read: {system_reason(error)}") from error
    try:
        if not stat.S_ISREG(status.st_mode):
            raise TorchFileError("is not a regular file")
        size = status.st_size
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                size = max(size, sum(part.file_size for part in archive.infolist()))
        if size > MAX_TORCH:
            raise TorchFileError(f"unfolds to {size:,} bytes; wanted {MAX_TORCH:,} at most")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what pickle is behind, before the error says it
            values = torch.load(path, weights_only=True, map_location="cpu")
    except TorchFileError:
        raise
    except Exception as error:  # torch and pickle raise many kinds for a damaged file
        # torch's own advice is to load it with code and all.
        code = re.search(r"(?:GLOBAL|unrecognized function) (\S+)", str(error))
        if code is not None:
            raise TorchFileError(
                f"wants code to be run when it is loaded ({code[1]}); it was not: do not trust it"
            ) from error
        said = shorten_error(error)
        if isinstance(error, pickle.UnpicklingError):
            said = "its values cannot be read without executing it, which was not done"
        raise TorchFileError(f"is damaged or no file of torch: {said}") from error
    if not isinstance(values, dict):
        raise TorchFileError(f"holds a {type(values).__name__}; wanted a dict")
    return values


class BusyError(EdgeSerError):
    """A folder that another process is writing to."""


@contextlib.contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Nobody else who asks writes to `folder` meanwhile: BusyError if somebody does already.

    The system lets go of it when the process ends, however that comes about. What a process that
    was killed has left half-written is removed.
    """
    make_folder(folder)
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows
        yield
        return
    lock = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError(
                f"{folder}: another process is writing to it; wait for its end, or choose another "
                "folder"
            ) from None
        except OSError:  # a file system without locks
            pass
        for left in folder.glob(".*.tmp"):
            if left.name[1:-4].isdigit():  # as `replacing` calls them
                left.unlink(missing_ok=True)
        yield
    finally:
        os.close(lock)
