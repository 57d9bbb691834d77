"""Which clips there are, with their labels and speakers: from folders, file names or a manifest.

Layouts that are understood, alone or together under one root:

    dataset/{train,test}/{label}/*.wav      the split and the label are folders
    dataset/{label}/*.wav                   the label is a folder
    RAVDESS, EMO-DB, TESS, nEMO             label and speaker are in the file name
    manifest.csv                            columns path,label and, if known, speaker,split;
                                            where a folder holds one, it alone counts

No list of labels stands in the code: what the folders, names or the manifest say is the label.
"""

from __future__ import annotations

import csv
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edge_runtime.errors import EdgeSerError

AUDIO_SUFFIXES = {".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".opus"}
SPLITS = ("train", "val", "test")


class DatasetError(EdgeSerError):
    """A dataset that nothing can be trained on."""


@dataclass(frozen=True)
class Clip:
    """One recording. `speaker` is None where nothing tells who speaks."""

    path: Path
    label: str
    speaker: str | None = None
    split: str | None = None
    corpus: str = ""


@dataclass(frozen=True)
class NamingScheme:
    """How a corpus writes label and speaker into a file's name (without its suffix)."""

    corpus: str
    licence: str
    pattern: re.Pattern[str]
    codes: dict[str, str] | None = None  # what the corpus abbreviates

    def parse(self, stem: str) -> tuple[str, str] | None:
        """(label, speaker) of a file name, or None if it is not of this corpus."""
        match = self.pattern.fullmatch(stem)
        if match is None:
            return None
        label = match["label"]
        if self.codes is not None:
            if label not in self.codes:
                return None
            label = self.codes[label]
        speaker = SAME_SPEAKER.get(match["speaker"], match["speaker"])
        return canonical_label(label), f"{self.corpus}/{speaker}"


# TESS abbreviates its two speakers in some of its file names.
SAME_SPEAKER = {"OA": "OAF", "YA": "YAF"}

SCHEMES = (
    NamingScheme(  # https://zenodo.org/records/1188976
        "ravdess", "CC BY-NC-SA 4.0",
        re.compile(r"0[1-3]-0[12]-(?P<label>\d\d)-\d\d-\d\d-\d\d-(?P<speaker>\d\d)"),
        {"01": "neutral", "02": "calm", "03": "happy", "04": "sad", "05": "angry",
         "06": "fearful", "07": "disgust", "08": "surprised"},
    ),
    NamingScheme(  # http://emodb.bilderbar.info/index-1280.html: the letters are German words
        "emodb", "CC BY 4.0",
        re.compile(r"(?P<speaker>\d\d)[ab]\d\d(?P<label>[A-Z])[a-z]?"),
        {"W": "angry", "L": "boredom", "E": "disgust", "A": "fearful", "F": "happy", "T": "sad",
         "N": "neutral"},
    ),
    NamingScheme(  # https://doi.org/10.5683/SP2/E8H2MF
        "tess", "CC BY-NC-ND 4.0",
        re.compile(r"(?P<speaker>OAF|YAF|OA|YA)_[A-Za-z]+_(?P<label>[A-Za-z]+)"),
        {"angry": "angry", "disgust": "disgust", "fear": "fearful", "happy": "happy",
         "neutral": "neutral", "ps": "surprised", "sad": "sad"},
    ),
    NamingScheme(  # https://github.com/amu-cai/nEMO
        "nemo", "CC BY-NC-SA 4.0",
        re.compile(r"(?P<speaker>[A-Z]{2}\d)_(?P<label>[a-z]+)_\d+"),
    ),
)

# Who speaks, as the corpora's own pages tell; RAVDESS gives even numbers to women.
_WOMEN = {
    "emodb": {"08", "09", "13", "14", "16"}, "tess": {"OAF", "YAF"},
    "ravdess": {f"{number:02d}" for number in range(2, 25, 2)},
}


def speaker_group(speaker: str | None) -> str:
    """"women" or "men" where the corpus tells it of its speakers, else "not known".

    >>> speaker_group("ravdess/07"), speaker_group("nemo/SM0")
    ('men', 'not known')
    """
    corpus, _, name = (speaker or "").partition("/")
    if corpus not in _WOMEN:
        return "not known"
    return "women" if name in _WOMEN[corpus] else "men"


LICENCES = {scheme.corpus: scheme.licence for scheme in SCHEMES}

# Corpora name the same emotion by adjective or noun; the adjective is what is shown.
_ADJECTIVES = {
    "anger": "angry", "happiness": "happy", "joy": "happy", "sadness": "sad", "fear": "fearful",
    "surprise": "surprised", "calmness": "calm",
}


def canonical_label(text: str) -> str:
    """Lower case, without blanks around it, the adjective for the noun: "Anger " → "angry"."""
    label = unicodedata.normalize("NFC", text).strip().lower()
    return _ADJECTIVES.get(label, label)


def scan(
    roots: Iterable[str | os.PathLike[str]],
    *,
    labels: Iterable[str] | None = None,
    speaker_pattern: str | None = None,
) -> list[Clip]:
    """All clips below the folders, or in the manifests, of `roots`, in a fixed order.

    Args:
        labels: keep these only (None: all that occur).
        speaker_pattern: a regular expression that is searched for in the path below the root;
            its first group is the speaker. For recordings of one's own.
    Raises DatasetError if a root is missing, nothing was found, or there is but one label.
    """
    clips: list[Clip] = []
    speaker = None if speaker_pattern is None else _speaker_expression(speaker_pattern)
    for root in map(Path, roots):
        if not root.exists():
            raise DatasetError(f"{root}: no such folder or manifest")
        manifest = root if root.is_file() else root / "manifest.csv"
        found = _read_manifest(manifest) if manifest.is_file() else _scan_folder(root)
        if speaker is not None:
            base = root.parent if root.is_file() else root
            found = [_with_speaker(clip, base, speaker) for clip in found]
        clips.extend(found)
    seen = sorted({clip.label for clip in clips})
    if labels is not None:
        wanted = {canonical_label(label) for label in labels}
        missing = wanted.difference(seen)
        if missing:
            raise DatasetError(
                f"no clip is labelled {', '.join(sorted(missing))}; found: {', '.join(seen) or '-'}"
            )
        clips = [clip for clip in clips if clip.label in wanted]
    names = ", ".join(map(str, roots))
    if not clips:
        raise DatasetError(
            f"{names}: no audio found; wanted {{label}}/*.wav, {{train,test}}/{{label}}/*.wav, "
            "a corpus whose file names hold the label, or a manifest path,label,speaker,split"
        )
    if len({clip.label for clip in clips}) < 2:
        raise DatasetError(
            f"{names}: all {len(clips)} clips are labelled {clips[0].label!r}; "
            "a classifier needs two classes or more"
        )
    return clips


def _scan_folder(root: Path) -> list[Clip]:
    files = sorted(
        Path(folder, name)
        for folder, names in _folders(root)
        for name in names
        if Path(name).suffix.lower() in AUDIO_SUFFIXES and not name.startswith(".")
    )
    return [_from_path(file, root) for file in files]


def _folders(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Each folder once with its files, links to folders followed, loops of them not."""
    seen: set[str] = set()
    for folder, below, names in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        if real in seen:
            below.clear()
            continue
        seen.add(real)
        yield folder, names


def _from_path(file: Path, root: Path) -> Clip:
    folders = [part for part in file.relative_to(root).parts[:-1]]
    split = next((part.lower() for part in folders if part.lower() in SPLITS), None)
    folder_label = canonical_label(file.parent.resolve().name)
    for scheme in SCHEMES:
        named = scheme.parse(file.stem)
        if named is not None:
            label, speaker = named
            # Who sorted a corpus into folders of their own may have relabelled it on the way.
            if split is not None or folder_label in _labels_of(scheme):
                label = folder_label
            return Clip(file, label, speaker, split, scheme.corpus)
    return Clip(file, folder_label, None, split, root.resolve().name)


def _labels_of(scheme: NamingScheme) -> set[str]:
    return set((scheme.codes or _ADJECTIVES).values()) | {"neutral"}


def _speaker_expression(pattern: str) -> re.Pattern[str]:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise DatasetError(f"--speaker-pattern {pattern!r}: {error}") from error
    if not expression.groups:
        raise DatasetError(f"--speaker-pattern {pattern!r}: has no (group) to be the speaker")
    return expression


def _with_speaker(clip: Clip, base: Path, speaker: re.Pattern[str]) -> Clip:
    match = speaker.search(Path(os.path.relpath(clip.path, base)).as_posix())
    if match is None or not match[1]:
        return clip
    return Clip(clip.path, clip.label, f"{clip.corpus}/{match[1]}", clip.split, clip.corpus)


def _read_manifest(manifest: Path) -> list[Clip]:
    """`path,label[,speaker][,split][,corpus]`; paths are relative to the manifest's folder."""
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
            rows = [(reader.line_num, row) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{manifest}: is not a manifest that can be read: {error}") from error
    lacking = {"path", "label"}.difference(reader.fieldnames)
    if lacking:
        raise DatasetError(
            f"{manifest}: has no column {', '.join(sorted(lacking))}; "
            "wanted a first line path,label,speaker,split"
        )
    clips = []
    for line, row in rows:
        path, label = (row["path"] or "").strip(), canonical_label(row["label"] or "")
        split = (row.get("split") or "").strip().lower() or None
        if not path or not label:
            raise DatasetError(f"{manifest}, line {line}: path or label is empty")
        if split not in (None, *SPLITS):
            raise DatasetError(
                f"{manifest}, line {line}: split={split!r} must be {', '.join(SPLITS)} or empty"
            )
        corpus = (row.get("corpus") or "").strip() or manifest.stem
        speaker = (row.get("speaker") or "").strip()
        clips.append(
            Clip(manifest.parent / path, label, f"{corpus}/{speaker}" if speaker else None,
                 split, corpus)
        )
    return clips
