"""Speaker enrolment and adaptation on held-out speakers.

Evaluates speaker profiles and `listen --adapt` with unlabelled speech of unseen speakers, and fits
the gain of profiles.
"""

from __future__ import annotations

import random
from collections import defaultdict

import numpy as np

from edge_runtime.inference.adaptation import SpeakerAdaptation
from edge_runtime.inference.known_voice import SpeakerBias, SpeakerStatistics, map_weight
from edge_runtime.inference.network import Network

from .calibration import fit_gain
from .data.features import Dataset

ENROLMENT_SECONDS = 60.0


def logits_with_profiles(
    network: Network, dataset: Dataset, indices: list[int], logits: np.ndarray, seed: int
) -> np.ndarray:
    """Correct the logits of each clip with a profile of its speaker.

    The profile is made of a minute of the speaker's other clips. A network with statistics is run
    again with the mean of their statistics.

    Args:
        network: The network that computed the logits.
        dataset: The dataset of the clips.
        indices: The clips.
        logits: Logits of these clips, `(len(indices), n_labels)`.
        seed: Seed of the order of a speaker's clips.

    Returns:
        Corrected logits `(len(indices), n_labels)`.
    """
    if network.card.statistics is not None:
        return _with_speaker_statistics(network, dataset, indices, logits, seed, adapt=False)
    gain = network.card.profile_gain
    corrected = logits.copy()
    for order in _shuffled_rows_by_speaker(dataset, indices, seed):
        clip_logits: dict[int, tuple[np.ndarray, float]] = {}  # logits, seconds of speech
        for row in order:
            enrolment = _enrolment_rows(
                dataset, indices, [other for other in order if other != row]
            )
            for other in enrolment:
                if other not in clip_logits:
                    clip_logits[other] = _logits_and_seconds(network, dataset, indices[other])
            all_logits, seconds = (
                zip(*(clip_logits[other] for other in enrolment)) if enrolment else ((), ())
            )
            if sum(seconds):
                mean = np.average(all_logits, axis=0, weights=seconds)
                bias = SpeakerBias.estimate(mean, sum(seconds), gain)
                corrected[row] = bias.correct(logits[row])
    return corrected


def _logits_and_seconds(network: Network, dataset: Dataset, i: int) -> tuple[np.ndarray, float]:
    """Return the logits of a clip, and its seconds of speech."""
    frames = dataset.frames[i]
    is_speech = network.clip_speech(dataset.rows[i]) >= network.card.speech_above
    seconds = len(frames) * network.card.mfcc_config.frame_period
    return network.run(frames).logits, seconds if is_speech else 0.0


def logits_with_adaptation(
    network: Network, dataset: Dataset, indices: list[int], logits: np.ndarray, seed: int
) -> np.ndarray:
    """Correct the logits of each clip as `listen --adapt` does.

    The clips of each speaker are processed one after the other in random order; adaptation starts
    anew with each speaker.

    Args:
        network: The network that computed the logits.
        dataset: The dataset of the clips.
        indices: The clips.
        logits: Logits of these clips, `(len(indices), n_labels)`.
        seed: Seed of the order of a speaker's clips.

    Returns:
        Corrected logits `(len(indices), n_labels)`.
    """
    if network.card.statistics is not None:
        return _with_speaker_statistics(network, dataset, indices, logits, seed, adapt=True)
    period = dataset.mfcc_config.frame_period
    corrected = logits.copy()
    for order in _shuffled_rows_by_speaker(dataset, indices, seed):
        adaptation = SpeakerAdaptation(logits.shape[1], network.card.profile_gain)
        no_embedding = np.empty(0)  # a model without clip statistics does not need it
        for row in order:
            corrected[row] = adaptation.voice().correct(logits[row], no_embedding)
            adaptation.update(logits[row], len(dataset.frames[indices[row]]) * period)
    return corrected


