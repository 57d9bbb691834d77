"""Load a dataset: scan the folders, compute features, report what was found."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_runtime.datasets.clip import Clip, DatasetError, canonical_label
from edge_runtime.datasets.corpora import (
    find_clips,
    same_names,
    selected,
    spellings,
    unused_folders,
)
from edge_runtime.datasets.naming_schemes import LICENCES
from edge_runtime.datasets.patterns import parse_codes
from edge_runtime.messages import printable

from .data.features import Dataset, load_dataset
from .data.noise import noise_features
from .recipes import Recipe

_LOGGER = logging.getLogger(__name__)

MAX_LISTED_CLIPS = 20  # lines per reason for leaving out a clip; report.json lists all

FEATURE_CACHE = Path(".cache/features")


@dataclass(frozen=True)
class DatasetSpec:
    """The recordings of a training and how to read them.

    Attributes:
        data: Folders of recordings, or manifests.
        labels: Labels that the network answers. Default: all that occur, without the auxiliary
            ones.
        auxiliary: Labels that are trained on but never answered; "all" means all others.
        speaker_pattern: Regular expression over the path whose first group is the speaker.
        label_pattern: Regular expression over the path whose first group is the label or its code.
        label_codes: Labels of the codes, as `CODE=label,…`.
        noise: Folders of recordings without speech, in addition to synthesised noise.
        cache: Folder of cached features.
    """

    data: tuple[Path, ...]
    labels: tuple[str, ...] | None = None
    auxiliary: tuple[str, ...] = ()
    speaker_pattern: str | None = None
    noise: tuple[Path, ...] = ()
    cache: Path = FEATURE_CACHE
    label_pattern: str | None = None
    label_codes: str | None = None


def open_dataset(spec: DatasetSpec, recipe: Recipe) -> Dataset:
    """Scan the recordings, compute their features, and log what was found and left out.

    Raises:
        DatasetError: If the labels do not occur, or fewer than two can be answered.
    """
    auxiliary = {canonical_label(label) for label in spec.auxiliary}
    if "all" in auxiliary and spec.labels is None:
        raise DatasetError("--auxiliary all requires --labels, the labels to answer")
    all_others = spec.labels is None or "all" in auxiliary
    requested = None if all_others else {*(spec.labels or ()), *auxiliary}
    codes = None if spec.label_codes is None else parse_codes(spec.label_codes)
    scanned = find_clips(list(spec.data), spec.speaker_pattern, spec.label_pattern, codes)
    clips = selected(scanned, requested, list(spec.data))
    present = {clip.label for clip in clips}
    answered = (
        present - auxiliary
        if spec.labels is None
        else {canonical_label(label) for label in spec.labels}
    )
    missing = (answered | auxiliary) - present - {"all"}
    if missing or len(answered) < 2:
        raise DatasetError(
            (
                f"labels not found: {', '.join(sorted(missing))}"
                if missing
                else f"{len(answered)} label to answer; at least two are required"
            )
            + f"; the labels in the data are {', '.join(sorted(present))}"
        )
    dataset = load_clips(scanned, answered, present, recipe, spec)
    dataset.notes = (*spellings(clips), *unused_folders(clips), *same_names(clips))
    _log_summary(dataset, len(clips))
    return dataset


def load_clips(
    clips: list[Clip], answered: set[str], trained: set[str], recipe: Recipe, spec: DatasetSpec
) -> Dataset:
    """Compute the features of clips, and of noise if the recipe adds noise to clips.

    Args:
        clips: All scanned clips.
        answered: Labels that the network answers.
        trained: Labels to train on; those that are not in `answered` are auxiliary.
        recipe: Its front end computes the features.
        spec: Its cache and noise are used.
    """
    dataset = load_dataset(
        clips,
        recipe.mfcc_config,
        spec.cache,
        recipe.silence,
        trained,
        with_statistics=recipe.statistics is not None,
        n_copies=0 if recipe.statistics is None else recipe.statistics.n_copies,
    )
    dataset.auxiliary = frozenset(trained - answered)
    if recipe.fit.augment.noise:
        dataset.noises = noise_features(recipe.mfcc_config, recipe.silence, list(spec.noise))
    return dataset


def _log_summary(dataset: Dataset, n_scanned: int) -> None:
    """Log the clips that were left out and a line per corpus."""
    for reason, lines in (("Skipped", dataset.unreadable), ("Duplicate", dataset.duplicates)):
        for line in lines[:MAX_LISTED_CLIPS]:
            _LOGGER.info("%s", printable(f"{reason}: {line}"))
        if len(lines) > MAX_LISTED_CLIPS:
            _LOGGER.info("%s: … and %s more", reason, f"{len(lines) - MAX_LISTED_CLIPS:,}")
    if dataset.unreadable:
        _LOGGER.info(f"{len(dataset.unreadable):,} of {n_scanned:,} clips cannot be used")
    for corpus in corpus_summaries(dataset):
        counts = ", ".join(f"{label} {count}" for label, count in corpus["labels"].items())
        line = (
            f"{corpus['name']}: {corpus['clips']} clips, {corpus['speakers'] or 'unknown'} "
            f"speakers, {corpus['minutes']} min ({counts})"
        )
        _LOGGER.info("%s", printable(line))


def corpus_summaries(dataset: Dataset) -> list[dict[str, Any]]:
    """Return the size, labels and licence of each corpus, sorted by name."""
    rows = []
    for corpus in sorted({clip.corpus for clip in dataset.clips}):
        indices = [i for i, clip in enumerate(dataset.clips) if clip.corpus == corpus]
        counts = Counter(dataset.clips[i].label for i in indices)
        rows.append(
            {
                "name": corpus,
                "clips": len(indices),
                "speakers": len({dataset.clips[i].speaker for i in indices} - {None}),
                "minutes": round(sum(dataset.seconds[i] for i in indices) / 60, 1),
                "labels": {label: counts[label] for label in sorted(counts)},
                "licence": LICENCES.get(corpus, "that of the recordings"),
            }
        )
    return rows


def weights_licence(dataset: Dataset) -> str:
    """Return the restrictions that the corpora impose on the weights."""
    rows = corpus_summaries(dataset)
    sources = "; ".join(f"{row['name']}: {row['licence']}" for row in rows)
    if any("NC" in row["licence"] or "research" in row["licence"] for row in rows):
        return (
            "Non-commercial use only: corpora and weights are non-commercial, because the weights "
            f"inherit the restriction of the corpora that they were trained on ({sources})"
        )
    return f"The licences of the recordings apply ({sources})"


def left_out_summary(dataset: Dataset) -> str:
    """Return the number of unreadable and duplicate clips as text, or "" for no such clip."""
    counts = {"unreadable": len(dataset.unreadable), "duplicates": dataset.n_dropped}
    return ", ".join(f"{count:,} {reason}" for reason, count in counts.items() if count)
