"""Bootstrap intervals of the UAR over draws of speakers.

Speakers are the units, because a new user is a new speaker.
Efron 1979, https://doi.org/10.1214/aos/1176344552
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

N_BOOTSTRAP = 2000
MIN_SPEAKERS = 3  # with fewer, clips are the units


def recalls(confusion: np.ndarray) -> np.ndarray:
    """Return the recall of each label, NaN if it has no clip.

    Args:
        confusion: Confusion matrices `(…, n_labels, n_answers)`, whose rows are the truth.
    """
    with np.errstate(invalid="ignore"):
        shares: np.ndarray = np.diagonal(confusion, axis1=-2, axis2=-1) / confusion.sum(axis=-1)
    return shares


def uar_of(confusion: np.ndarray) -> float:
    """Return the mean recall of the labels that occur in a confusion matrix."""
    return float(np.nanmean(recalls(confusion)))


def confusions_by_unit(
    targets: np.ndarray, answers: np.ndarray, n_labels: int, speakers: Sequence[str | None]
) -> tuple[np.ndarray, str]:
    """Return confusion matrices of the units that a bootstrap draws, and the name of the units.

    Args:
        targets: Class indices `(n_clips,)`.
        answers: Class indices `(n_clips,)`; `n_labels` stands for "no speech".
        n_labels: Number of labels.
        speakers: Speaker of each clip, or None.

    Returns:
        Matrices `(n_units, n_labels, n_labels + 1)`, and "speakers" or "clips". The units are clips
        if a speaker is unknown or there are fewer than `MIN_SPEAKERS`.
    """
    by_speaker = None not in speakers and len(set(speakers)) >= MIN_SPEAKERS
    names: Sequence[object] = speakers if by_speaker else range(len(targets))
    row_of = {name: row for row, name in enumerate(dict.fromkeys(names))}
    counts = np.zeros((len(row_of), n_labels, n_labels + 1))
    for name, target, answer in zip(names, targets, answers):
        counts[row_of[name], target, answer] += 1
    return counts, "speakers" if by_speaker else "clips"


def bootstrap_uars(corpora: Sequence[np.ndarray]) -> np.ndarray:
    """Return the mean UAR of corpora for draws of units with replacement, within their corpus.

    Draws without any unit of a label are excluded: their UAR would average over fewer classes. The
    draws are the same in every call, so that those of two models on the same clips are paired.

    Args:
        corpora: Confusion matrices `(n_units, n_labels, n_answers)` of each corpus.

    Returns:
        `(n_draws,)`; the UAR itself if no draw has all labels.
    """
    rng = np.random.default_rng(0)
    uars, complete = np.zeros(N_BOOTSTRAP), np.ones(N_BOOTSTRAP, bool)
    for counts in corpora:
        n = len(counts)
        draws = rng.integers(n, size=(N_BOOTSTRAP, n))
        times_drawn = np.stack([np.bincount(draw, minlength=n) for draw in draws])
        # (draws, n_labels, n_answers)
        drawn = (times_drawn @ counts.reshape(n, -1)).reshape(-1, *counts.shape[1:])
        present = drawn.sum(axis=2) > 0
        complete &= (present == (counts.sum(axis=(0, 2)) > 0)).all(axis=1)
        uars += np.nanmean(recalls(drawn), axis=-1) / len(corpora)
    if not complete.any():
        return np.array([np.mean([uar_of(counts.sum(axis=0)) for counts in corpora])])
    return uars[complete]


def interval(values: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of bootstrap draws `(n_draws,)`."""
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
