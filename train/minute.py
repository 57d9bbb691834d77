"""A minute of unlabelled speech per unseen speaker: the protocols' side of a profile."""

from __future__ import annotations

import random
from collections import defaultdict

import numpy as np

from .features import Dataset

SECONDS = 60.0


def profiled(
    dataset: Dataset, indices: list[int], mean: np.ndarray, seed: int
) -> list[np.ndarray]:
    """The features of some clips, each adapted to its speaker by a minute of that speaker's clips.

    The minute is drawn at random from the speaker's clips among `indices`, whatever their labels,
    which are not looked at. `mean (n_mfcc,)` is that of the training frames.
    """
    by_speaker: dict[str | None, list[int]] = defaultdict(list)
    for i in indices:
        by_speaker[dataset.clips[i].speaker].append(i)
    own = {}
    for speaker, clips in by_speaker.items():
        order = random.Random(f"{seed}/{speaker}").sample(sorted(clips), len(clips))
        chosen, seconds = [], 0.0
        for i in order:
            if seconds >= SECONDS:
                break
            chosen.append(dataset.frames[i])
            seconds += dataset.seconds[i]
        own[speaker] = np.concatenate(chosen).mean(axis=0)
    return [dataset.frames[i] + (mean - own[dataset.clips[i].speaker]) for i in indices]
