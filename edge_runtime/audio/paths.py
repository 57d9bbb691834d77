"""What a person names on a command line, to the audio files that are meant.

Folders are searched, and patterns are expanded that the shell left alone: in quotes, or on Windows.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterable, Iterator

from ..errors import AudioError
from ..messages import system_reason

# Of what libsndfile reads: http://www.mega-nerd.com/libsndfile/; what mostly holds no sound
# (.mat, .iff) is left out. A file that is named itself may be called anything.
AUDIO_SUFFIXES = frozenset(
    [
        ".wav",
        ".wave",
        ".flac",
        ".ogg",
        ".oga",
        ".opus",
        ".mp3",
        ".mp2",
        ".mp1",
        ".aif",
        ".aiff",
        ".aifc",
        ".au",
        ".snd",
        ".caf",
        ".w64",
        ".rf64",
        ".sph",
        ".nist",
        ".voc",
        ".avr",
        ".ircam",
    ]
)

_MAGIC = re.compile(r"[*?[]")


def expand(names: Iterable[str | os.PathLike[str]]) -> Iterator[str | AudioError]:
    """The audio files that `names` stand for, in their order, one by one as they are found.

    A folder stands for the files with an audio suffix in it, in the order of their names, and then
    for those in the folders below. A pattern (`*`, `?`, `[...]`, and `**` for any folders) stands
    for the files it matches, and for the folders; a last part without a suffix, such as `*`,
    matches audio files only. Neither finds what is hidden. Links are followed, but no folder is
    searched twice for one name.

    Everything else is left as it is: whoever reads it will tell if there is no such file. What
    stands for no file is an AudioError in its place.
    """
    for given in names:
        name = os.fspath(given)
        if os.path.isdir(name):
            files: Iterable[str | AudioError] = _search(name)
            wanted = "holds no audio files; wanted WAV, FLAC, OGG or MP3"
        elif _MAGIC.search(name) and not os.path.lexists(name):
            files = _matches(name)
            wanted = "matches no audio files"
        else:
            yield name
            continue
        found = False
        for file in files:
            found = True
            yield file
        if not found:
            yield AudioError(f"{name}: {wanted}")


def _is_audio(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in AUDIO_SUFFIXES


def _search(folder: str) -> Iterator[str | AudioError]:
    """The audio files in `folder` and below: of each folder its files, then its folders."""
    for found in _walk(folder):
        if isinstance(found, AudioError):
            yield found
        else:
            path, _, files = found
            yield from (os.path.join(path, name) for name in files if _is_audio(name))


def _walk(top: str) -> Iterator[tuple[str, list[str], list[str]] | AudioError]:
    """Folder by folder from `top` down: the path, and the names in it of folders and of files.

    Names are in order and none is hidden. No folder is entered twice, so links make no circle.
    """
    entered = set()
    waiting = [top]
    while waiting:
        path = waiting.pop()
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
        waiting += [os.path.join(path, name) for name in reversed(folders)]


def _listing(folder: str) -> tuple[list[str], list[str]]:
    """The names of the folders and of the files in `folder` ("": where we are)."""
    names: tuple[list[str], list[str]] = [], []
    with os.scandir(folder or os.curdir) as entries:
        for entry in entries:
            if not entry.name.startswith("."):
                names[not _is_folder(entry)].append(entry.name)
    return sorted(names[0]), sorted(names[1])


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _matches(pattern: str) -> Iterator[str | AudioError]:
    """The files that match and the audio files of the folders that match, each once."""
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
            files = _search(match)
        else:
            files = [match] if any_suffix or _is_audio(match) else []
        for file in files:
            if str(file) not in seen:
                seen.add(str(file))
                yield file


def _resolve(base: str, parts: list[str]) -> Iterator[str | AudioError]:
    """What the `parts` of a pattern lead to from `base`."""
    if not parts:
        yield base
        return
    part, rest = parts[0], parts[1:]
    if part == "**":
        for found in _walk(base):
            if isinstance(found, AudioError):
                yield found
            elif rest:
                yield from _resolve(found[0], rest)
            else:
                yield from (os.path.join(found[0], name) for name in found[2])
    elif not _MAGIC.search(part):
        path = os.path.join(base, part)
        if os.path.lexists(path):
            yield from _resolve(path, rest)
    elif os.path.isdir(base or os.curdir):
        fits = re.compile(fnmatch.translate(os.path.normcase(part))).match
        try:
            folders, files = _listing(base)
        except OSError as error:
            yield AudioError(f"{base}: cannot be searched: {system_reason(error)}")
            return
        for name in sorted([*folders, *files]):
            if fits(os.path.normcase(name)):
                yield from _resolve(os.path.join(base, name), rest)
