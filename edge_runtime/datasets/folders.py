"""Audio files below a folder; each folder is searched once, whatever links point to it."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

from ..audio.other_formats import SkippedFiles
from ..audio.paths import is_audio_name
from ..messages import system_reason
from .clip import DatasetError, canonical_label


def audio_files(root: Path) -> list[Path]:
    """Return all audio files below `root`, sorted, without hidden ones.

    Audio files of formats that cannot be read are counted in a note. Links to folders are followed
    after all real folders, so that a link never hides the original.

    Raises:
        DatasetError: If a folder cannot be read, which would silently shrink the dataset, or a
            link gives the recordings of a folder a second label.
    """
    files: list[Path] = []
    skipped = SkippedFiles(root)
    seen: dict[str, tuple[Path, bool]] = {}  # real path: the folder, and whether it contains audio
    pending = deque([str(root)])
    while pending:
        start = pending.popleft()
        real = os.path.realpath(start)
        if real in seen:
            _check_label_of_link(Path(start), real, *seen[real])
            continue
        for folder, subfolders, names in os.walk(start, onerror=_raise_unreadable):
            real = os.path.realpath(folder)
            if real in seen:
                subfolders.clear()
                continue
            subfolders[:] = sorted(name for name in subfolders if not _is_hidden(name))
            pending.extend(
                path for name in subfolders if os.path.islink(path := os.path.join(folder, name))
            )
            names = [name for name in names if not _is_hidden(name)]
            audio = [name for name in names if is_audio_name(name)]
            for name in set(names).difference(audio):
                skipped.add(os.path.join(folder, name))
            seen[real] = Path(folder), bool(audio)
            files.extend(Path(folder, name) for name in audio)
    skipped.report()
    return sorted(files)


def _is_hidden(name: str) -> bool:
    """Return whether to skip a file or folder.

    Includes `._clip.wav`, which macOS leaves on foreign disks, and the checkpoints of notebooks.
    """
    return name.startswith(".") or name == "__MACOSX"


def _raise_unreadable(error: OSError) -> None:
    raise DatasetError(
        f"{error.filename}: cannot be read: {system_reason(error)}; correct that, or move it "
        "out of the data"
    ) from error


def _check_label_of_link(link: Path, real: str, first: Path, has_audio: bool) -> None:
    """Raise DatasetError if a link gives a folder of recordings a second label."""
    parent = os.path.realpath(link.parent)
    is_loop = parent == real or parent.startswith(real.rstrip(os.sep) + os.sep)
    if has_audio and not is_loop and canonical_label(link.name) != canonical_label(first.name):
        raise DatasetError(
            f"{link}: links to {first}, whose recordings would have two labels; remove one of them"
        )
