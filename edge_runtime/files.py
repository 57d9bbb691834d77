"""Bounded reads and atomic writes of files."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from .errors import ConfigError, EdgeSerError
from .messages import system_reason


def read_limited(path: Path, max_bytes: int) -> bytes:
    """Read a regular file of limited size.

    Reading a pipe or a device could block, and a large file could exhaust the memory.

    Args:
        path: The file.
        max_bytes: Maximum size in bytes.

    Raises:
        OSError: If the file is not regular, too large or cannot be read.
    """
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "is a directory")
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "is not a regular file")
    if status.st_size <= max_bytes:
        with path.open("rb") as file:
            content = file.read(status.st_size + 1)
        if len(content) <= max_bytes:
            return content
    raise OSError(errno.EFBIG, f"has more than {max_bytes:,} bytes")


@contextmanager
def atomic_replace(path: Path) -> Iterator[Path]:
    """Replace a file at once when the block ends without an error.

    Args:
        path: The file.

    Yields:
        A temporary path in the same folder, to be written; it is renamed to `path`.

    Raises:
        EdgeSerError: If the file cannot be written.
    """
    temporary = path.with_name(f".{os.getpid()}.tmp")  # short, however long the name is
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
    """Return the path that `atomic_text_writer` writes before it renames the file."""
    return path.with_name(path.name + ".part")


def _is_special(path: Path) -> bool:
    """Return True for a pipe or a device, which is written directly."""
    return path.exists() and not path.is_file()


def check_writable(path: Path, force: bool) -> None:
    """Check that `atomic_text_writer` can write a file.

    Args:
        path: The file.
        force: Accept a file that exists already.

    Raises:
        ConfigError: If the path cannot be written, or exists and `force` is not set.
    """
    if path.is_dir():
        raise ConfigError(f"{path}: is a directory; expected a file")
    if not path.parent.is_dir():
        raise ConfigError(f"{path}: the folder {path.parent} does not exist; create it first")
    folder = Path(os.path.realpath(path)).parent  # the target of a link
    if not _is_special(path) and not os.access(folder, os.W_OK):
        raise ConfigError(f"{path}: the folder {folder} is not writable; choose another")
    if not force and path.is_file():
        raise ConfigError(f"{path}: exists already; pass --force to replace it")
    if not force and partial_path(path).exists():
        raise ConfigError(
            f"{partial_path(path)}: exists already, left by an interrupted run; rename it, or pass "
            "--force to replace it"
        )


class NothingWrittenError(Exception):
    """Raise within a block of `atomic_text_writer` to discard what was written."""


@contextmanager
def atomic_text_writer(path: Path, force: bool = False) -> Iterator[TextIO]:
    """Write a text file as FILE.part, and rename it to FILE when the block ends.

    After an error or an interruption FILE.part stays with what was written. After a
    `NothingWrittenError`, which is suppressed, FILE is unchanged. A pipe or a device is written
    directly.

    Args:
        path: The file. A link stays, and its target is replaced.
        force: Replace a file that exists already.

    Yields:
        The open file.

    Raises:
        ConfigError: As by `check_writable`.
        EdgeSerError: If the file cannot be written.
    """
    check_writable(path, force)
    special = _is_special(path)
    target = path if special else Path(os.path.realpath(path))
    part = target if special else partial_path(target)
    try:
        with part.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            yield file
            if not special:
                file.flush()
                os.fsync(file.fileno())
        if not special:
            if target.exists():
                shutil.copymode(target, part)  # replacing a file must not change its permissions
            os.replace(part, target)
    except NothingWrittenError:
        if not special:
            part.unlink(missing_ok=True)
    except OSError as error:
        hint = f"; the results so far are in {part}" if not special and part.exists() else ""
        raise EdgeSerError(f"{path}: cannot be written: {system_reason(error)}{hint}") from error


def sha256(path: Path) -> str:
    """Return the SHA-256 digest of a file in hexadecimal."""
    import hashlib  # 3 ms that classify need not wait for

    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
