"""Files that are either the old one or the new one, never half of either."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from .errors import ConfigError, EdgeSerError
from .messages import system_reason


def read_limited(path: Path, largest: int) -> bytes:
    """The content of a regular file of `largest` bytes at most; OSError for all else: a pipe or a
    device could keep us waiting, and a large file takes the memory of others."""
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "is a directory")
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "is not a regular file")
    if status.st_size <= largest:
        with path.open("rb") as file:
            content = file.read(status.st_size + 1)
        if len(content) <= largest:
            return content
    raise OSError(errno.EFBIG, f"has more than {largest:,} bytes")


@contextmanager
def atomic_replace(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to it when the block ends without an error.

    Raises EdgeSerError for what cannot be written.
    """
    temporary = path.with_name(f".{os.getpid()}.tmp")  # short, whatever the name
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise EdgeSerError(f"{path}: cannot be written: {system_reason(error)}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def partial_path(path: Path) -> Path:
    """Where `growing` writes until all is there."""
    return path.with_name(path.name + ".part")


def _is_special(path: Path) -> bool:
    """Whether it is a pipe or a device, which is written to as it is."""
    return path.exists() and not path.is_file()


def check_free(path: Path, force: bool) -> None:
    """ConfigError if `growing` cannot write `path`, or would replace something without `force`."""
    if path.is_dir():
        raise ConfigError(f"{path}: is a directory; wanted a file")
    if not path.parent.is_dir():
        raise ConfigError(f"{path}: there is no folder {path.parent}; make it first")
    folder = Path(os.path.realpath(path)).parent  # where a link leads
    if not _is_special(path) and not os.access(folder, os.W_OK):
        raise ConfigError(f"{path}: the folder {folder} cannot be written to; choose another")
    if not force and path.is_file():
        raise ConfigError(f"{path}: exists already; give --force to replace it")
    if not force and partial_path(path).exists():
        raise ConfigError(
            f"{partial_path(path)}: exists already, with what an interrupted run left; rename it, or "
            "give --force to replace it"
        )


class NothingWrittenError(Exception):
    """Raised inside a block of `growing` that has nothing worth keeping."""


@contextmanager
def atomic_text_writer(path: Path, force: bool = False) -> Iterator[TextIO]:
    """A text file that is filled as FILE.part, and renamed to FILE when the block ends.

    After an error or an interruption FILE.part stays, with what was written; after a
    NothingWrittenError, which ends here, FILE is as it was before. A pipe or a device is written to
    as it is. Raises what `check_free` raises, and EdgeSerError for what cannot be
    written.
    """
    check_free(path, force)
    special = _is_special(path)
    target = path if special else Path(os.path.realpath(path))  # a link goes on to lead there
    part = target if special else partial_path(target)
    try:
        with part.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            yield file
            if not special:
                file.flush()
                os.fsync(file.fileno())
        if not special:
            if target.exists():
                shutil.copymode(target, part)  # who may read it is not ours to change
            os.replace(part, target)
    except NothingWrittenError:
        if not special:
            part.unlink(missing_ok=True)
    except OSError as error:
        left = f"; the answers so far are in {part}" if not special and part.exists() else ""
        raise EdgeSerError(f"{path}: cannot be written: {system_reason(error)}{left}") from error


def sha256(path: Path) -> str:
    """The digest of a file's content, read piece by piece."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            found.update(piece)
    return found.hexdigest()
