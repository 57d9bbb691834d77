"""What each choice of the recipe brings: variations of it, scored on validation speakers.

The test speakers of the protocols are not touched: of the folds that `--protocol actor-folds`
makes, each network is trained and scored on the training and the validation speakers alone. No
epoch is chosen: the score is the mean over the last epochs.
"""

from __future__ import annotations

import json
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from .corpora import scan
from .evaluate import worker
from .features import load_dataset
from .files import write_json, write_text
from .fit import choose_epoch
from .noise import noise_features
from .recipe import BASELINE, BETTER, Recipe
from .splits import actor_folds, inner_folds

LAST_EPOCHS = 5
SHORT = BETTER.with_settings(["epochs=40"])
MFCC = SHORT.mfcc

REFERENCE = "the recipe"

VARIATIONS: dict[str, Recipe] = {
    REFERENCE: SHORT,
    "60 epochs": SHORT.with_settings(["epochs=60"]),
    "40 bands up to 8 kHz": replace(SHORT, mfcc=replace(MFCC, n_mels=40, fmax=None)),
    "40 bands up to 4 kHz": replace(SHORT, mfcc=replace(MFCC, n_mels=40)),
    "16 bands up to 8 kHz": replace(SHORT, mfcc=replace(MFCC, fmax=None)),
    "silence kept": replace(SHORT, silence=None),
    "2 LSTM layers of 128": SHORT.with_settings(["hidden_size=128"]),
    "mean over time": SHORT.with_settings(["pooling=mean"]),
    "no residual": SHORT.with_settings(["residual=false"]),
    "no other vocal tracts": SHORT.with_settings(["vocal_tract=0"]),
    "offsets of 0.5": SHORT.with_settings(["offset=0.5"]),
    "added noise": SHORT.with_settings(["noise=0.5"]),
    "no label smoothing": SHORT.with_settings(["label_smoothing=0"]),
    "learning rate 0.002": SHORT.with_settings(["learning_rate=0.002"]),
    "the baseline": BASELINE.with_settings(["epochs=40"]),
}


def choices(data: Path, report: Path, *, names: list[str], folds: int, jobs: int, cache: Path,
            resume: bool) -> None:
    """Train every variation (or those in `names`) on `folds` folds and write `report`.json/.md."""
    done = _load(report.with_suffix(".json")) if resume else {}
    tasks = [
        (name, fold, data, cache) for name in names or VARIATIONS for fold in range(folds)
        if str(fold) not in done.get(name, {})
    ]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max(1, min(jobs, len(tasks))), context, worker) as pool:
        for name, fold, score in tqdm(
            pool.map(_score, tasks), total=len(tasks), unit="training", disable=None
        ):
            done.setdefault(name, {})[str(fold)] = score
            print(f"{name}, fold {fold + 1}: {100 * score:.1f}%", flush=True)
            write_json(report.with_suffix(".json"), done)
    write_text(report.with_suffix(".md"), _markdown(done))


def _score(task: tuple[str, int, Path, Path]) -> tuple[str, int, float]:
    name, fold, data, cache = task
    recipe = VARIATIONS[name]
    dataset = load_dataset(scan([data]), recipe.mfcc, cache, recipe.silence)
    if recipe.network.speech:
        dataset.noises = noise_features(recipe.mfcc, recipe.silence, [])
    test = actor_folds(dataset.clips)[fold]
    rest = sorted(set(range(len(dataset.clips))) - set(test))
    (val,) = inner_folds(dataset.clips, rest, 1, seed=fold)
    result = choose_epoch(
        dataset, rest, [val], recipe.sized(len(dataset.labels)).network, recipe.fit
    )
    return name, fold, float(np.mean([row["val_uar"] for row in result.history[-LAST_EPOCHS:]]))


def _load(path: Path) -> dict[str, dict[str, float]]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _markdown(done: dict[str, dict[str, float]]) -> str:
    reference = done[REFERENCE]
    rows = "\n".join(
        f"| {name} | {100 * np.mean(list(scores.values())):.1f} "
        f"| {100 * np.mean([score - reference[fold] for fold, score in scores.items()]):+.1f} "
        f"| {', '.join(f'{100 * score:.1f}' for _, score in sorted(scores.items()))} |"
        for name, scores in done.items()
    )
    return f"""# What each choice brings

`python -m train choices`: UAR of the validation speakers, RAVDESS, 8 classes, one seed, mean of \
the last {LAST_EPOCHS} epochs. One change at a time; the test speakers of the folds are not heard. \
The same variations trained a second time with other draws differed by up to 2.5 points, and their \
differences by up to 4, so that smaller ones say nothing. Differences are over the \
folds that a variation was trained on.

| variation | UAR % | difference | folds |
|---|---:|---:|---|
{rows}
"""