def _with_speaker_statistics(
    network: Network,
    dataset: Dataset,
    indices: list[int],
    logits: np.ndarray,
    seed: int,
    *,
    adapt: bool,
) -> np.ndarray:
    """Return the logits of a network with statistics for known speakers.

    Args:
        network: The network.
        dataset: The dataset of the clips, with statistics.
        indices: The clips.
        logits: Their logits for unknown speakers, `(len(indices), n_labels)`.
        seed: Seed of the order of a speaker's clips.
        adapt: Describe the speaker by the clips before each clip, not by a minute of others.
    """
    assert network.card.statistics is not None and dataset.statistics is not None
    frames = [dataset.frames[i] for i in indices]
    statistics = dataset.statistics[indices]
    outputs = [network.run(clip, statistics=row) for clip, row in zip(frames, statistics)]
    z = np.stack([output.embedding[-len(network.card.statistics) :] for output in outputs])
    speech = np.array([network.clip_speech(dataset.rows[i]) for i in indices])
    is_speech = speech >= network.card.speech_above
    seconds = np.array([dataset.seconds[i] for i in indices]) * is_speech
    corrected = logits.copy()
    for order in _shuffled_rows_by_speaker(dataset, indices, seed):
        for k, row in enumerate(order):
            others = order[:k] if adapt else [other for other in order if other != row]
            rows = others if adapt else _enrolment_rows(dataset, indices, others)
            total = float(seconds[rows].sum())
            if total:
                mean = np.average(z[rows], axis=0, weights=seconds[rows])
                voice = SpeakerStatistics.estimate(mean, total)
                corrected[row] = network.run(
                    frames[row], statistics=statistics[row], speaker=voice
                ).logits
    return corrected


def fit_profile_gain(
    dataset: Dataset,
    indices: list[int],
    logits: np.ndarray,
    targets: np.ndarray,
    temperature: float,
    seed: int,
    counted: np.ndarray,
) -> float:
    """Fit `ModelCard.profile_gain`, which calibrates the answers of speakers with a profile.

    Clips that a profile is made of do not count: the profile subtracts a part of their own logits,
    and compensating for that would not be a gain.

    Args:
        dataset: The dataset of the validation clips.
        indices: The validation clips.
        logits: `(len(indices), n_labels)`, from networks not trained on these speakers.
        targets: Class indices `(len(indices),)`.
        temperature: Temperature for unknown speakers.
        seed: Seed of the order of a speaker's clips.
        counted: Clips to fit on, bool `(len(indices),)`.

    Returns:
        The gain; 1 if no speaker has a minute of speech and further clips.
    """
    period = dataset.mfcc_config.frame_period
    unbiased, map_weights = logits.copy(), np.zeros(len(indices))
    for order in _shuffled_rows_by_speaker(dataset, indices, seed):
        enrolment = _enrolment_rows(dataset, indices, order)
        if sum(dataset.seconds[indices[row]] for row in enrolment) < ENROLMENT_SECONDS:
            continue
        seconds = np.array([len(dataset.frames[indices[row]]) * period for row in enrolment])
        mean, total = np.average(logits[enrolment], axis=0, weights=seconds), float(seconds.sum())
        others = sorted(set(order) - set(enrolment))
        map_weights[others] = map_weight(total)
        unbiased[others] = SpeakerBias.estimate(mean, total, full_gain=1.0).correct(logits[others])
    counted = counted & (map_weights > 0)
    if not counted.any():
        return 1.0
    return fit_gain(unbiased[counted] / temperature, map_weights[counted], targets[counted])


def _shuffled_rows_by_speaker(dataset: Dataset, indices: list[int], seed: int) -> list[list[int]]:
    """Return the rows of `indices` of each known speaker, in random order; labels are ignored."""
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


def _enrolment_rows(dataset: Dataset, indices: list[int], order: list[int]) -> list[int]:
    """Return the first of these rows that make up a minute, or all of them."""
    enrolment, seconds = [], 0.0
    for row in order:
        if seconds >= ENROLMENT_SECONDS:
            break
        enrolment.append(row)
        seconds += dataset.seconds[indices[row]]
    return enrolment
