"""Random subsets of recordings to measure a model on."""

from __future__ import annotations

import random
from collections.abc import Collection
from pathlib import Path

from edge_runtime.datasets.clip import Clip
from edge_runtime.datasets.corpora import scan


def sample_clips(
    folders: list[Path], labels: Collection[str], count: int, rng: random.Random
) -> list[Clip]:
    """Return up to `count` random clips of the folders that have one of the labels."""
    clips = [clip for clip in scan(folders) if clip.label in labels]
    return rng.sample(clips, min(count, len(clips)))
