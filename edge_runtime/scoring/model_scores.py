"""Scores of a model on labelled clips: recalls, calibration, and the effect of profiles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets.clip import Clip, DatasetError
from ..inference.prediction import NO_SPEECH
from .clip_answers import ClipAnswer
from .metrics import scores
from .reliability import reliability
from .uncertainty import bootstrap_uars, confusions_by_unit, interval

if TYPE_CHECKING:
    from ..inference.card import ModelCard
    from ..inference.prediction import Prediction

SCHEMA = 1  # of the JSON


def scorable(
    clips: Sequence[Clip], labels: Sequence[str], split: str | None = None
) -> tuple[list[Clip], dict[str, int]]:
    """Return the clips whose label the model has, and the number of others by label.

    Args:
        clips: The clips.
        labels: Labels of the model.
        split: Return only clips that the data assign to this split.

    Raises:
        DatasetError: If no clip remains.
    """
    chosen = [clip for clip in clips if split in (None, clip.split)]
    if clips and not chosen:
        raise DatasetError(f"no clip is assigned to the split {split!r}")
    result = [clip for clip in chosen if clip.label in labels]
    others = Counter(clip.label for clip in chosen if clip.label not in labels)
    if not result:
        raise DatasetError(
            "no clip has a label of the model; "
            f"the model has {', '.join(labels)}, the data have {', '.join(sorted(others)) or '-'}; "
            "--label-pattern and --label-codes translate labels in file names"
        )
    return result, dict(sorted(others.items()))


def model_scores(
    card: ModelCard, answers: Sequence[ClipAnswer], threshold: float
) -> dict[str, Any]:
    """Score the answers for labelled clips.

    "no speech" counts as an error in UAR, accuracy and recalls. "uncertain" does not: the most
    probable emotion is scored, and `uncertain` gives the share of clips below the threshold.

    Args:
        card: Card of the model.
        answers: The answers; at least one.
        threshold: Confidence below which an answer is uncertain.

    Returns:
        Plain values for JSON.
    """
    labels = list(card.labels)
    clips = [answer.clip for answer in answers]
    known = {clip.speaker for clip in clips} - {None}
    result: dict[str, Any] = {
        "schema": SCHEMA,
        "labels": labels,
        "clips": len(clips),
        "speakers": len(known),
        "clips_of_unknown_speakers": sum(clip.speaker is None for clip in clips),
        "corpora": dict(sorted(Counter(clip.corpus for clip in clips).items())),
        "trained_on": sorted(
            {clip.corpus for clip in clips} & {str(corpus["name"]) for corpus in card.corpora}
        ),
        "labels_without_clips": sorted(set(labels) - {clip.label for clip in clips}),
        "threshold": threshold,
        "scores": _scores(clips, [answer.plain for answer in answers], labels, threshold),
    }
    if len(result["corpora"]) > 1:
        result["by_corpus"] = {
            corpus: _scores(
                [answer.clip for answer in answers if answer.clip.corpus == corpus],
                [answer.plain for answer in answers if answer.clip.corpus == corpus],
                labels,
                threshold,
            )
            for corpus in result["corpora"]
        }
    result["profiles"] = _profile_scores(answers, labels, threshold)
    result["lost"] = [
        {"file": str(answer.clip.path), "label": answer.clip.label, "speaker": answer.clip.speaker}
        for answer in answers
        if answer.plain.label == NO_SPEECH
    ]
    return result


def _scores(
    clips: Sequence[Clip], predictions: Sequence[Prediction], labels: list[str], threshold: float
) -> dict[str, Any]:
    """Score some answers."""
    targets = np.array([labels.index(clip.label) for clip in clips])
    probabilities = np.array([list(answer.probabilities.values()) for answer in predictions])
    rejected = np.array([answer.label == NO_SPEECH for answer in predictions])
    answered = ~rejected
    chosen, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    certain = answered & (confidence >= threshold)
    draws, unit = _draws(clips, predictions, labels)
    calibration = reliability(probabilities[answered], targets[answered])
    return {
        **scores(targets, chosen, labels, rejected),
        "uar_interval": list(interval(draws)),
        "interval_unit": unit,
        "ece": calibration["ece"],
        "reliability": calibration["bins"],
        "no_speech": int(rejected.sum()),
        "no_speech_by_label": {
            label: int(rejected[targets == k].sum())
            for k, label in enumerate(labels)
            if (targets == k).any()
        },
        "uncertain": int((answered & ~certain).sum()),
        "accuracy_of_certain": float((chosen == targets)[certain].mean())
        if certain.any()
        else None,
    }


def _draws(
    clips: Sequence[Clip], predictions: Sequence[Prediction], labels: list[str]
) -> tuple[np.ndarray, str]:
    """Return the UAR of bootstrap draws, and the units that were drawn."""
    targets = np.array([labels.index(clip.label) for clip in clips])
    chosen = np.array(
        [
            len(labels)
            if answer.label == NO_SPEECH
            else int(np.argmax(list(answer.probabilities.values())))
            for answer in predictions
        ]
    )
    speakers = [clip.speaker for clip in clips]
    units, unit = confusions_by_unit(targets, chosen, len(labels), speakers)
    return bootstrap_uars([units]), unit


def _profile_scores(
    answers: Sequence[ClipAnswer], labels: list[str], threshold: float
) -> dict[str, Any] | None:
    """Score the clips that have a profile without and with it; None if no clip has one."""
    pairs = [(a.clip, a.plain, a.profiled) for a in answers if a.profiled is not None]
    if not pairs:
        return None
    clips = [clip for clip, _, _ in pairs]
    plain, profiled = [plain for _, plain, _ in pairs], [profiled for _, _, profiled in pairs]
    without = _scores(clips, plain, labels, threshold)
    with_profile = _scores(clips, profiled, labels, threshold)
    # The draws are paired: both have the same clips.
    differences = _draws(clips, profiled, labels)[0] - _draws(clips, plain, labels)[0]
    return {
        "clips": len(clips),
        "speakers": len({clip.speaker for clip in clips}),
        "without": without,
        "with": with_profile,
        "difference": with_profile["uar"] - without["uar"],
        "difference_interval": list(interval(differences)),
    }
