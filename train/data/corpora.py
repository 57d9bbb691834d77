"""Which clips there are, with their labels and speakers: from folders, file names or a manifest.

Layouts that are understood, alone or together under one root:

    dataset/{train,test}/{label}/*.wav      the split and the label are folders
    dataset/{label}/*.wav                   the label is a folder
    RAVDESS, EMO-DB, TESS, nEMO             label and speaker are in the file name
    manifest.csv                            columns path,label and, if known, speaker,split,corpus;
                                            where a folder holds one, it alone counts

No list of labels stands in the code: what the folders, names or the manifest say is the label.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from .clip import SPLITS, Clip, DatasetError, canonical_label, check_label, corpus_name, plain
from .folders import audio_files
from .manifest import read_manifest


@dataclass(frozen=True)
class NamingScheme:
    """How a corpus writes label and speaker into a file's name (without its suffix)."""

    corpus: str
    licence: str
    pattern: re.Pattern[str]
    codes: dict[str, str]  # what stands for a label

    def parse(self, stem: str) -> tuple[str, str] | None:
        """(label, speaker) of a file name, or None if it is not of this corpus."""
        match = self.pattern.fullmatch(stem)
        if match is None or match["label"] not in self.codes:
            return None
        speaker = SAME_SPEAKER.get(match["speaker"], match["speaker"])
        return self.codes[match["label"]], f"{self.corpus}/{speaker}"


# TESS abbreviates its two speakers in some of its file names.
SAME_SPEAKER = {"OA": "OAF", "YA": "YAF"}

SCHEMES = (
    NamingScheme(  # https://zenodo.org/records/1188976
        "ravdess",
        "CC BY-NC-SA 4.0",
        re.compile(r"0[1-3]-0[12]-(?P<label>\d\d)-\d\d-\d\d-\d\d-(?P<speaker>\d\d)"),
        {
            "01": "neutral",
            "02": "calm",
            "03": "happy",
            "04": "sad",
            "05": "angry",
            "06": "fearful",
            "07": "disgust",
            "08": "surprised",
        },
    ),
    NamingScheme(  # http://emodb.bilderbar.info/index-1280.html: the letters are German words
        "emodb",
        "CC BY 4.0",
        re.compile(r"(?P<speaker>\d\d)[ab]\d\d(?P<label>[A-Z])[a-z]?"),
        {
            "W": "angry",
            "L": "boredom",
            "E": "disgust",
            "A": "fearful",
            "F": "happy",
            "T": "sad",
            "N": "neutral",
        },
    ),
    NamingScheme(  # https://doi.org/10.5683/SP2/E8H2MF
        "tess",
        "CC BY-NC-ND 4.0",
        re.compile(r"(?P<speaker>OAF|YAF|OA|YA)_[A-Za-z]+_(?P<label>[A-Za-z]+)"),
        {
            "angry": "angry",
            "disgust": "disgust",
            "fear": "fearful",
            "happy": "happy",
            "neutral": "neutral",
            "ps": "surprised",
            "sad": "sad",
        },
    ),
    NamingScheme(  # https://github.com/amu-cai/nEMO
        "nemo",
        "CC BY-NC-SA 4.0",
        re.compile(r"(?P<speaker>[A-Z]{2}\d)_(?P<label>[a-z]+)_\d+"),
        {
            name: canonical_label(name)
            for name in (
                "anger",
                "fear",
                "happiness",
                "neutral",
                "sadness",
                "surprise",
                "surprised",
                "angry",
                "fearful",
                "happy",
                "sad",
            )
        },
    ),
)

# Who speaks, as the corpora's own pages tell; RAVDESS gives even numbers to women.
_WOMEN = {
    "emodb": {"08", "09", "13", "14", "16"},
    "tess": {"OAF", "YAF"},
    "ravdess": {f"{number:02d}" for number in range(2, 25, 2)},
}


NOT_KNOWN = "not known"


def speaker_group(speaker: str | None) -> str:
    """ "women" or "men" where the corpus tells it of its speakers, else "not known".

    >>> speaker_group("ravdess/07"), speaker_group("nemo/SM0")
    ('men', 'not known')
    """
    corpus, _, name = (speaker or "").partition("/")
    if corpus not in _WOMEN:
        return NOT_KNOWN
    return "women" if name in _WOMEN[corpus] else "men"


