"""Scores of a protocol over all its folds and seeds, with their uncertainty."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from scipy.special import softmax

from edge_runtime.datasets.naming_schemes import speaker_group
from edge_runtime.scoring.metrics import scores
from edge_runtime.scoring.reliability import reliability
from edge_runtime.scoring.uncertainty import bootstrap_uars, interval, recalls, uar_of
from train.calibration import coverage_curve
from train.speech_gate import losses_by

# Variants of the model that each fold scores, with their names in the report.
VARIANTS = {
    "int8": "int8 (deployed)",
    "fp32": "PyTorch",
    "profile": "int8, speaker profile of one minute",
    "adapting": "int8, online speaker adaptation",
}
SPEAKER_VARIANTS = ("profile", "adapting")  # those that use other clips of the speaker
# Results of a training that the report contains.
FOLD_KEYS = (
    "fold",
    "seed",
    "recipe",
    "val_uar_by_recipe",
    "best_epoch",
    "epochs",
    "val_uar",
    "temperature",
    "profile_gain",
    "threshold",
    "trained_by",
    "bytes",
    "uar",
)


def summarize(about: dict[str, Any], results: list[dict[str, Any]]) -> dict[str, Any]:
    """Compute the scores of a protocol.

    Each seed and each test corpus is scored separately, and the scores are averaged. Every corpus
    has the same weight whatever its size, and overconfidence in one does not cancel
    underconfidence in another.

    Args:
        about: The settings of the protocol; part of the report.
        results: Results of its trainings, one for each fold and seed.

    Returns:
        The report, as JSON stores it.
    """
    summary = {**about, "clips": sum(len(r["targets"]) for r in results) // about["seeds"]}
    for variant in VARIANTS:
        summary[variant] = _scores(results, variant, about["labels"])
    summary["calibration"] = _calibration(results)
    summary["no_speech"] = _no_speech(results, about["labels"])
    summary["folds"] = [
        {key: r[key] for key in FOLD_KEYS} | {"test_speakers": sorted(set(r["speakers"]))}
        for r in results
    ]
    return summary


@dataclass(frozen=True)
class ScoredClips:
    """Predictions for test clips.

    Attributes:
        targets: Class indices, int `(n_clips,)`.
        speakers: Speakers `(n_clips,)`.
        corpora: Corpora `(n_clips,)`.
        probabilities: Probabilities `(n_clips, n_labels)`.
        no_speech: Which clips are answered with "no speech", bool `(n_clips,)`. They count as
            errors, and have no confidence.
    """

    targets: np.ndarray
    speakers: np.ndarray
    corpora: np.ndarray
    probabilities: np.ndarray
    no_speech: np.ndarray

    @classmethod
    def of(cls, folds: list[dict[str, Any]], variant: str, scaled: bool = True) -> ScoredClips:
        """Return the predictions of a model variant in some folds.

        Args:
            folds: Results of trainings.
            variant: A key of `VARIANTS`.
            scaled: Divide the logits by the temperature of each fold.
        """

        def column(name: str) -> np.ndarray:
            return np.concatenate([fold[name] for fold in folds])

        logits = [
            np.array(fold["logits"][variant]) / (fold["temperature"] if scaled else 1)
            for fold in folds
        ]
        return cls(
            column("targets"),
            column("speakers"),
            column("corpora"),
            softmax(np.concatenate(logits), axis=1),
            np.concatenate([np.array(fold["no_speech"][variant], bool) for fold in folds]),
        )

    def by(self, values: np.ndarray) -> dict[str, ScoredClips]:
        """Group the clips by `values (n_clips,)`."""
        return {
            str(value): ScoredClips(*(getattr(self, f.name)[values == value] for f in fields(self)))
            for value in np.unique(values)
        }

    def scores(self, labels: list[str]) -> dict[str, Any]:
        """Return UAR, accuracy, recalls and confusion matrix; see `scoring.metrics.scores`."""
        return scores(self.targets, self.probabilities.argmax(axis=1), labels, self.no_speech)

    def reliability(self) -> dict[str, Any]:
        """Return the calibration error and its bins; see `scoring.reliability`."""
        answered = ~self.no_speech
        return reliability(self.probabilities[answered], self.targets[answered])

    def ece(self) -> float:
        """Return the expected calibration error."""
        return float(self.reliability()["ece"])


def _by_seed(results: list[dict[str, Any]], variant: str, scaled: bool = True) -> list[ScoredClips]:
    folds: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for result in results:
        folds[result["seed"]].append(result)
    return [ScoredClips.of(same_seed, variant, scaled) for same_seed in folds.values()]


def _scores(results: list[dict[str, Any]], variant: str, labels: list[str]) -> dict[str, Any]:
    """Return means over seeds of means over corpora, with their uncertainty."""
    by_corpus: dict[str, list[dict[str, Any]]] = defaultdict(list)
    # Confusion matrices of each speaker of each corpus, one for each seed; the last column is "no
    # speech".
    confusions: dict[str, dict[str, list[np.ndarray]]] = defaultdict(lambda: defaultdict(list))
    for seed in _by_seed(results, variant):
        for corpus, clips in seed.by(seed.corpora).items():
            by_corpus[corpus].append(clips.scores(labels) | {"ece": clips.ece()})
            for speaker, speaker_clips in clips.by(clips.speakers).items():
                confusion = speaker_clips.scores(labels)["confusion"]
                confusions[corpus][speaker].append(np.array(confusion))
    counts = {  # (n_speakers, n_labels, n_labels + 1) of each corpus, averaged over the seeds
        corpus: np.stack([np.mean(by_seed, axis=0) for by_seed in speakers.values()])
        for corpus, speakers in confusions.items()
    }
    names = [speaker for speakers in confusions.values() for speaker in speakers]
    groups = np.array([speaker_group(speaker) for speaker in names])
    all_counts = np.concatenate(list(counts.values()))
    speaker_uars = [uar_of(confusion) for confusion in all_counts]
    # Skip speakers without all labels of their corpus: their UAR averages over fewer classes.
    complete = [uar_of(c) for of_corpus in counts.values() for c in of_corpus[_has_all(of_corpus)]]
    uars = np.mean([[row["uar"] for row in rows] for rows in by_corpus.values()], axis=0)
    recalls_by_corpus = np.stack([recalls(of_corpus.sum(axis=0)) for of_corpus in counts.values()])
    low, high = interval(bootstrap_uars(list(counts.values())))

    def mean(rows: list[dict[str, Any]], name: str) -> float:
        return float(np.mean([row[name] for row in rows]))

    def mean_over_corpora(name: str) -> float:
        return float(np.mean([mean(rows, name) for rows in by_corpus.values()]))

    return {
        "uar": float(uars.mean()),
        "uar_by_seed": uars.tolist(),
        "uar_std_over_seeds": float(np.std(uars, ddof=1)) if len(uars) > 1 else None,
        "uar_std_over_speakers": float(np.std(complete, ddof=1)) if len(complete) > 1 else None,
        "uar_interval": [low, high],
        "accuracy": mean_over_corpora("accuracy"),
        "ece": mean_over_corpora("ece"),
        "by_corpus": {
            corpus: {name: mean(rows, name) for name in ("uar", "accuracy", "ece")}
            for corpus, rows in by_corpus.items()
        },
        "uar_by_speaker": dict(zip(names, speaker_uars)),
        "uar_by_group": {
            str(group): uar_of(all_counts[groups == group].sum(axis=0))
            for group in np.unique(groups)
        },
        "recall": {
            label: float(np.nanmean(column))
            for label, column in zip(labels, recalls_by_corpus.T)
            if np.isfinite(column).any()
        },
        "confusion": np.sum(
            [row["confusion"] for rows in by_corpus.values() for row in rows], axis=0
        ).tolist(),
    }


def _has_all(counts: np.ndarray) -> np.ndarray:
    """Return which speakers of `counts (n_speakers, C, ·)` have clips of all labels that occur."""
    present = counts.sum(axis=2) > 0
    complete: np.ndarray = present[:, present.any(axis=0)].all(axis=1)
    return complete


def _no_speech(results: list[dict[str, Any]], labels: list[str]) -> dict[str, Any]:
    """Count the clips that the int8 models answer "no speech", by label and by corpus."""
    pooled = ScoredClips.of(results, "int8")
    by_label = losses_by([labels[target] for target in pooled.targets], pooled.no_speech)
    return {"by_label": by_label, "by_corpus": losses_by(pooled.corpora, pooled.no_speech)}


def _calibration(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the calibration of the int8 model and the effect of confidence thresholds."""
    pooled = ScoredClips.of(results, "int8")
    thresholds = np.concatenate([[r["threshold"]] * len(r["targets"]) for r in results])
    answered = (pooled.probabilities.max(axis=1) >= thresholds) & ~pooled.no_speech
    correct = pooled.probabilities.argmax(axis=1) == pooled.targets
    return {
        "ece_without_temperature": float(
            np.mean(
                [
                    clips.ece()
                    for seed in _by_seed(results, "int8", scaled=False)
                    for clips in seed.by(seed.corpora).values()
                ]
            )
        ),
        "bins": {
            corpus: clips.reliability()["bins"]
            for corpus, clips in pooled.by(pooled.corpora).items()
        },
        "coverage": coverage_curve(pooled.probabilities, pooled.targets, pooled.no_speech),
        # With the threshold stored in each model, which was chosen on its validation speakers.
        "own_thresholds": {
            "from": float(thresholds.min()),
            "to": float(thresholds.max()),
            "coverage": float(answered.mean()),
            "accuracy": float(correct[answered].mean()) if answered.any() else None,
        },
    }
