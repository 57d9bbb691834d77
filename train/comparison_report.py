"""Scores of a comparison of recipes: differences with their bootstrap intervals over speakers."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from scipy.special import softmax

from edge_runtime.messages import count_of
from edge_runtime.scoring.reliability import reliability
from edge_runtime.scoring.uncertainty import bootstrap_uars, interval, recalls, uar_of

from .markdown import markdown_cell, markdown_table

Results = list[dict[str, Any]]


def summarise_comparison(about: dict[str, Any], results: Results) -> dict[str, Any]:
    """Score each recipe, and the differences from the first one.

    Each seed and each test corpus is scored separately, and the scores are averaged. The interval
    of a difference is that of a paired bootstrap: both recipes are scored on the same draws of
    speakers. It covers new speakers of the same kind, but not other seeds.

    Args:
        about: The settings; `comparison` lists the names of the recipes. Part of the report.
        results: Results of the trainings, one for each fold, seed and recipe.

    Returns:
        The report, as JSON stores it.
    """
    by_recipe: dict[str, Results] = {
        name: [result for result in results if result["recipe"] == name]
        for name in about["comparison"]
    }
    n_labels = len(about["labels"])
    confusions = {name: _confusions(rows, n_labels) for name, rows in by_recipe.items()}
    first, *others = about["comparison"]
    keys = ("fold", "seed", "recipe", "best_epoch", "epochs", "val_uar", "uar", "trained_by")
    return {
        **about,
        "clips": sum(len(r["targets"]) for r in by_recipe[first]) // len(about["seeds"]),
        "speakers": sum(len(counts) for counts in _mean_over_seeds(confusions[first])),
        "scores": {name: _scores(rows, confusions[name]) for name, rows in by_recipe.items()},
        "differences": {name: _difference(confusions[first], confusions[name]) for name in others},
        "trainings": [{key: result[key] for key in keys} for result in results],
    }


# Confusion matrices of each speaker, by seed and corpus: `(n_speakers, n_labels, n_labels)`. The
# speakers of a corpus are in the same order for all seeds and recipes.
Confusions = dict[int, dict[str, np.ndarray]]


def _confusions(results: Results, n_labels: int) -> Confusions:
    counts: dict[int, dict[str, dict[str, np.ndarray]]] = defaultdict(lambda: defaultdict(dict))
    for result in results:
        answers = np.array(result["logits"]).argmax(axis=1)
        rows = zip(result["corpora"], result["speakers"], result["targets"], answers)
        for corpus, speaker, target, answer in rows:
            of_corpus = counts[result["seed"]][corpus]
            of_corpus.setdefault(speaker, np.zeros((n_labels, n_labels)))[target, answer] += 1
    return {
        seed: {
            corpus: np.stack([of_corpus[speaker] for speaker in sorted(of_corpus)])
            for corpus, of_corpus in sorted(by_corpus.items())
        }
        for seed, by_corpus in sorted(counts.items())
    }


def _mean_over_seeds(confusions: Confusions) -> list[np.ndarray]:
    return [
        np.mean(of_seeds, axis=0) for of_seeds in zip(*(c.values() for c in confusions.values()))
    ]


def _uars_by_seed(confusions: Confusions) -> np.ndarray:
    return np.array(
        [
            np.mean([uar_of(counts.sum(axis=0)) for counts in by_corpus.values()])
            for by_corpus in confusions.values()
        ]
    )


def _scores(results: Results, confusions: Confusions) -> dict[str, Any]:
    uars = _uars_by_seed(confusions)
    low, high = interval(bootstrap_uars(_mean_over_seeds(confusions)))
    return {
        "uar": float(uars.mean()),
        "uar_interval": [low, high],
        "uar_by_seed": uars.tolist(),
        "ece": float(np.mean([_ece(results, seed) for seed in confusions])),
        "parameters": results[0]["parameters"],
    }


def _ece(results: Results, seed: int) -> float:
    """Return the expected calibration error of a seed, averaged over the test corpora."""
    of_seed = [result for result in results if result["seed"] == seed]
    probabilities = np.concatenate(
        [softmax(np.array(r["logits"]) / r["temperature"], axis=1) for r in of_seed]
    )
    targets = np.concatenate([r["targets"] for r in of_seed])
    corpora = np.concatenate([r["corpora"] for r in of_seed])
    errors = [
        reliability(probabilities[corpora == corpus], targets[corpora == corpus])["ece"]
        for corpus in np.unique(corpora)
    ]
    return float(np.mean(errors))


def _difference(first: Confusions, other: Confusions) -> dict[str, Any]:
    by_seed = _uars_by_seed(other) - _uars_by_seed(first)
    before, after = _mean_over_seeds(first), _mean_over_seeds(other)
    low, high = interval(bootstrap_uars(after) - bootstrap_uars(before))
    speakers = np.concatenate(
        [
            np.nanmean(recalls(b), axis=-1) - np.nanmean(recalls(a), axis=-1)
            for a, b in zip(before, after)
        ]
    )
    return {
        "uar": float(by_seed.mean()),
        "uar_interval": [low, high],
        "uar_by_seed": by_seed.tolist(),
        "speakers_better": int((speakers > 1e-9).sum()),
        "speakers_worse": int((speakers < -1e-9).sum()),
    }


def comparison_table(summary: dict[str, Any]) -> str:
    """Return the scores and the differences as a Markdown table."""
    reference = summary["comparison"][0]
    rows = []
    for name in summary["comparison"]:
        entry, change = summary["scores"][name], summary["differences"].get(name)
        rows.append(
            [
                markdown_cell(name),
                f"{100 * entry['uar']:.1f}",
                _range(entry["uar_interval"], "{:.1f}"),
                f"{entry['ece']:.3f}",
                *(["reference", "", ""] if change is None else _difference_cells(change)),
            ]
        )
    headers = [
        *("recipe", "UAR %", "95 % interval", "ECE"),
        f"difference from {markdown_cell(reference)}",
        *("95 % interval", "speakers better, worse"),
    ]
    return markdown_table(headers, rows, "lrrrrrr")


def _difference_cells(change: dict[str, Any]) -> list[str]:
    return [
        f"{100 * change['uar']:+.1f}",
        _range(change["uar_interval"], "{:+.1f}"),
        f"{change['speakers_better']}, {change['speakers_worse']}",
    ]


def _range(values: list[float], form: str) -> str:
    low, high = (form.format(100 * value) for value in values)
    return f"{low} to {high}"


def verdict(name: str, reference: str, change: dict[str, Any]) -> str:
    """Return what a difference shows, as a sentence.

    Args:
        name: Name of the recipe.
        reference: Name of the recipe that it is compared with.
        change: Its entry in `differences`.
    """
    low, high = change["uar_interval"]
    if low > 0 or high < 0:
        return f"{name} is {'better' if low > 0 else 'worse'} than {reference} for new speakers."
    return (
        f"The interval of {name} includes 0: these speakers do not show whether it is better or "
        f"worse than {reference}."
    )


def comparison_markdown(summary: dict[str, Any]) -> str:
    """Return the report as a Markdown page."""
    reference, *others = summary["comparison"]
    seeds = summary["seeds"]
    verdicts = "\n".join(
        f"- {verdict(markdown_cell(name), markdown_cell(reference), summary['differences'][name])}"
        for name in others
    )
    corpora = ", ".join(markdown_cell(row["name"]) for row in summary["corpora"])
    notes = "".join(f"\n- Note: {markdown_cell(note)}" for note in summary["notes"])
    return f"""# Comparison of recipes

