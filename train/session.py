"""A whole training from recordings to a run folder: scan, split, fit, score, report."""

from __future__ import annotations

import csv
import io
import platform
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import expit, softmax
from torch.nn.functional import cross_entropy

from edge_runtime import __version__
from edge_runtime.terminal import one_line

from . import plots
from .calibration import choose_threshold, coverage_curve, coverage_markdown, reliability
from .corpora import LICENCES, Clip, DatasetError, canonical_label, scan, speaker_group, spellings
from .features import Dataset, load_dataset
from .files import alone_in, write_json, write_text
from .fit import Fit, fit, summary
from .metrics import confusion_markdown, confusion_text, scores
from .noise import noise_features
from .predict import predict
from .recipe import Recipe
from .runs import SETTINGS, SPLIT, STATE, begin, run_folder, save_checkpoint
from .splits import (
    SPEAKER_INDEPENDENT,
    Split,
    inner_folds,
    make_split,
    notes_on_labels,
)

SHOWN = 20  # lines about clips that are left out; report.json has them all

# The probability of speech below which a model answers "no speech", unless more than this share of
# the validation speakers' clips would be lost by that.
SPEECH_ABOVE = 0.97
LARGEST_LOSS = 0.01


def train_run(
    data: list[Path], *, recipe: Recipe, labels: list[str] | None,
    auxiliary: list[str], speaker_pattern: str | None, noise: list[Path], inner: int,
    run: Path | None, runs: Path, cache: Path, resume: bool, device: str,
) -> Path:
    """Train on the recordings in `data` and return the run folder.

    `inner` sets of speakers choose the epoch in turn, where the data do not name who does.
    """
    torch.set_num_threads(1)  # faster for so small a network, and the same weights everywhere
    dataset = open_dataset(data, labels, auxiliary, speaker_pattern, recipe, cache, noise)
    split = make_split(dataset.clips, seed=recipe.fit.seed, answered=dataset.labels)
    split = replace(split, test=dataset.answerable(split.test))
    notes = notes_on_labels(dataset.clips, split, dataset.labels)
    split = replace(split, notes=(*dataset.notes, *split.notes, *notes))
    for note in split.notes:
        say(f"Note: {note}")
    recipe = recipe.sized(len(dataset.labels))
    choosing = _choosing(dataset, split, inner, recipe.fit.seed)
    about = {
        SETTINGS: _settings(data, dataset, recipe), SPLIT: _split_json(dataset, split, choosing),
    }
    folder = run_folder(run, runs, resume)
    with alone_in(folder):
        begin(folder, about, resume)
        return _train(folder, dataset, split, choosing, recipe, resume, device)


def _train(
    folder: Path, dataset: Dataset, split: Split, choosing: list[list[int]], recipe: Recipe,
    resume: bool, device: str,
) -> Path:
    result = fit(
        dataset, sorted(split.train + split.val), choosing, recipe.network, recipe.fit,
        device=device, state_file=folder / STATE, resume=resume, log=print,
    )
    write_text(folder / "metrics.csv", csv_of(result.history))
    plots.curves(result.history, result.best_epoch, folder / "curves.png")
    report = _report(dataset, split, result)
    shape = report["calibration"]
    plots.calibration(
        shape["bins"], shape["coverage"], shape["threshold"], folder / "calibration.png"
    )
    save_checkpoint(
        folder, result.network, recipe.mfcc, recipe.silence, dataset.labels,
        temperature=result.temperature, uncertain_below=shape["threshold"],
        speech_above=_speech_above(result),
        corpora=corpora_of(dataset), licence=licence_of(dataset),
        scores={
            "split": split.kind, "test": report["test"],
            "test_uar_by_corpus": report["test_uar_by_corpus"],
            "test_uar_by_group": report["test_uar_by_group"],
        },
        clips=[
            [str(clip.path), clip.label] for clip in dataset.clips
            if clip.label not in dataset.auxiliary
        ],
    )
    write_json(folder / "report.json", report)
    write_text(folder / "report.md", _report_markdown(report, dataset.labels))
    print(confusion_text(report["test"]["confusion"], dataset.labels))
    if split.kind != "speaker-independent":
        print(f"The split is {split.kind}: read the score as optimistic.")
    left_out = left_out_of(dataset)
    if left_out:
        print(f"Left out: {left_out}; report.json names them")
    say(f"Run folder: {folder}")
    return folder


def _choosing(dataset: Dataset, split: Split, inner: int, seed: int) -> list[list[int]]:
    """Who chooses the epoch: the validation clips; or, where speakers are known and the data do not
    name who it is, `inner` sets of the speakers that are not tested, one after the other."""
    named = any(clip.split == "val" for clip in dataset.clips)
    if inner == 1 or named or split.kind != SPEAKER_INDEPENDENT:
        return [split.val]
    among = sorted(split.train + split.val)
    folds = inner_folds(dataset.clips, among, inner, seed, dataset.labels)
    return folds if len(folds) > 1 else [split.val]


