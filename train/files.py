"""What a run leaves behind, written whole or not at all."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from edge_runtime import EdgeSerError
from edge_runtime.errors import reason
from edge_runtime.files import replacing


def make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EdgeSerError(f"{folder}: cannot be made: {reason(error)}") from error


def write_bytes(path: Path, content: bytes) -> None:
    make_folder(path.parent)
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """As UTF-8. A name of a file that is no text is written as JSON escapes it."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def save_torch(path: Path, value: Any) -> None:
    # By way of memory: torch reports a full disk as anything but an OSError.
    content = io.BytesIO()
    torch.save(value, content)
    write_bytes(path, content.getvalue())


class BusyError(EdgeSerError):
    """A folder that another process is writing to."""


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
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
