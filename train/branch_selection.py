"""Fitting and calibration of the linear branch after the training of the LSTM.

The branch is fitted on all training clips. Its temperatures, one for unknown and one for known
speakers, are fitted on held-out predictions: those for corpora that are left out in turn if there
are two or more of at least three speakers, otherwise those of the validation folds. The LSTM's
logits of these clips come from the network of the validation fold that the speaker is part of. That
network was trained on other speakers of the same corpus, so that the logits are better than for an
unseen corpus. If no clip of these corpora was validated, the branch alone counts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import softmax
from sklearn.metrics import roc_auc_score

from edge_runtime.inference.known_voice import HALF_KNOWN_SECONDS, MAX_DEVIATION
from edge_runtime.scoring.metrics import scores
from edge_runtime.scoring.reliability import reliability

from .arousal import arousal, fit_arousal
from .calibration import fit_temperature
from .clip_statistics import ENROLMENT_SECONDS, ClipStatistics, enrolment_minutes, speaker_offsets
from .data.features import Dataset
from .fit import FitResult
from .linear_branch import MIN_SPEAKERS, LinearBranch, fit_branch
from .network import EmotionLSTM
from .predict import predict
from .statistics_config import StatisticsConfig

MIN_CORPORA = 2  # that are left out in turn


def clip_statistics(data: Dataset, indices: Sequence[int]) -> ClipStatistics:
    """Return the statistics of clips; a clip of an unknown speaker has a speaker of its own."""
    assert data.statistics is not None
    clips = [data.clips[i] for i in indices]
    return ClipStatistics(
        data.statistics[list(indices)].astype(np.float64),
        np.array([data.labels.index(clip.label) for clip in clips]),
        np.array([clip.corpus for clip in clips]),
        np.array([clip.speaker or f"?{i}" for i, clip in zip(indices, clips)]),
        np.array([data.seconds[i] for i in indices]),
        None if data.degraded is None else data.degraded[list(indices)].astype(np.float64),
    )


def centred_statistics(
    z: np.ndarray, clips: ClipStatistics, minutes: list[np.ndarray]
) -> np.ndarray:
    """Return standardised statistics without the means of the speakers."""
    centred = z - speaker_offsets(z, minutes, clips.seconds)
    return np.asarray(np.clip(centred, -MAX_DEVIATION, MAX_DEVIATION))


class _HeldOut(NamedTuple):
    """Predictions for clips that the branch was not fitted on.

    Attributes:
        rows: Rows of the clips.
        unknown: Logits for unknown speakers `(len(rows), n_classes)`.
        known: Logits for known speakers, as `unknown`.
        counted: Clips whose class was trained on, bool `(len(rows),)`.
    """

    rows: np.ndarray
    unknown: np.ndarray
    known: np.ndarray
    counted: np.ndarray


class _BranchFitting:
    """The fits of one training.

    Args:
        data: The dataset.
        indices: The clips to fit on; their labels are those that the network predicts.
        network_logits: Logits of the LSTM for each of these clips, from networks that were not
            trained on its speaker `(len(indices), n_classes)`; NaN for clips without logits.
        config: The settings.
        seed: Seed of the order of a speaker's clips.
    """

    def __init__(
        self,
        data: Dataset,
        indices: Sequence[int],
        network_logits: np.ndarray,
        config: StatisticsConfig,
        seed: int,
    ) -> None:
        self.clips = clip_statistics(data, indices)
        self.labels = data.labels
        self.network_logits = network_logits
        self.is_validated = np.isfinite(network_logits).all(axis=1)
        self.minutes = enrolment_minutes(self.clips, seed)
        self.has_minute = np.array([len(minute) > 0 for minute in self.minutes])
        self._config = config

    def fit(self, train: np.ndarray) -> LinearBranch:
        """Fit a branch on the clips `train`, bool `(n_clips,)`."""
        return fit_branch(self.clips, train, self.minutes, self._config, len(self.labels))

    def left_out_corpora(self) -> list[np.ndarray]:
        """Return the clips of each corpus to leave out, bool `(n_clips,)`; none if too few."""
        corpora, speakers = self.clips.corpora, self.clips.speakers
        masks = [corpora == corpus for corpus in np.unique(corpora)]
        large = [mask for mask in masks if len(np.unique(speakers[mask])) >= MIN_SPEAKERS]
        return large if len(large) >= MIN_CORPORA else []

    def held_out(
        self, branches: Sequence[tuple[np.ndarray, LinearBranch]], with_network: bool
    ) -> _HeldOut:
        """Predict clips with branches that were fitted on others.

        Args:
            branches: Clips, bool `(n_clips,)`, and the branch that was fitted without them.
            with_network: Add the logits of the LSTM, and leave out clips without them.
        """
        parts = []
        for mask, branch in branches:
            rows = np.flatnonzero(mask & self.is_validated if with_network else mask)
            z = branch.standardise(self.clips.values)
            centred = centred_statistics(z, self.clips, self.minutes)[rows]
            logits = self.network_logits[rows] if with_network else 0.0
            trained = np.unique(self.clips.targets[~mask])
            parts.append(
                _HeldOut(
                    rows,
                    branch.unknown.logits(z[rows], logits),
                    branch.known.logits(centred, logits),
                    np.isin(self.clips.targets[rows], trained),
                )
            )
        return _HeldOut(*(np.concatenate(values) for values in zip(*parts)))

    def degraded_logits(self, branches: Sequence[tuple[np.ndarray, LinearBranch]]) -> np.ndarray:
        """Return the logits of the first degraded copy of clips, as of unknown speakers.

        Args:
            branches: See `held_out`, whose order the clips have.
        """
        assert self.clips.degraded is not None
        copies = self.clips.degraded[:, 0]
        return np.concatenate(
            [branch.unknown.logits(branch.standardise(copies[mask])) for mask, branch in branches]
        )

    def temperatures(self, held_out: _HeldOut) -> tuple[float, float]:
        """Fit the temperatures for unknown and for known speakers; corpora weigh the same."""
        targets, corpora = self.clips.targets, self.clips.corpora
        fitted: list[float] = []
        for logits, usable in (
            (held_out.unknown, np.ones(len(held_out.rows), bool)),
            (held_out.known, self.has_minute[held_out.rows]),
        ):
            usable = usable & held_out.counted
            if not usable.any():
                fitted.append(fitted[0] if fitted else 1.0)
                continue
            rows = held_out.rows[usable]
            _, inverse, counts = np.unique(corpora[rows], return_inverse=True, return_counts=True)
            weights = 1 / counts[inverse]
            fitted.append(fit_temperature(logits[usable], targets[rows], weights))
        return fitted[0], fitted[1]


def with_statistics(
    data: Dataset,
    clips: list[int],
    folds: list[list[int]],
    selection: FitResult,
    config: StatisticsConfig,
    seed: int,
    log: Callable[[str], None],
) -> FitResult:
    """Fit and calibrate the branch of a network, and combine the logits of its validation clips.

    Args:
        data: The dataset.
        clips: Indices of the training clips.
        folds: For each fold, the indices of its validation clips, in the order of the logits of
            `selection`.
        selection: The selection of the LSTM.
        config: The settings of the branch.
        seed: Seed of the order of a speaker's clips.
        log: Receives the progress lines.

    Returns:
        The selection with the branch, the arousal and the combined logits. Temperature and profile
        gain are 1: those of the branch are part of its weights.
    """
    indices = data.answerable(clips)
    position = {i: row for row, i in enumerate(indices)}
    val_rows = np.array([position[i] for i in selection.val_clips])
    network_logits = np.full((len(indices), len(data.labels)), np.nan)
    network_logits[val_rows] = selection.logits
    fitting = _BranchFitting(data, indices, network_logits, config, seed)
    everything = np.ones(len(indices), bool)
    branch = fitting.fit(everything)

    fold_branches = []
    for fold in folds:
        mask = np.zeros(len(indices), bool)
        mask[[position[i] for i in data.answerable(fold)]] = True
        fold_branches.append((mask, fitting.fit(~mask)))
    validation = fitting.held_out(fold_branches, with_network=True)

    corpora = [(mask, fitting.fit(~mask)) for mask in fitting.left_out_corpora()]
    held_out, source = validation, "the validation folds"
    branch_scores = None
    if corpora:
        branch_scores = _left_out_scores(fitting, corpora)
        with_network = any((mask & fitting.is_validated).any() for mask, _ in corpora)
        held_out = fitting.held_out(corpora, with_network)
        source = f"{len(corpora)} corpora, each left out"
    unknown, known = fitting.temperatures(held_out)
    log(f"Clip statistics: calibrated on {source}; temperatures {unknown:.2f} and {known:.2f}")

    usable = held_out.counted if held_out.counted.any() else ~held_out.counted
    rows = held_out.rows[usable]
    probabilities = softmax(held_out.unknown[usable] / unknown, axis=1)
    fitted_arousal = fit_arousal(
        probabilities, fitting.clips.targets[rows], fitting.clips.corpora[rows], data.labels
    )
    order = np.argsort(validation.rows)[np.searchsorted(np.sort(validation.rows), val_rows)]
    return dataclasses.replace(
        selection,
        temperature=1.0,
        profile_gain=1.0,
        logits=(validation.unknown[order] / unknown).astype(np.float32),
        arousal=fitted_arousal,
        branch=branch.at_temperatures(unknown, known),
        branch_scores=branch_scores,
    )


def known_speaker_logits(
    network: EmotionLSTM, branch: LinearBranch, data: Dataset, indices: Sequence[int], seed: int = 0
) -> tuple[np.ndarray, np.ndarray] | None:
    """Predict clips with a minute of other clips of their speaker.

    Args:
        network: The network.
        branch: Its branch.
        data: The dataset.
        indices: The clips; enrolment clips are drawn from them as well.
        seed: Seed of the order of a speaker's clips.

    Returns:
        Rows of the clips whose speaker has a minute of other clips, and their logits; None if there
        are no such clips.
    """
    clips = clip_statistics(data, indices)
    minutes = enrolment_minutes(clips, seed)
    long_enough = [clips.seconds[minute].sum() >= ENROLMENT_SECONDS for minute in minutes]
    rows = np.flatnonzero(long_enough)
    if not len(rows):
        return None
    z = branch.standardise(clips.values)
    known_minutes = [minutes[row] for row in rows]
    offsets = speaker_offsets(z, known_minutes, clips.seconds)
    seconds = np.array([clips.seconds[minute].sum() for minute in known_minutes])
    logits = predict(
        network,
        data.frames,
        [indices[int(row)] for row in rows],
        statistics=data.statistics,
        speakers=offsets,
        speaker_weights=seconds / (seconds + HALF_KNOWN_SECONDS),
    )
    return rows, logits


def _left_out_scores(
    fitting: _BranchFitting, corpora: Sequence[tuple[np.ndarray, LinearBranch]]
) -> dict[str, Any]:
    """Return the scores of the branch without the LSTM on corpora that were left out.

    They are those of unknown speakers, with a minute of the speaker, and of degraded copies. The
    temperatures and the arousal are fitted on the same predictions, three numbers for all
    corpora together.
    """
    held_out = fitting.held_out(corpora, with_network=False)
    clips = fitting.clips
    targets, names = clips.targets[held_out.rows], clips.corpora[held_out.rows]
    unknown, known = fitting.temperatures(held_out)
    has_minute = fitting.has_minute[held_out.rows]

    def scored(logits: np.ndarray, rows: np.ndarray) -> dict[str, Any]:
        return _scores_by_corpus(
            softmax(logits[rows], axis=1), targets[rows], names[rows], fitting.labels
        )

    result = {"unknown": scored(held_out.unknown / unknown, np.ones_like(has_minute))}
    if has_minute.any():
        result["minute"] = scored(held_out.known / known, has_minute)
    if clips.degraded is not None:
        degraded = fitting.degraded_logits(corpora)
        result["degraded"] = scored(degraded / unknown, np.ones_like(has_minute))
    return result


def _scores_by_corpus(
    probabilities: np.ndarray, targets: np.ndarray, corpora: np.ndarray, labels: list[str]
) -> dict[str, Any]:
    """Return UAR, calibration error and AUC of the arousal of each corpus, and their means."""
    settings = fit_arousal(probabilities, targets, corpora, labels)
    by_corpus: dict[str, dict[str, float]] = {}
    for corpus in np.unique(corpora):
        rows = corpora == corpus
        own, truth = probabilities[rows], targets[rows]
        row = {
            "clips": int(rows.sum()),
            "uar": scores(truth, own.argmax(axis=1), labels)["uar"],
            "ece": reliability(own, truth)["ece"],
        }
        if settings is not None:
            is_high = np.isin(truth, [labels.index(label) for label in settings["labels"]])
            if is_high.any() and not is_high.all():
                values = arousal(own, labels, settings)
                row["arousal_auc"] = float(roc_auc_score(is_high, values))
                row["arousal_uar"] = float(
                    ((values[is_high] > 0.5).mean() + (values[~is_high] <= 0.5).mean()) / 2
                )
        by_corpus[str(corpus)] = row
    names = ("uar", "ece", "arousal_auc", "arousal_uar")
    means = {
        name: float(np.mean([row[name] for row in by_corpus.values()]))
        for name in names
        if all(name in row for row in by_corpus.values())
    }
    return {"mean": means, "by_corpus": by_corpus}
