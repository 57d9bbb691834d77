"""A minute of unlabelled speech per unseen speaker: the protocols' side of a profile."""

from __future__ import annotations

import random
from collections import defaultdict

import numpy as np

from edge_runtime import EmotionModel
from edge_runtime.profile import KnownVoice, belief, mean_logits

from .calibration import fit_gain
from .features import Dataset

SECONDS = 60.0


def logits_with_profiles(
    model: EmotionModel, dataset: Dataset, indices: list[int], logits: np.ndarray, seed: int
) -> np.ndarray:
    """The logits `(len(indices), n_labels)` that the model gives these clips, as a profile of each
    speaker, made of a minute, has them read."""
    gain = model.card.profile_gain
    found = logits.copy()
    for rows, minute in _minutes(dataset, indices, seed):
        heard = mean_logits(model, [dataset.frames[indices[row]] for row in minute])
        found[rows] = KnownVoice.of(*heard, gain).read(logits[rows])
    return found


def profile_gain(
    dataset: Dataset, indices: list[int], logits: np.ndarray, targets: np.ndarray,
    temperature: float, seed: int, counted: np.ndarray,
) -> float:
    """`ModelCard.profile_gain`: what makes the answers to validation clips honest where a profile
    of a minute is used; of the rows that are `counted`. 1 where no speaker is known so well.

    The clips that a profile was made of do not count: of those it takes a part of what they say
    themselves, and to make that good is no gain.

    logits: `(len(indices), n_labels)`, of networks that do not know these speakers.
    """
    period = dataset.mfcc.hop_length / dataset.mfcc.sample_rate
    without, beliefs = logits.copy(), np.zeros(len(indices))
    for rows, minute in _minutes(dataset, indices, seed):
        if sum(dataset.seconds[indices[row]] for row in minute) < SECONDS:
            continue
        seconds = np.array([len(dataset.frames[indices[row]]) * period for row in minute])
        mean, heard = np.average(logits[minute], axis=0, weights=seconds), float(seconds.sum())
        others = sorted(set(rows) - set(minute))
        beliefs[others] = belief(heard)
        without[others] = KnownVoice.of(mean, heard, full_gain=1.0).read(logits[others])
    counted = counted & (beliefs > 0)
    if not counted.any():
        return 1.0
    return fit_gain(without[counted] / temperature, beliefs[counted], targets[counted])


def _minutes(
    dataset: Dataset, indices: list[int], seed: int
) -> list[tuple[list[int], list[int]]]:
    """For each speaker that is known: the rows of `indices` that are theirs, and those of a minute
    that is drawn from them at random, whatever their labels, which are not looked at."""
    by_speaker: dict[str, list[int]] = defaultdict(list)
    for row, i in enumerate(indices):
        speaker = dataset.clips[i].speaker
        if speaker is not None:
            by_speaker[speaker].append(row)
    found = []
    for speaker, rows in by_speaker.items():
        in_order = sorted(rows, key=lambda row: indices[row])
        minute, seconds = [], 0.0
        for row in random.Random(f"{seed}/{speaker}").sample(in_order, len(in_order)):
            if seconds >= SECONDS:
                break
            minute.append(row)
            seconds += dataset.seconds[indices[row]]
        found.append((rows, minute))
    return found
