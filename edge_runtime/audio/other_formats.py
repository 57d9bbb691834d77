"""Names of audio files that libsndfile does not read, and a note on those that are skipped."""

from __future__ import annotations

import functools
import os
from collections import Counter

from ..notes import note

# Read by PyAV (extra `formats`).
EXTRA_SUFFIXES = frozenset(
    [".m4a", ".m4b", ".aac", ".amr", ".awb", ".3gp", ".3ga", ".webm", ".weba", ".mka", ".wma"]
)
# Not searched for: most of them are films, and PyAV does not read all of the others here.
OTHER_SUFFIXES = frozenset(
    [".mp4", ".mov", ".mkv", ".avi", ".ac3", ".ape", ".wv", ".tta", ".ra", ".dss", ".qcp"]
)

INSTALL_ADVICE = "`pip install 'edge-ser[formats]'`"


@functools.cache
def has_extra_formats() -> bool:
    """Return True if PyAV is installed."""
    import importlib.util

    return importlib.util.find_spec("av") is not None


class SkippedFiles:
    """Counts the audio files that a search skips, by suffix.

    Args:
        folder: Where they are, for the note.
    """

    def __init__(self, folder: object) -> None:
        self._folder = folder
        self._paths: set[str] = set()

    def add(self, path: str) -> None:
        """Count a file, once, if its suffix is that of audio."""
        suffix = os.path.splitext(path)[1].lower()
        if suffix in EXTRA_SUFFIXES or suffix in OTHER_SUFFIXES:
            self._paths.add(path)

    def report(self) -> None:
        """Note the counts and how to read the files, if there are any."""
        if not self._paths:
            return
        counts = Counter(os.path.splitext(path)[1].lower() for path in self._paths)
        listed = ", ".join(f"{count} {suffix}" for suffix, count in sorted(counts.items()))
        suffix = max(sorted(counts), key=counts.__getitem__)
        install = ""
        if not EXTRA_SUFFIXES.isdisjoint(counts):
            install = f"; {INSTALL_ADVICE} reads {' '.join(sorted(EXTRA_SUFFIXES & {*counts}))}"
        note(
            self._folder,
            f"skipped {listed}; convert each with `ffmpeg -i NAME{suffix} -ac 1 NAME.wav`{install}",
        )
