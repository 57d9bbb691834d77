"""The recordings of a training: found, read, and told of."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from edge_runtime.messages import printable

from .data.clip import Clip, DatasetError, canonical_label
from .data.corpora import find_clips, same_names, selected, spellings, unused_folders
from .data.features import Dataset, load_dataset
from .data.naming_schemes import LICENCES
from .data.noise import noise_features
from .recipes import Recipe

MAX_LISTED_CLIPS = 20  # lines about clips that are left out; report.json has them all


def open_dataset(
    data: list[Path],
    labels: list[str] | None,
    auxiliary: list[str],
    speaker_pattern: str | None,
    recipe: Recipe,
    cache: Path,
    noise: list[Path],
) -> Dataset:
    """Scan, compute features, and say what was found and what was left out.

    `labels` are answered (None: all but the auxiliary ones); `auxiliary` are trained on alone
    (["all"]: all others). `noise`: folders of recordings without speech, beside the noise that is
    synthesised, for networks that learn to tell it from speech.
    """
    others = {canonical_label(label) for label in auxiliary}
    if "all" in others and labels is None:
        raise DatasetError("--auxiliary all: say with --labels which labels are answered")
    wanted = None if labels is None or "all" in others else {*labels, *others}
    everything = find_clips(data, speaker_pattern)
    clips = selected(everything, wanted, data)
    found = {clip.label for clip in clips}
    answered = found - others if labels is None else {canonical_label(label) for label in labels}
    unknown = (answered | others) - found - {"all"}
    if unknown or len(answered) < 2:
        raise DatasetError(
            f"the labels that occur are {', '.join(sorted(found))}; "
            + (f"not {', '.join(sorted(unknown))}" if unknown else "two or more must be answered")
        )
    dataset = load_clips(everything, answered, found, recipe, cache, noise)
    dataset.notes = (*spellings(clips), *unused_folders(clips), *same_names(clips))
    for what, lines in (("Skipped", dataset.unreadable), ("Duplicate", dataset.duplicates)):
        for line in lines[:MAX_LISTED_CLIPS]:
            say(f"{what}: {line}")
        if len(lines) > MAX_LISTED_CLIPS:
            print(f"{what}: … and {len(lines) - MAX_LISTED_CLIPS:,} more")
    if dataset.unreadable:
        print(f"{len(dataset.unreadable):,} of {len(clips):,} clips cannot be used")
    for corpus in corpora_of(dataset):
        counts = ", ".join(f"{label} {count}" for label, count in corpus["labels"].items())
        say(
            f"{corpus['name']}: {corpus['clips']} clips, {corpus['speakers'] or 'unknown'} "
            f"speakers, {corpus['minutes']} min ({counts})"
        )
    return dataset


def load_clips(
    clips: list[Clip],
    answered: set[str],
    trained: set[str],
    recipe: Recipe,
    cache: Path,
    noise: list[Path],
) -> Dataset:
    """The features of the clips whose label is in `trained`, and of the noise where the network
    learns to tell it from speech; labels that are not in `answered` are auxiliary."""
    dataset = load_dataset(clips, recipe.mfcc_config, cache, recipe.silence, trained)
    dataset.auxiliary = frozenset(trained - answered)
    if recipe.network.speech:
        dataset.noises = noise_features(recipe.mfcc_config, recipe.silence, noise)
    return dataset


def corpora_of(dataset: Dataset) -> list[dict[str, Any]]:
    """A row per corpus, in the order of their names."""
    rows = []
    for corpus in sorted({clip.corpus for clip in dataset.clips}):
        inside = [i for i, clip in enumerate(dataset.clips) if clip.corpus == corpus]
        counts = Counter(dataset.clips[i].label for i in inside)
        rows.append(
            {
                "name": corpus,
                "clips": len(inside),
                "speakers": len({dataset.clips[i].speaker for i in inside} - {None}),
                "minutes": round(sum(dataset.seconds[i] for i in inside) / 60, 1),
                "labels": {label: counts[label] for label in sorted(counts)},
                "licence": LICENCES.get(corpus, "that of the recordings"),
            }
        )
    return rows


def licence_of(dataset: Dataset) -> str:
    """What the corpora impose on the weights."""
    rows = corpora_of(dataset)
    sources = "; ".join(f"{row['name']}: {row['licence']}" for row in rows)
    if any("NC" in row["licence"] for row in rows):
        return (
            "Non-commercial use only: corpora and weights are non-commercial, because the weights "
            f"inherit the restriction of the corpora that they were trained on ({sources})"
        )
    return f"The licences of the recordings apply ({sources})"


def left_out_of(dataset: Dataset) -> str:
    """How many clips were not used, empty where all were."""
    counts = {"unreadable": len(dataset.unreadable), "duplicates": dataset.n_dropped}
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)


def say(line: str) -> None:
    """Print what may hold names of files: one line, whatever they hold."""
    print(printable(line))