LICENCES = {scheme.corpus: scheme.licence for scheme in SCHEMES}


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
    Raises DatasetError if a root is missing, nothing was found, or there is but one label. Labels
    and speakers that differ in capitals, blanks or Unicode forms alone are the same.
    """
    places = list(map(Path, roots))
    return selected(find_clips(places, speaker_pattern), labels, places)


def find_clips(places: list[Path], speaker_pattern: str | None = None) -> list[Clip]:
    """What `scan` finds, whatever its labels; these are not checked."""
    clips: list[Clip] = []
    speaker = None if speaker_pattern is None else _speaker_expression(speaker_pattern)
    matched = speaker is None
    for root, corpus in zip(places, _corpora(places)):
        if not root.exists():
            raise DatasetError(f"{root}: no such folder or manifest")
        manifest = root if root.is_file() else root / "manifest.csv"
        # A manifest that cannot be followed is an error, and no folder without one.
        if os.path.lexists(manifest):
            found = read_manifest(manifest, corpus)
        else:
            found = [_from_path(file, root, corpus) for file in audio_files(root)]
        if speaker is not None:
            base = root.parent if root.is_file() else root
            named = [_with_speaker(clip, base, speaker) for clip in found]
            matched = matched or any(clip is not before for clip, before in zip(named, found))
            found = named
        clips.extend(found)
    if clips and not matched:
        example = os.path.relpath(clips[0].path, places[0])
        raise DatasetError(
            f"--speaker-pattern {speaker_pattern!r}: is in none of the {len(clips):,} paths below "
            f"--data, such as {example!r}; its (group) must be the part that names the speaker"
        )
    return _one_spelling(clips)


def selected(clips: list[Clip], labels: Iterable[str] | None, places: list[Path]) -> list[Clip]:
    """Those clips, found in `places`, whose label is in `labels`; errors as those of `scan`."""
    seen = sorted({clip.label for clip in clips})
    if labels is not None:
        wanted = {canonical_label(label) for label in labels}
        missing = wanted.difference(seen)
        if missing:
            raise DatasetError(
                f"no clip is labelled {', '.join(sorted(missing))}; found: {', '.join(seen) or '-'}"
            )
        clips = [clip for clip in clips if clip.label in wanted]
    for clip in {clip.label: clip for clip in reversed(clips)}.values():
        check_label(clip)
    names = ", ".join(map(str, places))
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


def _corpora(roots: list[Path]) -> list[str]:
    """What the recordings of each root are called where nothing in it says so: as its folder, or
    its manifest, and with the folder around it where several would be called alike."""
    places = []
    for root in roots:
        place = Path(os.path.abspath(root))
        places.append(place.parent if root.is_file() and place.stem == "manifest" else place)
    own = [place.stem if place.is_file() else place.name for place in places]
    around = [f"{place.parent.name}-{name}" for place, name in zip(places, own)]
    whole = [str(place).strip(os.sep).replace(os.sep, "-") for place in places]
    # As short as tells them apart.
    found = next((n for n in (own, around, whole) if len(set(n)) == len(set(places))), whole)
    return list(map(corpus_name, found))


def _from_path(file: Path, root: Path, corpus: str) -> Clip:
    folders = [part.lower() for part in file.relative_to(root).parts[:-1]]
    split = next((part for part in folders if part in SPLITS), None)
    # By the names that a person sees: what a link is called, not where it leads.
    written = Path(os.path.abspath(file.parent)).name
    folder_label = canonical_label(written)
    inside = not folders or folder_label not in SPLITS  # a folder of its own
    for scheme in SCHEMES:
        named = scheme.parse(file.stem)
        if named is not None:
            label, speaker = named
            # Who sorted a corpus into folders of their own may have relabelled it on the way.
            if inside and (split is not None or folder_label in scheme.codes.values()):
                return Clip(file, folder_label, speaker, split, scheme.corpus, written)
            return Clip(file, label, speaker, split, scheme.corpus)
    if not inside:
        raise DatasetError(
            f"{file}: lies in {written!r}, but in no folder that is its label; wanted "
            "{train,test}/{label}/*.wav"
        )
    return Clip(file, folder_label, None, split, corpus, written)


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
    return replace(clip, speaker=f"{clip.corpus}/{plain(match[1])}")


def _one_spelling(clips: list[Clip]) -> list[Clip]:
    """Speakers that differ in nothing but capitals are one: else she could be trained on and tested
    at once."""
    first: dict[str, str] = {}
    return [
        clip
        if clip.speaker is None
        else replace(clip, speaker=first.setdefault(clip.speaker.casefold(), clip.speaker))
        for clip in clips
    ]


def same_names(clips: Iterable[Clip]) -> list[str]:
    """A line if speakers of several data sets are called alike: who is tested may then have been
    trained on under the name of the other. Corpora whose names we know number their own."""
    corpora: dict[str, set[str]] = defaultdict(set)
    for clip in clips:
        if clip.speaker is not None and clip.corpus not in LICENCES:
            corpora[clip.speaker.partition("/")[2]].add(clip.corpus)
    alike = sorted(name for name, where in corpora.items() if len(where) > 1)
    if not alike:
        return []
    where = " and in ".join(sorted(corpora[alike[0]]))
    return [
        f"speaker {alike[0]} is in {where}"
        + (f", and so are {len(alike) - 1} more" if len(alike) > 1 else "")
        + ": they count as different people; if they are the same, give their recordings one "
        "`corpus` (a column of a manifest)"
    ]


def unused_folders(clips: Iterable[Clip]) -> list[str]:
    """A line for each corpus whose files lie in several folders that could be labels, and are not:
    what their names say is the label."""
    folders: dict[str, Counter[str]] = defaultdict(Counter)
    for clip in clips:
        if clip.corpus not in LICENCES or clip.written is not None:
            continue
        name, speaker = clip.path.parent.name, str(clip.speaker).partition("/")[2].lower()
        # "Actor_07" and "OAF_angry" say nothing that their files do not.
        agrees = name.lower() in SPLITS or clip.label in name.lower() or speaker in name.lower()
        folders[clip.corpus][name] += not agrees
    notes = []
    for corpus, counts in sorted(folders.items()):
        unused = sorted(name for name, count in counts.items() if count)
        if len(unused) > 1:
            notes.append(
                f"{counts.total():,} files in {len(unused)} folders, such as {unused[0]!r}, are "
                f"named as those of {corpus} are: their names tell label and speaker, the folders "
                "do not; for other labels, write a manifest"
            )
    return notes


def spellings(clips: Iterable[Clip]) -> list[str]:
    """A line for each label that is written in several ways, which count as one class."""
    written: dict[str, Counter[str]] = defaultdict(Counter)
    for clip in clips:
        if clip.written is not None:
            written[clip.label][clip.written] += 1
    return [
        f"{', '.join(f'{text!r} ({count})' for text, count in sorted(ways.items()))} are one "
        f"label, {label!r}"
        for label, ways in sorted(written.items())
        if len(ways) > 1
    ]