def _settings(data: list[Path], dataset: Dataset, recipe: Recipe) -> dict[str, Any]:
    return {
        "data": [str(path) for path in data], "labels": dataset.labels,
        "auxiliary": sorted(dataset.auxiliary), "noises": len(dataset.noises), **recipe.to_dict(),
        "versions": {
            "edge-ser": __version__, "torch": torch.__version__, "numpy": np.__version__,
            "python": platform.python_version(),
        },
    }


def open_dataset(
    data: list[Path], labels: list[str] | None, auxiliary: list[str],
    speaker_pattern: str | None, recipe: Recipe, cache: Path, noise: list[Path],
) -> Dataset:
    """Scan, compute features, and say what was found and what was left out.

    `labels` are answered (None: all but the auxiliary ones); `auxiliary` are trained on alone
    (["all"]: all others). `noise`: folders of recordings without speech, beside the noise that is
    synthesised, for networks that learn to tell it from speech.
    """
    others = {canonical_label(label) for label in auxiliary}
    if "all" in others and labels is None:
        raise DatasetError("--auxiliary all: say with --labels which labels are answered")
    wanted = None if labels is None or "all" in others else {*labels, *others}
    clips = scan(data, labels=wanted, speaker_pattern=speaker_pattern)
    found = {clip.label for clip in clips}
    answered = found - others if labels is None else {canonical_label(label) for label in labels}
    unknown = (answered | others) - found - {"all"}
    if unknown or len(answered) < 2:
        raise DatasetError(
            f"the labels that occur are {', '.join(sorted(found))}; "
            + (f"not {', '.join(sorted(unknown))}" if unknown else "two or more must be answered")
        )
    dataset = load_dataset(clips, recipe.mfcc, cache, recipe.silence)
    dataset.auxiliary = frozenset(found - answered)
    if recipe.network.speech:
        dataset.noises = noise_features(recipe.mfcc, recipe.silence, noise)
    dataset.notes = tuple(spellings(clips))
    for what, lines in (("Skipped", dataset.unreadable), ("Duplicate", dataset.duplicates)):
        for line in lines[:SHOWN]:
            say(f"{what}: {line}")
        if len(lines) > SHOWN:
            print(f"{what}: … and {len(lines) - SHOWN:,} more")
    if dataset.unreadable:
        print(f"{len(dataset.unreadable):,} of {len(clips):,} clips cannot be used")
    for corpus in corpora_of(dataset):
        counts = ", ".join(f"{label} {count}" for label, count in corpus["labels"].items())
        say(
            f"{corpus['name']}: {corpus['clips']} clips, {corpus['speakers'] or 'unknown'} "
            f"speakers, {corpus['minutes']} min ({counts})"
        )
    return dataset


def corpora_of(dataset: Dataset) -> list[dict[str, Any]]:
    """A row per corpus, in the order of their names."""
    rows = []
    for corpus in sorted({clip.corpus for clip in dataset.clips}):
        inside = [i for i, clip in enumerate(dataset.clips) if clip.corpus == corpus]
        counts = Counter(dataset.clips[i].label for i in inside)
        rows.append(
            {
                "name": corpus, "clips": len(inside),
                "speakers": len({dataset.clips[i].speaker for i in inside} - {None}),
                "minutes": round(sum(dataset.seconds[i] for i in inside) / 60, 1),
                "labels": {label: counts[label] for label in sorted(counts)},
                "licence": LICENCES.get(corpus, "that of the recordings"),
            }
        )
    return rows


def licence_of(dataset: Dataset) -> str:
    """What the corpora impose on the weights."""
    rows = corpora_of(dataset)
    sources = "; ".join(f"{row['name']}: {row['licence']}" for row in rows)
    if any("NC" in row["licence"] for row in rows):
        return (
            "Non-commercial use only: corpora and weights are non-commercial, because the weights "
            f"inherit the restriction of the corpora that they were trained on ({sources})"
        )
    return f"The licences of the recordings apply ({sources})"


def left_out_of(dataset: Dataset) -> str:
    """How many clips were not used, empty where all were."""
    counts = {"unreadable": len(dataset.unreadable), "duplicates": len(dataset.duplicates)}
    return ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)


def say(line: str) -> None:
    """Print what may hold names of files: one line, whatever they hold."""
    print(one_line(line))


def _split_json(
    dataset: Dataset, split: Split, choosing: list[list[int]]
) -> dict[str, Any]:
    def names(indices: list[int]) -> dict[str, Any]:
        clips: list[Clip] = [dataset.clips[i] for i in indices]
        return {
            "speakers": sorted({clip.speaker for clip in clips if clip.speaker is not None}),
            "clips": [str(clip.path) for clip in clips],
        }

    about = {"kind": split.kind, "notes": list(split.notes), "test": names(split.test)}
    if choosing == [split.val]:
        return {**about, "train": names(split.train), "val": names(split.val)}
    return {
        **about, "train": names(sorted(split.train + split.val)),
        "choose the epoch in turn": [names(fold)["speakers"] for fold in choosing],
    }


