"""Clips of a dataset with their labels and speakers, from folders, file names or a manifest.

Supported layouts, alone or together under one root:

    dataset/{train,test}/{label}/*.wav      split and label are folders
    dataset/{label}/*.wav                   the label is a folder
    RAVDESS, EMO-DB, TESS, CREMA-D, …       label and speaker are encoded in the file name, see
                                            `naming_schemes`; patterns read them from other names
    manifest.csv                            columns path,label and optionally speaker,split,corpus;
                                            takes precedence over everything else in its folder

Labels are never hard-coded: they come from the folders, the file names or the manifest.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from ..inference.label_names import ADJECTIVES
from .clip import (
    SPLITS,
    Clip,
    DatasetError,
    canonical_label,
    check_label,
    corpus_name,
    normalise_text,
)
from .folders import audio_files
from .label_examples import examples
from .manifest import HEADER_HINT, read_manifest
from .naming_schemes import LICENCES, SCHEMES, parse_name
from .patterns import LabelPattern, SpeakerPattern

MIN_CLIPS_OF_OWN_LABELS = 10  # fewer clips may well have different labels


def scan(
    roots: Iterable[str | os.PathLike[str]],
    *,
    labels: Iterable[str] | None = None,
    speaker_pattern: str | None = None,
    label_pattern: str | None = None,
    label_codes: Mapping[str, str] | None = None,
) -> list[Clip]:
    """Return all clips below folders, or listed in manifests, in a fixed order.

    Labels and speakers that differ only in case, whitespace or Unicode form are merged.

    Args:
        roots: Folders and manifests.
        labels: Labels to keep. Default: all that occur.
        speaker_pattern: Regular expression searched for in the path below the root; its first group
            is the speaker. For recordings that follow no known scheme.
        label_pattern: The same for the label, or for a code. Manifests are not affected.
        label_codes: Maps codes of `label_pattern` to labels; "" leaves the clips out.

    Raises:
        DatasetError: If a root is missing, no clip was found, or there is only one label.
    """
    paths = list(map(Path, roots))
    return selected(find_clips(paths, speaker_pattern, label_pattern, label_codes), labels, paths)


def find_clips(
    roots: list[Path],
    speaker_pattern: str | None = None,
    label_pattern: str | None = None,
    label_codes: Mapping[str, str] | None = None,
) -> list[Clip]:
    """Return all clips below `roots`, whatever their labels; see `scan`."""
    clips: list[Clip] = []
    speakers = None if speaker_pattern is None else SpeakerPattern(speaker_pattern)
    labels = None if label_pattern is None else LabelPattern(label_pattern, label_codes)
    if labels is None and label_codes is not None:
        raise DatasetError("--label-codes requires --label-pattern, which reads the codes")
    matched = {"--speaker-pattern": speakers is None, "--label-pattern": labels is None}
    for root, corpus in zip(roots, _corpus_names(roots)):
        if not root.exists():
            raise DatasetError(f"{root}: folder or manifest not found")
        manifest = root if root.is_file() else root / "manifest.csv"
        # `lexists`: a manifest that is a dangling link is an error, not a folder without one.
        if os.path.lexists(manifest):
            root_clips = read_manifest(manifest, corpus)
        else:
            files = audio_files(root)
            codes = {} if labels is None else labels.read(files, root)
            matched["--label-pattern"] |= bool(codes)
            root_clips = [
                _clip_from_path(file, root, corpus, codes.get(file)) for file in (codes or files)
            ]
        if speakers is not None:
            base = root.parent if root.is_file() else root
            named = [speakers.apply(clip, base) for clip in root_clips]
            matched["--speaker-pattern"] |= any(
                new is not old for new, old in zip(named, root_clips)
            )
            root_clips = named
        clips.extend(root_clips)
    for option, pattern in (
        ("--label-pattern", label_pattern),
        ("--speaker-pattern", speaker_pattern),
    ):
        if clips and not matched[option]:
            example = os.path.relpath(clips[0].path, roots[0])
            raise DatasetError(
                f"{option} {pattern!r}: matches none of the {len(clips):,} paths "
                f"below the data, such as {example!r}; its (group) must capture the "
                + option[2:].partition("-")[0]
            )
    return _merge_speaker_spellings(clips)


def selected(clips: list[Clip], labels: Iterable[str] | None, roots: list[Path]) -> list[Clip]:
    """Return the clips whose label is in `labels`.

    Args:
        clips: Clips that were found in `roots`.
        labels: Labels to keep. Default: all that occur.
        roots: Folders and manifests, for error messages.

    Raises:
        DatasetError: If a label does not occur or is not valid, or fewer than two remain.
    """
    present = sorted({clip.label for clip in clips})
    if labels is not None:
        kept = {canonical_label(label) for label in labels}
        missing = kept.difference(present)
        if missing:
            raise DatasetError(
                f"no clip has the label {', '.join(sorted(missing))}; "
                f"found: {', '.join(present) or '-'}"
            )
        clips = [clip for clip in clips if clip.label in kept]
    for clip in {clip.label: clip for clip in reversed(clips)}.values():
        check_label(clip)
    names = ", ".join(map(str, roots))
    if not clips:
        raise DatasetError(
            f"{names}: no audio found; expected {{label}}/*.wav, {{train,test}}/{{label}}/*.wav, "
            f"a corpus with labels in its file names, or a manifest; {HEADER_HINT}"
        )
    n_labels = len({clip.label for clip in clips})
    if n_labels < 2:
        raise DatasetError(
            f"{names}: all {len(clips):,} clips have the label {clips[0].label!r}; "
            f"a classifier requires at least two classes; {examples(clips)}"
        )
    if n_labels == len(clips) >= MIN_CLIPS_OF_OWN_LABELS:
        raise DatasetError(
            f"{names}: each of the {len(clips):,} clips has a label of its own; {examples(clips)}"
        )
    return clips


def _corpus_names(roots: list[Path]) -> list[str]:
    """Return the default corpus name of each root: its folder or manifest, as short as is unique.

    Roots with the same name are prefixed with the parent folder, or replaced by the whole path.
    """
    places = []
    for root in roots:
        place = Path(os.path.abspath(root))
        places.append(place.parent if root.is_file() and place.stem == "manifest" else place)
    short = [place.stem if place.is_file() else place.name for place in places]
    with_parent = [f"{place.parent.name}-{name}" for place, name in zip(places, short)]
    whole = [str(place).strip(os.sep).replace(os.sep, "-") for place in places]
    n_places = len(set(places))
    names = next((n for n in (short, with_parent, whole) if len(set(n)) == n_places), whole)
    return list(map(corpus_name, names))


def _clip_from_path(
    file: Path, root: Path, corpus: str, code: tuple[str, str] | None = None
) -> Clip:
    """Return a clip with what its path encodes.

    Args:
        file: The audio file.
        root: The folder that was given.
        corpus: Corpus of files that follow no known scheme.
        code: Code and label that a pattern read from the path.
    """
    folders = [part.lower() for part in file.relative_to(root).parts[:-1]]
    scheme, parsed = parse_name(file) or (None, None)
    if parsed is not None and parsed.n_folders:
        folders = folders[: -parsed.n_folders]
    split = next((part for part in folders if part in SPLITS), None)
    if code is not None:
        speaker = parsed.speaker if parsed else None
        return Clip(file, code[1], speaker, split, scheme.corpus if scheme else corpus, code[0])
    # The name of a link counts, not that of its target: it is what users see.
    raw_label = Path(os.path.abspath(file.parent)).name
    folder_label = canonical_label(raw_label)
    in_label_folder = not folders or folder_label not in SPLITS
    if scheme is not None and parsed is not None:
        # A corpus that was sorted into label folders may have been relabelled on the way.
        relabelled = in_label_folder and (
            split is not None or folder_label in scheme.labels.values()
        )
        if relabelled and not parsed.n_folders:
            return Clip(file, folder_label, parsed.speaker, split, scheme.corpus, raw_label)
        return Clip(file, parsed.label, parsed.speaker, split, scheme.corpus)
    if not in_label_folder:
        raise DatasetError(
            f"{file}: is directly in {raw_label!r}, without a label folder; expected "
            "{train,test}/{label}/*.wav, or --label-pattern for labels in the file names"
        )
    return Clip(file, folder_label, None, split, corpus, raw_label)


def _merge_speaker_spellings(clips: list[Clip]) -> list[Clip]:
    """Merge speaker names that differ only in case, to prevent leakage from training to test."""
    first: dict[str, str] = {}
    return [
        clip
        if clip.speaker is None
        else replace(clip, speaker=first.setdefault(clip.speaker.casefold(), clip.speaker))
        for clip in clips
    ]


def same_names(clips: Iterable[Clip]) -> list[str]:
    """Return a note if corpora share speaker names: they may be the same people.

    They would then be in training and test at once. The known corpora number their own speakers.
    """
    corpora: dict[str, set[str]] = defaultdict(set)
    for clip in clips:
        if clip.speaker is not None and clip.corpus not in LICENCES:
            corpora[clip.speaker.partition("/")[2]].add(clip.corpus)
    shared = sorted(name for name, where in corpora.items() if len(where) > 1)
    if not shared:
        return []
    where = " and in ".join(sorted(corpora[shared[0]]))
    return [
        f"speaker {shared[0]} is in {where}"
        + (f", and so are {len(shared) - 1} more" if len(shared) > 1 else "")
        + ": they are treated as different people; if they are the same, set the same `corpus` for "
        "their recordings (a column of the manifest)"
    ]


_CORPUS_FOLDERS = {folder for scheme in SCHEMES for folder in scheme.folders}


def unused_folders(clips: Iterable[Clip]) -> list[str]:
    """Return a note for each known corpus whose folders look like labels but are ignored.

    The labels of such a corpus come from its file names.
    """
    folders: dict[str, Counter[str]] = defaultdict(Counter)
    for clip in clips:
        if clip.corpus not in LICENCES or clip.raw_label is not None:
            continue
        name, speaker = clip.path.parent.name, str(clip.speaker).partition("/")[2].lower()
        # "Actor_07" and "OAF_angry" agree with the file names.
        agrees = (
            name.lower() in {*SPLITS, *_CORPUS_FOLDERS}
            or clip.label in name.lower()
            or speaker in name.lower()
        )
        folders[clip.corpus][name] += not agrees
    notes = []
    for corpus, counts in sorted(folders.items()):
        unused = sorted(name for name, count in counts.items() if count)
        if len(unused) > 1:
            notes.append(
                f"{counts.total():,} files in {len(unused)} folders, such as {unused[0]!r}, match "
                f"the naming scheme of {corpus}: label and speaker come from the file names, not "
                "from the folders; use a manifest for other labels"
            )
    return notes


def spellings(clips: Iterable[Clip]) -> list[str]:
    """Return a note for each label with several spellings, and one on labels that were renamed.

    Spellings of a label are merged into one class. Nouns are renamed to adjectives.
    """
    raw_labels: dict[str, Counter[str]] = defaultdict(Counter)
    for clip in clips:
        if clip.raw_label is not None:
            raw_labels[clip.label][clip.raw_label] += 1
    notes = [
        f"{', '.join(f'{text!r} ({count})' for text, count in sorted(counts.items()))} are one "
        f"label, {label!r}"
        for label, counts in sorted(raw_labels.items())
        if len(counts) > 1
    ]
    renamed = [
        f"{min(counts)!r} is {label!r}"
        for label, counts in sorted(raw_labels.items())
        if len(counts) == 1 and normalise_text(min(counts)).lower() in ADJECTIVES
    ]
    if renamed:
        notes.append(f"labels are renamed to adjectives: {', '.join(renamed)}")
    return notes
