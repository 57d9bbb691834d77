"""Expand files, folders and patterns of a command line to audio files.

Patterns are those that the shell did not expand: quoted ones, and all on Windows.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterable, Iterator

from ..errors import AudioError
from ..messages import system_reason
from .other_formats import EXTRA_SUFFIXES, SkippedFiles, has_extra_formats

# The formats of libsndfile (http://www.mega-nerd.com/libsndfile/) without those that mostly hold
# no sound (.mat, .iff). They matter for searches only: a file that is named may have any suffix.
# fmt: off
AUDIO_SUFFIXES = frozenset([
    ".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".mp2", ".mp1", ".aif", ".aiff",
    ".aifc", ".au", ".snd", ".caf", ".w64", ".rf64", ".sph", ".nist", ".voc", ".avr", ".ircam",
])
# fmt: on

_MAGIC = re.compile(r"[*?[]")


def expand(names: Iterable[str | os.PathLike[str]]) -> Iterator[str | AudioError]:
    """Expand names to audio files, in order, each as soon as it is found.

    A folder stands for the files in it that have an audio suffix, sorted by name, and then for
    those in the folders below. A pattern (`*`, `?`, `[...]`, and `**` for any folders) stands for
    the files and folders that match. A last part without a suffix, such as `*`, matches audio
    files only. Hidden files are skipped. Links are followed, but each folder is searched once per
    name. Every other name is passed on, whether the file exists or not.

    Args:
        names: Files, folders and patterns.

    Yields:
        The path of a file, or an AudioError in the place of a name that stands for no file.
    """
    for path in names:
        name = os.fspath(path)
        skipped = SkippedFiles(name)
        if os.path.isdir(name):
            files: Iterable[str | AudioError] = _search(name, skipped)
            problem = "holds no audio files; expected WAV, FLAC, OGG or MP3"
        elif _MAGIC.search(name) and not os.path.lexists(name):
            files = _matches(name, skipped)
            problem = "matches no audio files"
        else:
            yield name
            continue
        empty = True
        for file in files:
            empty = False
            yield file
        skipped.report()
        if empty:
            yield AudioError(f"{name}: {problem}")


def is_audio_name(name: str) -> bool:
    """Return True if the suffix of a file name is that of a format that can be read."""
    suffix = os.path.splitext(name)[1].lower()
    return suffix in AUDIO_SUFFIXES or (suffix in EXTRA_SUFFIXES and has_extra_formats())


def _search(folder: str, skipped: SkippedFiles) -> Iterator[str | AudioError]:
    """Yield the audio files below a folder: of every folder first its files, then its folders."""
    for entry in _walk(folder):
        if isinstance(entry, AudioError):
            yield entry
            continue
        path, _, files = entry
        for name in files:
            if is_audio_name(name):
                yield os.path.join(path, name)
            else:
                skipped.add(os.path.join(path, name))


def _walk(top: str) -> Iterator[tuple[str, list[str], list[str]] | AudioError]:
    """Yield every folder from `top` down as its path and the names of its folders and files.

    Names are sorted and not hidden. No folder is entered twice, so circular links end.
    """
    entered = set()
    pending = [top]
    while pending:
        path = pending.pop()
        try:
            status = os.stat(path or os.curdir)
            if (status.st_dev, status.st_ino) in entered:
                continue
            entered.add((status.st_dev, status.st_ino))
            folders, files = _listing(path)
        except OSError as error:
            yield AudioError(f"{path}: cannot be searched: {system_reason(error)}")
            continue
        yield path, folders, files
        pending += [os.path.join(path, name) for name in reversed(folders)]


def _listing(folder: str) -> tuple[list[str], list[str]]:
    """Return the names of the folders and of the files in a folder ("": the working directory)."""
    folders: list[str] = []
    files: list[str] = []
    with os.scandir(folder or os.curdir) as entries:
        for entry in entries:
            if not entry.name.startswith("."):
                (folders if _is_folder(entry) else files).append(entry.name)
    return sorted(folders), sorted(files)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _matches(pattern: str, skipped: SkippedFiles) -> Iterator[str | AudioError]:
    """Yield the files that match and the audio files of the folders that match, each once."""
    base, path = os.path.splitdrive(pattern)
    parts = re.split(r"[\\/]+" if os.sep == "\\" else "/+", path)
    if not parts[0]:
        base += os.sep
    parts = [part for part in parts if part]
    any_suffix = os.path.splitext(parts[-1])[1] not in ("", ".*")
    seen = set()
    for match in _resolve(base, parts):
        if isinstance(match, AudioError):
            files: Iterable[str | AudioError] = [match]
        elif os.path.isdir(match):
            files = _search(match, skipped)
        elif any_suffix or is_audio_name(match):
            files = [match]
        else:
            skipped.add(match)
            continue
        for file in files:
            if str(file) not in seen:
                seen.add(str(file))
                yield file


def _resolve(base: str, parts: list[str]) -> Iterator[str | AudioError]:
    """Yield the paths below `base` that match the parts of a pattern."""
    if not parts:
        yield base
        return
    part, rest = parts[0], parts[1:]
    if part == "**":
        for entry in _walk(base):
            if isinstance(entry, AudioError):
                yield entry
                continue
            path, _, files = entry
            if rest:
                yield from _resolve(path, rest)
            else:
                yield from (os.path.join(path, name) for name in files)
    elif not _MAGIC.search(part):
        path = os.path.join(base, part)
        if os.path.lexists(path):
            yield from _resolve(path, rest)
    elif os.path.isdir(base or os.curdir):
        is_match = re.compile(fnmatch.translate(os.path.normcase(part))).match
        try:
            folders, files = _listing(base)
        except OSError as error:
            yield AudioError(f"{base}: cannot be searched: {system_reason(error)}")
            return
        for name in sorted([*folders, *files]):
            if is_match(os.path.normcase(name)):
                yield from _resolve(os.path.join(base, name), rest)
