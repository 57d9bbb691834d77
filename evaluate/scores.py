"""The scores of a protocol: of all its folds and seeds, with what they may be off by."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from scipy.special import softmax

from train.calibration import coverage_curve, reliability
from train.data.naming_schemes import speaker_group
from train.metrics import scores

VARIANTS = {
    "int8": "int8, what ships",
    "fp32": "PyTorch",
    "profile": "int8, a minute of profile",
    "adapting": "int8, adapting to a voice as it speaks",
}
OF_VOICES = ("profile", "adapting")  # those that know something of the voice
N_BOOTSTRAP = 2000
# What a report tells of each training.
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
    """The scores of all trainings of a protocol; `results` are those of its folds and seeds.

    Each seed and each tested corpus is scored by itself, and the scores are averaged: a corpus
    counts as much as another, however many clips it has, and answers that are too sure in one place
    do not make up for others that are too modest.
    """
    summary = {**about, "clips": sum(len(r["targets"]) for r in results) // about["seeds"]}
    for variant in VARIANTS:
        summary[variant] = _scores(results, variant, about["labels"])
    summary["calibration"] = _calibration(results)
    summary["folds"] = [
        {key: r[key] for key in FOLD_KEYS} | {"test_speakers": sorted(set(r["speakers"]))}
        for r in results
    ]
    return summary


@dataclass(frozen=True)
class ScoredClips:
    """The answers to test clips, of which each has a row."""

    targets: np.ndarray
    speakers: np.ndarray
    corpora: np.ndarray
    probabilities: np.ndarray  # (n_clips, n_labels)

    @classmethod
    def of(cls, folds: list[dict[str, Any]], variant: str, scaled: bool = True) -> ScoredClips:
        """Those of a variant of the model in some folds, by its temperature where `scaled`."""

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
        )

    def by(self, values: np.ndarray) -> dict[str, ScoredClips]:
        """A part for each value that the rows have."""
        return {
            str(value): ScoredClips(*(getattr(self, f.name)[values == value] for f in fields(self)))
            for value in np.unique(values)
        }

    def scores(self, labels: list[str]) -> dict[str, Any]:
        return scores(self.targets, self.probabilities.argmax(axis=1), labels)

    def ece(self) -> float:
        return float(reliability(self.probabilities, self.targets)["ece"])


def _by_seed(results: list[dict[str, Any]], variant: str, scaled: bool = True) -> list[ScoredClips]:
    folds: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for result in results:
        folds[result["seed"]].append(result)
    return [ScoredClips.of(those, variant, scaled) for those in folds.values()]


def _scores(results: list[dict[str, Any]], variant: str, labels: list[str]) -> dict[str, Any]:
    """Means over seeds of means over corpora, and what belongs to them."""
    by_corpus: dict[str, list[dict[str, Any]]] = defaultdict(list)
    # The confusions of each speaker of each corpus, an array for each seed.
    speakers: dict[str, dict[str, list[np.ndarray]]] = defaultdict(lambda: defaultdict(list))
    for seed in _by_seed(results, variant):
        for corpus, answers in seed.by(seed.corpora).items():
            by_corpus[corpus].append(answers.scores(labels) | {"ece": answers.ece()})
            for speaker, theirs in answers.by(answers.speakers).items():
                counts = theirs.scores(labels)["confusion"]
                speakers[corpus][speaker].append(np.array(counts))
    counts = {  # (speakers, C, C) of each corpus, the mean over the seeds
        corpus: np.stack([np.mean(each, axis=0) for each in theirs.values()])
        for corpus, theirs in speakers.items()
    }
    names = [speaker for theirs in speakers.values() for speaker in theirs]
    groups = np.array([speaker_group(speaker) for speaker in names])
    of_all = np.concatenate(list(counts.values()))
    speaker_uars = [_uar(c) for c in of_all]
    # Who never says some labels of their corpus has a UAR of the others, or of a single one.
    wholly = [_uar(c) for theirs in counts.values() for c in theirs[_says_all(theirs)]]
    uars = np.mean([[row["uar"] for row in rows] for rows in by_corpus.values()], axis=0)
    recalls = np.stack([_recalls(c.sum(axis=0)) for c in counts.values()])
    low, high = _bootstrap(list(counts.values()))

    def mean(rows: list[dict[str, Any]], name: str) -> float:
        return float(np.mean([row[name] for row in rows]))

    def over_corpora(name: str) -> float:
        return float(np.mean([mean(rows, name) for rows in by_corpus.values()]))

    return {
        "uar": float(uars.mean()),
        "uar_by_seed": uars.tolist(),
        "uar_std_over_seeds": float(np.std(uars, ddof=1)) if len(uars) > 1 else None,
        "uar_std_over_speakers": float(np.std(wholly, ddof=1)) if len(wholly) > 1 else None,
        "uar_interval": [low, high],
        "accuracy": over_corpora("accuracy"),
        "ece": over_corpora("ece"),
        "by_corpus": {
            corpus: {name: mean(rows, name) for name in ("uar", "accuracy", "ece")}
            for corpus, rows in by_corpus.items()
        },
        "uar_by_speaker": dict(zip(names, speaker_uars)),
        "uar_by_group": {
            str(group): _uar(of_all[groups == group].sum(axis=0)) for group in np.unique(groups)
        },
        "recall": {
            label: float(np.nanmean(column))
            for label, column in zip(labels, recalls.T)
            if np.isfinite(column).any()
        },
        "confusion": np.sum(
            [row["confusion"] for rows in by_corpus.values() for row in rows], axis=0
        ).tolist(),
    }


def _says_all(counts: np.ndarray) -> np.ndarray:
    """Which of the speakers of `counts (speakers, C, C)` say all labels that any of them says."""
    says = counts.sum(axis=2) > 0
    return says[:, says.any(axis=0)].all(axis=1)


def _recalls(confusion: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.diagonal(confusion, axis1=-2, axis2=-1) / confusion.sum(axis=-1)


def _uar(confusion: np.ndarray) -> float:
    return float(np.nanmean(_recalls(confusion)))


def _bootstrap(corpora: list[np.ndarray]) -> tuple[float, float]:
    """The 95 % interval of the UAR over draws of speakers, who are what the next user differs in.

    corpora: the confusions `(speakers, C, C)` of each; its speakers are drawn from among them.

    Efron 1979, https://doi.org/10.1214/aos/1176344552, with speakers as the units. Draws that lack
    all speakers of a label are not counted: they would be scored by the other labels alone.
    """
    rng = np.random.default_rng(0)
    uars, whole = np.zeros(N_BOOTSTRAP), np.ones(N_BOOTSTRAP, bool)
    for counts in corpora:
        n = len(counts)
        draws = rng.integers(n, size=(N_BOOTSTRAP, n))
        times = np.stack([np.bincount(draw, minlength=n) for draw in draws])  # each is drawn
        drawn = (times @ counts.reshape(n, -1)).reshape(-1, *counts.shape[1:])  # (draws, C, C)
        there = drawn.sum(axis=2) > 0
        whole &= (there == (counts.sum(axis=(0, 2)) > 0)).all(axis=1)
        uars += np.array([_uar(confusion) for confusion in drawn]) / len(corpora)
    if not whole.any():
        uars, whole = np.array([np.mean([_uar(c.sum(axis=0)) for c in corpora])]), np.array([True])
    low, high = np.percentile(uars[whole], [2.5, 97.5])
    return float(low), float(high)


def _calibration(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Where the confidence of the int8 model is off, and what thresholds cost and bring."""
    pooled = ScoredClips.of(results, "int8")
    thresholds = np.concatenate([[r["threshold"]] * len(r["targets"]) for r in results])
    answered = pooled.probabilities.max(axis=1) >= thresholds
    correct = pooled.probabilities.argmax(axis=1) == pooled.targets
    return {
        "ece_without_temperature": float(
            np.mean(
                [
                    answers.ece()
                    for seed in _by_seed(results, "int8", scaled=False)
                    for answers in seed.by(seed.corpora).values()
                ]
            )
        ),
        "bins": {
            corpus: reliability(answers.probabilities, answers.targets)["bins"]
            for corpus, answers in pooled.by(pooled.corpora).items()
        },
        "coverage": coverage_curve(pooled.probabilities, pooled.targets),
        # By the threshold that each network stores, which its validation speakers chose.
        "own_thresholds": {
            "from": float(thresholds.min()),
            "to": float(thresholds.max()),
            "coverage": float(answered.mean()),
            "accuracy": float(correct[answered].mean()) if answered.any() else None,
        },
    }
