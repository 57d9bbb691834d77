"""What a protocol found, as JSON, as a page and as pictures."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

from edge_runtime.terminal import one_line

from . import plots
from .calibration import choose_threshold, coverage_curve, coverage_markdown, reliability
from .corpora import speaker_group
from .files import beside, write_json, write_text
from .metrics import cell, confusion_markdown, scores
from .runs import RunError, has_keys, keep_others, read_json

VARIANTS = {"int8": "int8, what ships", "fp32": "PyTorch", "profile": "int8, a minute of profile"}
N_BOOTSTRAP = 2000
# What a report tells of each training.
FOLD_KEYS = ("fold", "seed", "recipe", "val_uar_by_recipe", "best_epoch", "epochs", "val_uar",
             "temperature", "profile_gain", "bytes", "uar")


def summarize(about: dict[str, Any], results: list[dict[str, Any]]) -> dict[str, Any]:
    """The scores of all trainings of a protocol; `results` are those of its folds and seeds."""
    labels = about["labels"]
    summary = {**about, "clips": sum(len(r["targets"]) for r in results) // about["seeds"]}
    targets = np.concatenate([r["targets"] for r in results])

    def probabilities(variant: str, scaled: bool = True) -> np.ndarray:
        return np.concatenate([
            softmax(np.array(r["logits"][variant]) / (r["temperature"] if scaled else 1), axis=1)
            for r in results
        ])

    for variant in VARIANTS:
        summary[variant] = _scores(results, variant, labels)
        summary[variant]["ece"] = reliability(probabilities(variant), targets)["ece"]
    int8 = probabilities("int8")
    curve = coverage_curve(int8, targets)
    summary["calibration"] = {
        **reliability(int8, targets),
        "ece_without_temperature": reliability(probabilities("int8", False), targets)["ece"],
        "coverage": curve, "threshold": choose_threshold(curve),
    }
    summary["folds"] = [
        {key: r[key] for key in FOLD_KEYS} | {"test_speakers": sorted(set(r["speakers"]))}
        for r in results
    ]
    return summary


def _scores(results: list[dict[str, Any]], variant: str, labels: list[str]) -> dict[str, Any]:
    """UAR over all test clips with its spread over seeds and speakers, and what belongs to it."""
    by_seed: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for result in results:
        by_seed[result["seed"]].append(result)
    uars, accuracies, confusion = [], [], np.zeros((len(labels), len(labels)), int)
    by_speaker: dict[str, list[np.ndarray]] = defaultdict(list)
    by_corpus: dict[str, list[float]] = defaultdict(list)
    for folds in by_seed.values():
        targets = np.concatenate([fold["targets"] for fold in folds])
        answers = np.concatenate([np.argmax(fold["logits"][variant], axis=1) for fold in folds])
        speakers = np.concatenate([fold["speakers"] for fold in folds])
        corpora = np.concatenate([fold["corpora"] for fold in folds])
        score = scores(targets, answers, labels)
        uars.append(score["uar"])
        accuracies.append(score["accuracy"])
        confusion += np.array(score["confusion"])
        for speaker in np.unique(speakers):
            mine = speakers == speaker
            counts = scores(targets[mine], answers[mine], labels)["confusion"]
            by_speaker[str(speaker)].append(np.array(counts))
        for corpus in np.unique(corpora):
            mine = corpora == corpus
            by_corpus[str(corpus)].append(scores(targets[mine], answers[mine], labels)["uar"])
    counts = np.stack([np.mean(c, axis=0) for c in by_speaker.values()])  # (speakers, C, C)
    speaker_uars = [_uar(c) for c in counts]
    groups = [speaker_group(speaker) for speaker in by_speaker]
    low, high = _bootstrap(counts)
    recall = _recalls(confusion)
    return {
        "uar": float(np.mean(uars)), "uar_by_seed": uars,
        "uar_std_over_seeds": float(np.std(uars, ddof=1)) if len(uars) > 1 else None,
        "uar_std_over_speakers": float(np.std(speaker_uars, ddof=1)),
        "uar_interval": [low, high],
        "uar_by_speaker": dict(zip(by_speaker, speaker_uars)),
        "uar_by_corpus": {corpus: float(np.mean(values)) for corpus, values in by_corpus.items()},
        "uar_by_group": {
            group: _uar(np.sum([c for c, g in zip(counts, groups) if g == group], axis=0))
            for group in sorted(set(groups))
        },
        "accuracy": float(np.mean(accuracies)),
        "recall": {label: float(r) for label, r in zip(labels, recall) if np.isfinite(r)},
        "confusion": confusion.tolist(),
    }


def _recalls(confusion: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return np.diagonal(confusion, axis1=-2, axis2=-1) / confusion.sum(axis=-1)


def _uar(confusion: np.ndarray) -> float:
    return float(np.nanmean(_recalls(confusion)))


def _bootstrap(counts: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of the UAR over draws of speakers, who are what the next user differs in.

    Efron 1979, https://doi.org/10.1214/aos/1176344552, with speakers as the units. Draws that lack
    all speakers of a label are not counted: they would be scored by the other labels alone.
    """
    rng = np.random.default_rng(0)
    n = len(counts)
    draws = rng.integers(n, size=(N_BOOTSTRAP, n))
    times = np.stack([np.bincount(draw, minlength=n) for draw in draws])  # each speaker is drawn
    drawn = (times @ counts.reshape(n, -1)).reshape(-1, *counts.shape[1:])  # (draws, C, C)
    there = drawn.sum(axis=2) > 0
    whole = (there == (counts.sum(axis=(0, 2)) > 0)).all(axis=1)
    uars = [_uar(confusion) for confusion in drawn[whole]] or [_uar(counts.sum(axis=0))]
    low, high = np.percentile(uars, [2.5, 97.5])
    return float(low), float(high)


