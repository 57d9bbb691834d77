"""Linear models with labelled clips of the speaker.

Labelled clips move the weights to a MAP estimate around those of the trained model.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from edge_runtime.inference.known_voice import MAX_DEVIATION
from train.clip_statistics import ENROLMENT_SECONDS, SHRINKAGE, ClipStatistics, first_clips
from train.linear_branch import fit, probabilities


def labelled_draw(
    clips: ClipStatistics, speaker: str, n_labelled: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray] | None:
    """Draw labelled clips of a speaker.

    Args:
        clips: The clips.
        speaker: The speaker.
        n_labelled: Clips of each class to draw, at most half of those of the speaker.
        rng: Random generator.

    Returns:
        Rows of the labelled clips and of the others; None if a class has fewer than two clips.
    """
    own = np.flatnonzero(clips.speakers == speaker)
    drawn: list[int] = []
    for target in np.unique(clips.targets):
        rows = rng.permutation(own[clips.targets[own] == target])
        if len(rows) < 2:
            return None
        drawn += list(rows[: min(n_labelled, len(rows) // 2)])
    labelled = np.array(drawn)
    return labelled, np.setdiff1d(own, labelled)


def with_labelled_clips(
    x: np.ndarray,
    clips: ClipStatistics,
    labelled: np.ndarray,
    others: np.ndarray,
    coefficients: np.ndarray,
    strengths: Iterable[float],
    rng: np.random.Generator,
) -> dict[float, np.ndarray]:
    """Predict clips of a speaker with the help of labelled and of unlabelled ones.

    The labelled clips are part of the minute that the mean of the speaker is taken over. The rest
    of the minute is drawn from the other clips; a clip is left out of its own mean.

    Args:
        x: Standardised statistics `(n_clips, n_statistics)`.
        clips: The clips.
        labelled: Rows of the labelled clips.
        others: Rows of the clips to predict.
        coefficients: Coefficients of the model that was trained with means of speakers.
        strengths: Penalties of the distance from `coefficients`.
        rng: Random generator.

    Returns:
        Class probabilities `(len(others), n_classes)` for each strength.
    """
    order = np.concatenate([labelled, rng.permutation(others)])
    minute = first_clips(order, clips.seconds, ENROLMENT_SECONDS)
    minute = np.union1d(minute, labelled)
    total, n_clips = x[minute].sum(axis=0), len(minute)

    def centred(rows: np.ndarray) -> np.ndarray:
        own = np.isin(rows, minute)[:, None]
        mean = (total - np.where(own, x[rows], 0)) / (n_clips - own + SHRINKAGE)
        return np.asarray(np.clip(x[rows] - mean, -MAX_DEVIATION, MAX_DEVIATION))

    inputs, answers = centred(labelled), {}
    for strength in strengths:
        moved = fit(
            inputs,
            clips.targets[labelled],
            np.ones(len(labelled)),
            strength,
            n_classes=coefficients.shape[1],
            prior=coefficients,
        )
        answers[strength] = probabilities(centred(others), moved)
    return answers
