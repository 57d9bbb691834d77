"""Unlabelled speech of unseen speakers: the protocols' side of profiles and `listen --adapt`."""

from __future__ import annotations

import random
from collections import defaultdict

import numpy as np

from edge_runtime.inference.adaptation import SpeakerAdaptation
from edge_runtime.inference.known_voice import SpeakerBias, map_weight
from edge_runtime.inference.network import Network
from edge_runtime.inference.profile import mean_logits

from .calibration import fit_gain
from .data.features import Dataset

ENROLMENT_SECONDS = 60.0


def logits_with_profiles(
    model: Network, dataset: Dataset, indices: list[int], logits: np.ndarray, seed: int
) -> np.ndarray:
    """The logits `(len(indices), n_labels)` that the model gives these clips, as a profile of each
    speaker, made of a minute of the speaker's other clips, has them read."""
    gain = model.card.profile_gain
    found = logits.copy()
    for order in _in_random_order(dataset, indices, seed):
        of_clip: dict[int, tuple[np.ndarray, float]] = {}  # mean logits, seconds of speech
        for row in order:
            minute = _minute(dataset, indices, [other for other in order if other != row])
            for other in minute:
                if other not in of_clip:
                    of_clip[other] = mean_logits(model, [dataset.frames[indices[other]]])
            means, seconds = zip(*(of_clip[other] for other in minute)) if minute else ((), ())
            if sum(seconds):
                mean = np.average(means, axis=0, weights=seconds)
                found[row] = SpeakerBias.estimate(mean, sum(seconds), gain).correct(logits[row])
    return found


def logits_adapting(
    model: Network, dataset: Dataset, indices: list[int], logits: np.ndarray, seed: int
) -> np.ndarray:
    """The logits `(len(indices), n_labels)` that `listen --adapt` would give these clips if it
    heard all of a speaker one after the other, in a random order, beginning anew with each."""
    period = dataset.mfcc_config.frame_period
    found = logits.copy()
    for order in _in_random_order(dataset, indices, seed):
        adaptation = SpeakerAdaptation(logits.shape[1], model.card.profile_gain)
        for row in order:
            found[row] = adaptation.bias().correct(logits[row])
            adaptation.update(logits[row], len(dataset.frames[indices[row]]) * period)
    return found


def profile_gain(
    dataset: Dataset,
    indices: list[int],
    logits: np.ndarray,
    targets: np.ndarray,
    temperature: float,
    seed: int,
    counted: np.ndarray,
) -> float:
    """`ModelCard.profile_gain`: what makes the answers to validation clips honest where a profile
    of a minute is used; of the rows that are `counted`. 1 where no speaker is known so well.

    The clips that a profile was made of do not count: of those it takes a part of what they say
    themselves, and to make that good is no gain.

    logits: `(len(indices), n_labels)`, of networks that do not know these speakers.
    """
    period = dataset.mfcc_config.frame_period
    without, beliefs = logits.copy(), np.zeros(len(indices))
    for order in _in_random_order(dataset, indices, seed):
        minute = _minute(dataset, indices, order)
        if sum(dataset.seconds[indices[row]] for row in minute) < ENROLMENT_SECONDS:
            continue
        seconds = np.array([len(dataset.frames[indices[row]]) * period for row in minute])
        mean, heard = np.average(logits[minute], axis=0, weights=seconds), float(seconds.sum())
        others = sorted(set(order) - set(minute))
        beliefs[others] = map_weight(heard)
        without[others] = SpeakerBias.estimate(mean, heard, full_gain=1.0).correct(logits[others])
    counted = counted & (beliefs > 0)
    if not counted.any():
        return 1.0
    return fit_gain(without[counted] / temperature, beliefs[counted], targets[counted])


def _in_random_order(dataset: Dataset, indices: list[int], seed: int) -> list[list[int]]:
    """For each speaker that is known, the rows of `indices` that are theirs, whatever their labels,
    which are not looked at."""
    by_speaker: dict[str, list[int]] = defaultdict(list)
    for row, i in enumerate(indices):
        speaker = dataset.clips[i].speaker
        if speaker is not None:
            by_speaker[speaker].append(row)
    return [
        random.Random(f"{seed}/{speaker}").sample(
            sorted(rows, key=lambda row: indices[row]), len(rows)
        )
        for speaker, rows in by_speaker.items()
    ]


def _minute(dataset: Dataset, indices: list[int], order: list[int]) -> list[int]:
    """The first of these rows whose clips make a minute, or all."""
    minute, seconds = [], 0.0
    for row in order:
        if seconds >= ENROLMENT_SECONDS:
            break
        minute.append(row)
        seconds += dataset.seconds[indices[row]]
    return minute