def check_replaceable(report: Path, protocol: str, labels: list[str], corpora: set[str]) -> None:
    """RunError if files that the report would replace are not of the same protocol, labels and
    corpora."""
    file = beside(report, ".json")
    ours = has_keys(file, {"protocol", "labels", "corpora"})
    keep_others(_files(report), "--report", ours)
    if not ours:
        return
    before = read_json(file)
    names = {row["name"] for row in before["corpora"]}
    if (before["protocol"], before["labels"], names) != (protocol, labels, corpora):
        raise RunError(
            f"{file}: is a report of {before['protocol']} of {', '.join(sorted(names))} with the "
            f"labels {', '.join(before['labels'])}; give another --report"
        )


def _files(report: Path) -> list[Path]:
    suffixes = (".json", ".md", ".confusion.png", ".calibration.png", ".splits.json")
    return [beside(report, suffix) for suffix in suffixes]


def write_report(summary: dict[str, Any], report: Path, splits: list[dict[str, Any]]) -> None:
    """`report`.json and .md, its splits, and two pictures beside it."""
    labels, shape = summary["labels"], summary["calibration"]
    as_json, as_page, confusion, calibration, of_splits = _files(report)
    write_json(as_json, summary)
    write_json(of_splits, splits)
    plots.confusion(np.array(summary["int8"]["confusion"]), labels, confusion)
    plots.calibration(shape["bins"], shape["coverage"], shape["threshold"], calibration)
    write_text(as_page, _markdown(summary, report.name))


