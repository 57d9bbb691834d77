"""The decision "no speech": its threshold, and the clips of speech that it loses."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from scipy.special import expit, logit

from .markdown import markdown_cell

# Probability from which a frame is speech. The value is lowered, down to `MIN_SPEECH_ABOVE`, if it
# would reject more than `MAX_THRESHOLD_LOSS` of the validation clips, or of the training clips of
# any label. At 0.1, a gate passes almost twice the noise that it does at 0.25.
SPEECH_ABOVE, MIN_SPEECH_ABOVE = 0.25, 0.15
MAX_THRESHOLD_LOSS = 0.01
# A model that loses more than this share of the training clips of a label is not exported. Labels
# with fewer clips than `MIN_CLIPS` count only if all of them are lost.
MAX_LOSS = 0.05
MIN_CLIPS = 4

# int8 weights change the speech logit by less than this: by about 0.01.
QUANTIZATION_MARGIN = 0.1

# 70 dB below full scale: the loudest 30 ms of speech are always above.
SPEECH_ABOVE_DBFS = -70.0


def choose_speech_threshold(
    validation: np.ndarray, training: np.ndarray, labels: Sequence[str]
) -> float:
    """Return the probability of speech below which a model answers "no speech".

    Args:
        validation: Probability of speech of clips of speakers that the gate was not trained on,
            `(n_val,)`; may be empty.
        training: Probability of speech of all training clips, `(n_train,)`.
        labels: Label of each training clip.
    """
    label_of = np.array(labels)
    groups = [training[label_of == label] for label in np.unique(label_of)]
    groups += [validation] if len(validation) else []
    lowest = min(np.quantile(group, MAX_THRESHOLD_LOSS, method="lower") for group in groups)
    kept = float(expit(logit(min(lowest, 1 - 1e-6)) - QUANTIZATION_MARGIN))
    return max(MIN_SPEECH_ABOVE, min(SPEECH_ABOVE, math.floor(10_000 * kept) / 10_000))


def is_no_speech(
    speech: np.ndarray,
    peak_dbfs: Sequence[float],
    speech_above: float,
    speech_above_dbfs: float = SPEECH_ABOVE_DBFS,
) -> np.ndarray:
    """Return which clips a model answers with "no speech", bool `(n_clips,)`.

    Args:
        speech: Probability of speech of each clip, `(n_clips,)`.
        peak_dbfs: Level of the loudest 30 ms of each clip in dBFS; empty if not measured.
        speech_above: See `ModelCard`.
        speech_above_dbfs: See `ModelCard`.
    """
    rejected: np.ndarray = np.asarray(speech) < speech_above
    return rejected | (np.asarray(peak_dbfs) < speech_above_dbfs) if len(peak_dbfs) else rejected


def losses_by(groups: Iterable[str], rejected: np.ndarray) -> dict[str, dict[str, int]]:
    """Count the clips that are answered with "no speech", by group.

    Args:
        groups: Group of each clip, such as its label.
        rejected: Which clips are answered with "no speech", bool `(n_clips,)`.

    Returns:
        The numbers of clips and of lost clips of each group, sorted by group.
    """
    names = list(groups)
    lost = Counter(name for name, is_lost in zip(names, rejected) if is_lost)
    return {
        name: {"clips": clips, "lost": lost[name]} for name, clips in sorted(Counter(names).items())
    }


def excessive_losses(losses: dict[str, dict[str, int]]) -> dict[str, dict[str, int]]:
    """Return those of the results of `losses_by` that forbid an export; see `MAX_LOSS`."""
    return {
        name: counts
        for name, counts in losses.items()
        if counts["lost"] == counts["clips"]
        or (counts["clips"] >= MIN_CLIPS and counts["lost"] > MAX_LOSS * counts["clips"])
    }


def no_speech_text(losses: dict[str, dict[str, dict[str, int]]]) -> str:
    """Return a sentence on the lost clips of a training.

    Args:
        losses: Results of `losses_by`: `test`, `train` and `train_by_corpus`.
    """
    return (
        'Clips answered with "no speech", which count as errors: of the test clips '
        f"{losses_text(losses['test'])}; of the training clips {losses_text(losses['train'])}, by "
        f"corpus {losses_text(losses['train_by_corpus'])}"
    )


def gate_text(scores: dict[str, Any]) -> str:
    """Return a sentence on the scores of a speech gate.

    Args:
        scores: Result of `gate.evaluation.gate_scores`.
    """

    def share(parts: Iterable[dict[str, int]], lost: str, total: str) -> str:
        counts = list(parts)
        return _share(sum(part[lost] for part in counts), sum(part[total] for part in counts))

    conditions = [
        ("alone" if condition == "alone" else f"in noise of {condition} dB", by_corpus)
        for condition, by_corpus in sorted(
            scores["lost"].items(), key=lambda item: -float(item[0].replace("alone", "inf"))
        )
    ]
    lost = ", ".join(
        f"{name} {share(by_corpus.values(), 'lost', 'clips')}" for name, by_corpus in conditions
    )
    text = (
        f"Speech gate on test speakers: clips lost {lost}; frames decided as by Silero VAD "
        f"{100 * scores['agreement']:.1f} %"
    )
    if not scores["noise"]:
        return text
    kinds = ", ".join(map(markdown_cell, scores["noise"]))
    passed = share(scores["noise"].values(), "passed", "recordings")
    return (
        f"{text}; recordings of noise with an emotion {passed}. The noise is of kinds that a "
        f"second gate was trained without ({kinds}); these are its scores"
    )


def losses_text(losses: dict[str, dict[str, int]]) -> str:
    """Return the share of lost clips of each group, as text for Markdown.

    Example:
        >>> losses_text({"happy": {"clips": 50, "lost": 2}, "sad": {"clips": 4, "lost": 0}})
        'happy 4.0 % (2 of 50), sad 0'
    """
    return ", ".join(
        f"{markdown_cell(name)} {_share(counts['lost'], counts['clips'])}"
        for name, counts in losses.items()
    )


def _share(lost: int, clips: int) -> str:
    return f"{100 * lost / clips:.1f} % ({lost} of {clips})" if lost else "0"
