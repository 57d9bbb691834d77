"""The audio files below a folder, each folder once, whatever links lead where."""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path

from edge_runtime.messages import system_reason

from .clip import DatasetError, canonical_label

AUDIO_SUFFIXES = {".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".opus"}


def audio_files(root: Path) -> list[Path]:
    """All audio files below `root` in a fixed order, without hidden ones.

    Links to folders are followed, after all that needs no link; a folder that is met again is left
    out. Raises DatasetError for a folder that cannot be read, which would else shrink the data set
    in silence, and for a link that gives a folder of recordings a second label.
    """
    files: list[Path] = []
    seen: dict[str, tuple[Path, bool]] = {}  # a folder, and whether recordings are right in it
    waiting = deque([str(root)])
    while waiting:
        start = waiting.popleft()
        real = os.path.realpath(start)
        if real in seen:
            _refuse_second_label(Path(start), real, *seen[real])
            continue
        for folder, below, names in os.walk(start, onerror=_refuse):
            real = os.path.realpath(folder)
            if real in seen:
                below.clear()
                continue
            below[:] = sorted(name for name in below if not _hidden(name))
            waiting.extend(
                path for name in below if os.path.islink(path := os.path.join(folder, name))
            )
            audio = [name for name in names if _is_audio(name)]
            seen[real] = Path(folder), bool(audio)
            files.extend(Path(folder, name) for name in audio)
    return sorted(files)


def _is_audio(name: str) -> bool:
    return not _hidden(name) and Path(name).suffix.lower() in AUDIO_SUFFIXES


def _hidden(name: str) -> bool:
    """Among them `._clip.wav`, which macOS leaves on foreign disks, and notebooks' checkpoints."""
    return name.startswith(".") or name == "__MACOSX"


def _refuse(error: OSError) -> None:
    raise DatasetError(
        f"{error.filename}: cannot be read: {system_reason(error)}; mend that, or move it "
        "out of the data"
    ) from error


def _refuse_second_label(link: Path, real: str, first: Path, holds_audio: bool) -> None:
    around = os.path.realpath(link.parent)
    loop = around == real or around.startswith(real.rstrip(os.sep) + os.sep)
    if holds_audio and not loop and canonical_label(link.name) != canonical_label(first.name):
        raise DatasetError(
            f"{link}: is a link to {first}, whose recordings would have two labels; remove one"
        )