def _markdown(summary: dict[str, Any], name: str) -> str:
    int8, shape, labels = summary["int8"], summary["calibration"], summary["labels"]
    corpora = ", ".join(
        f"{row['name']} ({row['clips']} clips, {row['speakers']} speakers)"
        for row in summary["corpora"]
    )
    rows = "\n".join(_row(title, summary[variant]) for variant, title in VARIANTS.items())
    recalls = "\n".join(f"| {cell(label)} | {100 * r:.1f} |" for label, r in int8["recall"].items())
    by_corpus = ""
    if len(int8["uar_by_corpus"]) > 1:
        by_corpus = "\n| tested corpus | UAR % | with a minute of profile |\n|---|---:|---:|\n"
        by_corpus += "\n".join(
            f"| {cell(corpus)} | {100 * uar:.1f} "
            f"| {100 * summary['profile']['uar_by_corpus'][corpus]:.1f} |"
            for corpus, uar in int8["uar_by_corpus"].items()
        ) + "\n"
    by_group = ", ".join(
        f"{group} {100 * uar:.1f} %" for group, uar in int8["uar_by_group"].items()
    )
    size = max(fold["bytes"] for fold in summary["folds"])
    n_folds = len({fold["fold"] for fold in summary["folds"]})
    return f"""# {summary['protocol']}: {corpora}

Speaker-independent and nested: {_what(summary)}, the temperature and the gain of a profile were \
chosen in each fold on speakers (across three corpora or more, on corpora) left out of the \
training in turn, the network was then trained on all of them, and the test speakers were scored \
once. {summary['clips']} clips, {len(labels)} classes, {n_folds} folds, seeds: \
{summary['seeds']}.{_auxiliary(summary)}{_notes(summary)}

| model | UAR % | over seeds | over speakers | 95 % interval | accuracy % | ECE |
|---|---:|---:|---:|---:|---:|---:|
{rows}

The interval is a bootstrap over speakers. UAR by speakers: {by_group}. The file has {size:,} bytes.
{by_corpus}
| label | recall % |
|---|---:|
{recalls}

{confusion_markdown(int8['confusion'], labels)}

![confusion]({name}.confusion.png)

## Calibration

Expected calibration error {shape['ece']:.3f} ({shape['ece_without_temperature']:.3f} without the \
temperature). Answering only above a confidence of {shape['threshold']:.2f} answers at least 85 % \
of these clips.

| threshold | answered % | of those right % |
|---:|---:|---:|
{coverage_markdown(shape['coverage'])}

![calibration]({name}.calibration.png)

## Settings

{_settings(summary)}

{_folds(summary)}
"""


def _folds(summary: dict[str, Any]) -> str:
    """A table of all trainings; with the recipes, where there was a choice of them."""
    names = list(summary["recipes"])
    several = len(names) > 1
    uars = [f"validation UAR{f', {name}' if several else ''}" for name in names]
    header = ["seed", "test speakers", *(["recipe"] if several else []), "epoch", *uars, "test UAR"]
    rows = []
    for fold in summary["folds"]:
        uars = [fold["val_uar_by_recipe"][name] for name in names]
        rows.append([
            str(fold["seed"]), cell(", ".join(fold["test_speakers"])),
            *([fold["recipe"]] if several else []), f"{fold['best_epoch']} of {fold['epochs']}",
            *(f"{100 * uar:.1f}" for uar in [*uars, fold["uar"]["int8"]]),
        ])
    sides = ["---" if name in ("test speakers", "recipe") else "---:" for name in header]
    return "\n".join([
        f"| {' | '.join(header)} |", f"|{'|'.join(sides)}|",
        *(f"| {' | '.join(row)} |" for row in rows),
    ])


def _what(summary: dict[str, Any]) -> str:
    names = list(summary["recipes"])
    return "the epoch" if len(names) == 1 else f"the recipe ({' or '.join(names)}), the epoch"


def _auxiliary(summary: dict[str, Any]) -> str:
    labels = ", ".join(summary["auxiliary"])
    return f" Trained on as well, but never answered: {labels}." if labels else ""


def _notes(summary: dict[str, Any]) -> str:
    notes = [f" Left out: {summary['left_out']}."] if summary["left_out"] else []
    return "".join([*notes, *(f"\n\nNote: {one_line(note)}." for note in summary["notes"])])


def _row(title: str, score: dict[str, Any]) -> str:
    std = score["uar_std_over_seeds"]
    low, high = score["uar_interval"]
    return (
        f"| {title} | **{100 * score['uar']:.1f}** | {'' if std is None else f'± {100 * std:.1f}'} "
        f"| ± {100 * score['uar_std_over_speakers']:.1f} | {100 * low:.1f} to {100 * high:.1f} "
        f"| {100 * score['accuracy']:.1f} | {score['ece']:.3f} |"
    )


def _settings(summary: dict[str, Any]) -> str:
    parts = []
    for name, recipe in summary["recipes"].items():
        if len(summary["recipes"]) > 1:
            parts.append(f"\nRecipe {name}:\n")
        for part in ("mfcc", "silence", "network", "fit"):
            values = {**(recipe[part] or {})}
            values.update({f"augment.{k}": v for k, v in values.pop("augment", {}).items()})
            parts.append(f"- {part}: " + ", ".join(f"{k} {v}" for k, v in values.items()))
        if recipe["fit"]["teaching"]:
            parts.append(
                "- the network that is taught: twice that offset, 1.5 times that vocal_tract"
            )
    return "\n".join(parts).strip()