def _report(dataset: Dataset, split: Split, result: Fit) -> dict[str, Any]:
    labels = dataset.labels
    targets = np.array([labels.index(dataset.clips[i].label) for i in split.test])
    logits = predict(result.network, dataset.frames, split.test)[:, :-1]
    predictions = logits.argmax(axis=1)
    test = scores(targets, predictions, labels)
    clips = [dataset.clips[i] for i in split.test]

    def by(kinds: list[str]) -> dict[str, float]:
        """The UAR of the test clips of each kind."""
        masks = {kind: np.array(kinds) == kind for kind in sorted(set(kinds))}
        return {
            kind: scores(targets[mask], predictions[mask], labels)["uar"]
            for kind, mask in masks.items()
        }

    loss = float(cross_entropy(torch.from_numpy(logits), torch.from_numpy(targets)))
    print(summary("Test set", loss, test))
    # The threshold is chosen on the speakers that chose the epoch; what it costs and brings is
    # told of the test speakers.
    val_targets = np.array([labels.index(dataset.clips[i].label) for i in result.unseen])
    val = softmax(result.logits / result.temperature, axis=1)
    probabilities = softmax(logits / result.temperature, axis=1)
    calibration = {
        **reliability(probabilities, targets),
        "coverage": coverage_curve(probabilities, targets),
        "threshold": choose_threshold(coverage_curve(val, val_targets)),
    }
    return {
        "corpora": corpora_of(dataset), "split": split.kind, "notes": list(split.notes),
        "clips": {
            "train": len(split.train + split.val), "choosing": len(result.unseen),
            "test": len(split.test),
        },
        "parameters": result.network.n_parameters(), "best_epoch": result.best_epoch,
        "epochs": len(result.history), "temperature": result.temperature,
        "val_uar": result.history[result.best_epoch - 1]["val_uar"], "test": test,
        "test_uar_by_corpus": by([clip.corpus for clip in clips]),
        "test_uar_by_group": by([speaker_group(clip.speaker) for clip in clips]),
        "test_speakers": sorted({str(dataset.clips[i].speaker) for i in split.test}),
        "calibration": calibration,
        "duplicates": dataset.duplicates, "unreadable": dataset.unreadable,
    }


def _speech_above(result: Fit) -> float:
    if not result.network.config.speech:
        return 0.0
    speech = expit(result.speech_logits)
    return min(SPEECH_ABOVE, round(float(np.quantile(speech, LARGEST_LOSS)), 4))


def _report_markdown(report: dict[str, Any], labels: list[str]) -> str:
    test = report["test"]
    corpora = "\n".join(
        f"| {row['name']} | {row['clips']} | {row['speakers'] or 'unknown'} | {row['minutes']} "
        f"| {row['licence']} |"
        for row in report["corpora"]
    )
    recalls = ", ".join(f"{label} {100 * r:.1f}" for label, r in test["recall"].items())
    by_corpus = ", ".join(
        f"{corpus} {100 * uar:.1f} %" for corpus, uar in report["test_uar_by_corpus"].items()
    )
    by_group = ", ".join(
        f"{group} {100 * uar:.1f} %" for group, uar in report["test_uar_by_group"].items()
    )
    notes = "".join(f"\n- Note: {one_line(note)}" for note in report["notes"])
    return f"""# Training report

| corpus | clips | speakers | minutes | licence |
|---|---:|---:|---:|---|
{corpora}

- Split: {report['split']}; {report['clips']['train']} clips to train on, of which \
{report['clips']['choosing']} chose the epoch before, {report['clips']['test']} to score{notes}
- Parameters: {report['parameters']:,}
- Epoch {report['best_epoch']} of {report['epochs']}, validation UAR {100 * report['val_uar']:.1f} %
- Test UAR {100 * test['uar']:.1f} %, accuracy {100 * test['accuracy']:.1f} %; recall: {recalls}
- Test UAR by corpus: {by_corpus}; by speakers: {by_group}
- Expected calibration error {report['calibration']['ece']:.3f}; below a confidence of \
{report['calibration']['threshold']:.2f} the answer is "uncertain"
- Left out: {len(report['duplicates'])} duplicates, {len(report['unreadable'])} unreadable

{confusion_markdown(test['confusion'], labels)}

| threshold | answered % | of those right % |
|---:|---:|---:|
{coverage_markdown(report['calibration']['coverage'])}

![training](curves.png)
![calibration](calibration.png)
"""


def csv_of(history: list[dict[str, float]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, history[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return out.getvalue()