- {summary["clips"]} clips of {summary["speakers"]} test speakers of {corpora}; protocol \
{summary["protocol"]}
- {count_of(len(seeds), "seed")}, {count_of(summary["inner"], "validation fold")}{notes}

{comparison_table(summary)}

{verdicts}

Every recipe has the same folds: no test speaker is trained on, and its epoch and temperature are \
selected on other speakers. UAR is the mean recall of the labels, averaged over corpora and seeds. \
The answer "no speech" is not compared. The intervals are those of a bootstrap over the test \
speakers; for a difference, both recipes are scored on the same draws. They do not cover other \
seeds{_seeds_markdown(summary)}
"""


def _seeds_markdown(summary: dict[str, Any]) -> str:
    """Return the rest of a sentence: a table of the seeds, or how to add some."""
    seeds = summary["seeds"]
    if len(seeds) == 1:
        return ", which `--seeds` adds."
    rows = []
    for name in summary["comparison"]:
        uars = summary["scores"][name]["uar_by_seed"]
        change = summary["differences"].get(name)
        changes = [""] * len(seeds) if change is None else change["uar_by_seed"]
        rows.append(
            [
                markdown_cell(name),
                *(f"{100 * uar:.1f}" for uar in uars),
                *(value if value == "" else f"{100 * value:+.1f}" for value in changes),
            ]
        )
    headers = [
        "recipe",
        *(f"UAR %, seed {seed}" for seed in seeds),
        *(f"difference, seed {seed}" for seed in seeds),
    ]
    return f":\n\n{markdown_table(headers, rows, 'l' + 'r' * 2 * len(seeds))}"
