"""A minute of unlabelled speech per unseen speaker: the protocols' side of a profile."""

from __future__ import annotations

import random
from collections import defaultdict

import numpy as np

from edge_runtime import EmotionModel
from edge_runtime.profile import bias_of, mean_logits

from .features import Dataset

SECONDS = 60.0


def biases(
    model: EmotionModel, dataset: Dataset, indices: list[int], seed: int
) -> np.ndarray:
    """What a profile of its speaker takes off the logits of each clip, `(len(indices), n_labels)`.

    Each profile is made of a minute that is drawn at random from the speaker's clips among
    `indices`, whatever their labels, which are not looked at.
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
        own[speaker] = bias_of(*mean_logits(model, chosen))
    return np.stack([own[dataset.clips[i].speaker] for i in indices])
