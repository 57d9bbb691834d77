"""The recordings that a model is measured by."""

from __future__ import annotations

import random
from collections.abc import Collection
from pathlib import Path

from train.data.clip import Clip
from train.data.corpora import scan


def drawn(
    folders: list[Path], labels: Collection[str], count: int, rng: random.Random
) -> list[Clip]:
    """Up to `count` of the recordings in the folders that have one of the labels."""
    found = [clip for clip in scan(folders) if clip.label in labels]
    return rng.sample(found, min(count, len(found)))
