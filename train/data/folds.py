"""Speaker-independent cross-validation folds: lists of indices of the clips to test or validate.

Leave-one-speaker-out is scikit-learn's. The other rules have no equivalent there: `GroupKFold`
balances the folds by their number of clips, which depends on the recordings that happen to be
readable, and none of its splitters stratifies the groups by corpus.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Collection

import numpy as np
from sklearn.model_selection import LeaveOneGroupOut, PredefinedSplit

from edge_runtime.datasets.clip import Clip, DatasetError

from .splits import hold_out

# A corpus needs one speaker each to test, to validate and to train on.
MIN_SPEAKERS = 3
NO_FOLD = -1  # never tested; as in PredefinedSplit


def leave_one_speaker_out(clips: list[Clip]) -> list[list[int]]:
    """Return one fold per speaker, in sorted order.

    Raises:
        DatasetError: If a clip has no speaker, or there are fewer than three speakers.
    """
    counts = _count_speakers(clips)
    _check_n_speakers(counts, MIN_SPEAKERS)
    splitter = LeaveOneGroupOut().split(np.zeros(len(clips)), groups=[c.speaker for c in clips])
    return [test.tolist() for _, test in splitter]


def actor_folds(clips: list[Clip], n_folds: int = 5) -> list[list[int]]:
    """Return `n_folds` folds; the speakers are dealt to them in sorted order, like cards.

    Raises:
        DatasetError: If a clip has no speaker, or there are fewer speakers than folds.
    """
    counts = _count_speakers(clips)
    _check_n_speakers(counts, max(n_folds, MIN_SPEAKERS))
    fold_of = {speaker: k % n_folds for k, speaker in enumerate(sorted(counts))}
    return _predefined([fold_of[str(clip.speaker)] for clip in clips])


def leave_corpus_out(clips: list[Clip]) -> list[list[int]]:
    """Return one fold per corpus of at least three speakers.

    Raises:
        DatasetError: If a clip has no speaker, there is only one corpus, or all are too small.
    """
    _count_speakers(clips)
    speakers = _speakers_of_corpora(clips)
    if len(speakers) < 2:
        raise DatasetError(
            f"leave-corpus-out requires at least two corpora; found {', '.join(speakers) or 'none'}"
        )
    folds = corpus_folds(clips)
    if not folds:
        counts = ", ".join(f"{corpus} {len(names)}" for corpus, names in sorted(speakers.items()))
        raise DatasetError(
            f"leave-corpus-out requires a corpus with at least {MIN_SPEAKERS} speakers; "
            f"the numbers of speakers are {counts}"
        )
    return folds


def corpus_folds(clips: list[Clip]) -> list[list[int]]:
    """Return the clips of each corpus of at least three speakers; none if it is the only corpus."""
    speakers = _speakers_of_corpora(clips)
    if len(speakers) < 2:
        return []
    large = [corpus for corpus in sorted(speakers) if len(speakers[corpus]) >= MIN_SPEAKERS]
    fold_of = {corpus: k for k, corpus in enumerate(large)}
    return _predefined([fold_of.get(clip.corpus, NO_FOLD) for clip in clips])


def inner_folds(
    clips: list[Clip],
    among: list[int],
    n_folds: int,
    seed: int,
    answered: Collection[str] | None = None,
) -> list[list[int]]:
    """Return up to `n_folds` validation folds; the speakers of each corpus are dealt at random.

    Corpora of fewer than three speakers are never validated, unless there are no others.

    Args:
        clips: All clips.
        among: Indices of the clips to divide.
        n_folds: Number of folds. A single one holds out a fifth of the clips with `hold_out`.
        seed: Seed of the order of the speakers.
        answered: Labels that the network predicts. Default: all. Folds without them are dropped.

    Returns:
        The folds; none if no speaker can be held out.
    """
    if n_folds == 1:
        held_out, independent = hold_out(clips, among, 0.2, seed, 1, answered)
        return [held_out] if independent else []
    speakers: dict[str, set[str]] = defaultdict(set)
    for i in among:
        speakers[clips[i].corpus].add(clips[i].speaker or "")
    large = [corpus for corpus in sorted(speakers) if len(speakers[corpus]) >= MIN_SPEAKERS]
    fold_of: dict[tuple[str, str], int] = {}
    for corpus in large or sorted(speakers):
        order = sorted(speakers[corpus])
        random.Random(f"{seed}/{corpus}").shuffle(order)
        first = 0 if large else len(fold_of)  # small corpora share the folds
        fold_of |= {(corpus, speaker): (first + k) % n_folds for k, speaker in enumerate(order)}
    positions = _predefined(
        [fold_of.get((clips[i].corpus, clips[i].speaker or ""), NO_FOLD) for i in among]
    )
    folds = [[among[k] for k in fold] for fold in positions]
    return [
        fold
        for fold in folds
        if len(fold) < len(among)
        and any(answered is None or clips[i].label in answered for i in fold)
    ]


def _predefined(fold_of_clip: list[int]) -> list[list[int]]:
    """Return the folds of an assignment of clips to fold numbers."""
    return [test.tolist() for _, test in PredefinedSplit(fold_of_clip).split()]


def _speakers_of_corpora(clips: list[Clip]) -> dict[str, set[str | None]]:
    speakers: dict[str, set[str | None]] = defaultdict(set)
    for clip in clips:
        speakers[clip.corpus].add(clip.speaker)
    return speakers


def _count_speakers(clips: list[Clip]) -> Counter[str]:
    """Return the number of clips per speaker; raise DatasetError if a speaker is unknown."""
    unknown = [clip for clip in clips if clip.speaker is None]
    if unknown:
        raise DatasetError(
            f"{len(unknown):,} of {len(clips):,} clips have no speaker, such as "
            f"{unknown[0].path}: a speaker-independent protocol requires speakers; use a manifest "
            "with a column speaker, or --speaker-pattern"
        )
    return Counter(str(clip.speaker) for clip in clips)


def _check_n_speakers(counts: Counter[str], required: int) -> None:
    if len(counts) < required:
        few = "1 speaker is" if len(counts) == 1 else f"{len(counts)} speakers are"
        raise DatasetError(
            f"{few} too few for this protocol, which requires {required} to test, validate and "
            "train; "
            + (
                "use --protocol loso, which requires 3"
                if len(counts) >= MIN_SPEAKERS
                else "add speakers, or use `python -m train fit`"
            )
        )
