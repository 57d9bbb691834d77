"""Report of a dataset before anything is trained on it."""

from __future__ import annotations

import logging
from collections import Counter

from edge_runtime.messages import printable

from .data.features import Dataset
from .data.splits import SPEAKER_INDEPENDENT
from .dataset import DatasetSpec, left_out_summary, open_dataset
from .markdown import markdown_cell, markdown_table
from .pipeline import partition_clips
from .recipes import DEFAULT_RECIPE
from .run_report import Partition

_LOGGER = logging.getLogger(__name__)

N_EXAMPLES = 5  # clips with what was read from their paths
MIN_CLIPS = 20  # of a label; fewer are reported


def print_scan(spec: DatasetSpec, *, inner: int, seed: int) -> None:
    """Print what the recordings contain, how they would be split, and problems.

    Args:
        spec: The recordings.
        inner: Number of cross-validation folds of the training.
        seed: Seed of the split.

    Raises:
        DatasetError: If the recordings cannot be trained on.
    """
    # Without a speech output, so that no noise is synthesised. The clips do not depend on it.
    recipe = DEFAULT_RECIPE.with_settings(["speech=false", f"seed={seed}"])
    dataset = open_dataset(spec, recipe)
    partition = partition_clips(dataset, inner, seed)
    _print_examples(dataset)
    _LOGGER.info("%s", f"\n{_label_table(dataset, partition)}")
    _LOGGER.info(f"\nSplit: {partition.kind}")
    _LOGGER.info("%s", f"\n{_split_table(dataset, partition)}\n")
    problems = _problems(dataset, partition)
    for problem in problems:
        _LOGGER.info("%s", printable(f"Problem: {problem}"))
    _LOGGER.info(
        f"Can be trained on, with {len(problems)} problem{'s' * (len(problems) > 1)}"
        if problems
        else "Can be trained on; no problem was found"
    )


def _print_examples(dataset: Dataset) -> None:
    """Print a few clips from all over the dataset, and what was read from each."""
    clips = dataset.clips
    _LOGGER.info("\nRead from the paths, for example:")
    for clip in clips[:: max(1, len(clips) // N_EXAMPLES)][:N_EXAMPLES]:
        content = f"label {clip.label}, speaker {clip.speaker or 'unknown'}"
        _LOGGER.info("%s", printable(f"  {clip.path}: {content}"))


def _label_table(dataset: Dataset, partition: Partition) -> str:
    test = set(partition.test)
    rows = []
    for label in dataset.classes:
        indices = [i for i, clip in enumerate(dataset.clips) if clip.label == label]
        speakers = {dataset.clips[i].speaker for i in indices} - {None}
        auxiliary = " (auxiliary)" if label in dataset.auxiliary else ""
        rows.append(
            [
                markdown_cell(label) + auxiliary,
                f"{len(indices):,}",
                str(len(speakers) or "unknown"),
                f"{sum(dataset.seconds[i] for i in indices) / 60:.1f}",
                f"{len(test.intersection(indices)):,}",
            ]
        )
    return markdown_table(["label", "clips", "speakers", "minutes", "tested"], rows, "lrrrr")


def _split_table(dataset: Dataset, partition: Partition) -> str:
    folds = partition.folds
    title = "validate on" if len(folds) == 1 else "validate on, fold {}"
    parts = [
        ("train on (with those to validate on)", partition.train),
        *((title.format(k + 1), fold) for k, fold in enumerate(folds)),
        ("test", partition.test),
    ]
    rows = []
    for name, indices in parts:
        speakers = {dataset.clips[i].speaker for i in indices} - {None}
        minutes = sum(dataset.seconds[i] for i in indices) / 60
        rows.append([name, f"{len(indices):,}", str(len(speakers) or "unknown"), f"{minutes:.1f}"])
    return markdown_table(["part", "clips", "speakers", "minutes"], rows, "lrrr")


def _problems(dataset: Dataset, partition: Partition) -> list[str]:
    """Return what lowers the quality of a training, or of its score, one line each."""
    problems = list(partition.notes)
    left_out = left_out_summary(dataset)
    if left_out:
        problems.append(f"left out: {left_out}; see above")
    counts = Counter(clip.label for clip in dataset.clips)
    few = [label for label in dataset.labels if counts[label] < MIN_CLIPS]
    if few:
        listed = ", ".join(f"{label} ({counts[label]})" for label in few)
        problems.append(f"fewer than {MIN_CLIPS} clips of {listed}: the answers will be unreliable")
    speakers = {clip.speaker for clip in dataset.clips} - {None}
    if partition.kind == SPEAKER_INDEPENDENT and len(speakers) < 5:
        problems.append(
            f"only {len(speakers)} speakers: the score depends on the few who are tested"
        )
    return problems
