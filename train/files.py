"""Files of runs and reports: atomic writes, safe loading of checkpoints, folder locks."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import pickle
import re
import stat
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from edge_runtime import ConfigError, EdgeSerError
from edge_runtime.files import atomic_replace
from edge_runtime.messages import shorten_error, system_reason

# Upper bound on the uncompressed size of a PyTorch file; checkpoints have a few megabytes.
MAX_TORCH_BYTES = 2 << 30

LOCK = ".lock"  # stays in the folder; the lock on it ends with the process


def with_extra_suffix(report: Path, suffix: str) -> Path:
    """Append a suffix to a file name, whatever dots it contains.

    Example:
        >>> with_extra_suffix(Path("reports/v1.2"), ".json").name
        'v1.2.json'
    """
    return report.with_name(report.name + suffix)


def report_path(report: Path) -> Path:
    """Return the path of a report without .json or .md, and create its folder.

    Raises:
        ConfigError: If the path has no file name.
    """
    report = without_suffix(report)
    if report.name in ("", ".."):
        raise ConfigError(
            f"--report {report}: is a folder; give a name in it, such as {report / 'report'}"
        )
    make_folder(report.parent)
    return report


def without_suffix(report: Path) -> Path:
    """Return the path of a report without .json or .md."""
    return report.with_suffix("") if report.suffix in (".json", ".md") else report


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, unless it exists.

    Raises:
        EdgeSerError: If it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EdgeSerError(f"{folder}: cannot be created: {system_reason(error)}") from error


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file atomically, and create its folder."""
    make_folder(path.parent)
    with atomic_replace(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file; bytes of file names that are not valid text are escaped."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_json(path: Path, value: Any) -> None:
    """Write an indented JSON file."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def write_csv(path: Path, rows: list[dict[str, float]]) -> None:
    """Write a CSV file of rows with the same keys."""
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, out.getvalue())


def save_torch(path: Path, value: Any) -> None:
    """Write a PyTorch file atomically."""
    # Through memory: torch does not report a full disk as an OSError.
    content = io.BytesIO()
    torch.save(value, content)
    write_bytes(path, content.getvalue())


class TorchFileError(EdgeSerError):
    """A PyTorch file that cannot be used; the message does not include the path."""


def load_torch(path: Path) -> dict[str, Any]:
    """Load a file that `save_torch` wrote, without executing code from it.

    Raises:
        TorchFileError: If the file is missing, damaged, too large, or contains code.
    """
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
                size = max(size, sum(entry.file_size for entry in archive.infolist()))
        if size > MAX_TORCH_BYTES:
            raise TorchFileError(f"expands to {size:,} bytes; at most {MAX_TORCH_BYTES:,} allowed")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings about pickle, before the error itself
            values = torch.load(path, weights_only=True, map_location="cpu")
    except TorchFileError:
        raise
    except Exception as error:  # torch and pickle raise many types for a damaged file
        # torch's own message recommends loading the file with its code.
        code = re.search(r"(?:GLOBAL|unrecognized function) (\S+)", str(error))
        if code is not None:
            raise TorchFileError(
                f"contains code to run on loading ({code[1]}); it was not executed: do not trust "
                "this file"
            ) from error
        reason = shorten_error(error)
        if isinstance(error, pickle.UnpicklingError):
            reason = "its values cannot be read without executing code; nothing was executed"
        raise TorchFileError(f"is damaged or not a PyTorch file: {reason}") from error
    if not isinstance(values, dict):
        raise TorchFileError(f"holds a {type(values).__name__}; expected a dict")
    return values


class BusyError(EdgeSerError):
    """A folder that another process is writing to."""


@contextlib.contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold an exclusive lock on a folder, and remove temporary files of killed processes.

    The operating system releases the lock when the process ends, even if it is killed.

    Args:
        folder: The folder; created if it does not exist.

    Raises:
        BusyError: If another process holds the lock.
    """
    make_folder(folder)
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise BusyError(
            f"{folder}: another process is writing to it; wait for it to end, or choose another "
            "folder"
        ) from None
    except (OSError, NotImplementedError):  # a file system without locks
        pass
    try:
        for path in folder.glob(".*.tmp"):
            if path.name[1:-4].isdigit():  # named by `atomic_replace`
                path.unlink(missing_ok=True)
        yield
    finally:
        lock.release()
