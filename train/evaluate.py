"""Protocols: every speaker is scored once, by a network that has never met them.

Nested: of the speakers that are not tested, some choose the epoch and the temperature, the others
are trained on. Nothing is chosen on the test speakers.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from edge_runtime import MfccConfig

from .features import Dataset
from .files import write_json, write_text
from .fit import FitConfig, fit, predict
from .metrics import confusion_markdown, scores
from .network import NetworkConfig
from .session import corpora_of, open_dataset
from .splits import actor_folds, hold_out, leave_one_speaker_out

PROTOCOLS = {"loso": leave_one_speaker_out, "actor-folds": actor_folds}
VALIDATION_SHARE = 0.2


def evaluate(
    data: list[Path], protocol: str, report: Path, *, labels: list[str] | None,
    speaker_pattern: str | None, mfcc: MfccConfig, cache: Path, resume: bool,
    network: NetworkConfig, config: FitConfig,
) -> dict[str, Any]:
    """Run a protocol and write `report`.json and `report`.md."""
    torch.set_num_threads(1)
    dataset = open_dataset(data, labels, speaker_pattern, mfcc, cache)
    folds = PROTOCOLS[protocol](dataset.clips)
    network = replace(network, n_mfcc=mfcc.n_mfcc, n_classes=len(dataset.labels))
    settings = {
        "protocol": protocol, "labels": dataset.labels, "mfcc": mfcc.to_dict(),
        "network": asdict(network), "fit": asdict(config), "corpora": corpora_of(dataset),
    }
    progress_file = report.with_suffix(".folds.json")
    done = _finished_folds(progress_file, settings) if resume else []
    for k, test in enumerate(tqdm(folds, desc=protocol, unit="fold", disable=None)):
        if k < len(done):
            continue
        done.append(_score_fold(dataset, test, network, config, k))
        write_json(progress_file, {"settings": settings, "folds": done})
        fold = done[-1]
        print(
            f"Fold {k + 1}/{len(folds)}: {', '.join(fold['speakers'])}: epoch "
            f"{fold['best_epoch']}, validation UAR {100 * fold['val_uar']:.1f}%, "
            f"test UAR {100 * fold['test']['uar']:.1f}%", flush=True,
        )
    result = {**settings, **_totals(done, dataset.labels), "folds": done}
    write_json(report.with_suffix(".json"), result)
    write_text(report.with_suffix(".md"), _markdown(result))
    progress_file.unlink()
    print(
        f"UAR {100 * result['test']['uar']:.1f}%, accuracy {100 * result['test']['accuracy']:.1f}%"
        f" over {result['test']['clips']} clips: {report.with_suffix('.md')}"
    )
    return result


def _score_fold(
    dataset: Dataset, test: list[int], network: NetworkConfig, config: FitConfig, k: int
) -> dict[str, Any]:
    rest = sorted(set(range(len(dataset.clips))) - set(test))
    val, _ = hold_out(dataset.clips, rest, VALIDATION_SHARE, seed=config.seed * 1000 + k)
    train = sorted(set(rest) - set(val))
    result = fit(dataset, train, val, dataset.labels, network, config)
    targets = np.array([dataset.labels.index(dataset.clips[i].label) for i in test])
    predictions = predict(result.network, dataset, test).argmax(axis=1)
    return {
        "speakers": sorted({str(dataset.clips[i].speaker) for i in test}),
        "validation_speakers": sorted({str(dataset.clips[i].speaker) for i in val}),
        "best_epoch": result.best_epoch, "epochs": len(result.history),
        "val_uar": result.history[result.best_epoch - 1]["val_uar"],
        "targets": targets.tolist(), "predictions": predictions.tolist(),
        "test": scores(targets, predictions, dataset.labels),
    }


def _finished_folds(path: Path, settings: dict[str, Any]) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    stored = json.loads(path.read_text(encoding="utf-8"))
    # Folds of another recipe would be mixed into this one's score.
    return stored["folds"] if stored["settings"] == settings else []


def _totals(folds: list[dict[str, Any]], labels: list[str]) -> dict[str, Any]:
    targets = np.concatenate([fold["targets"] for fold in folds])
    predictions = np.concatenate([fold["predictions"] for fold in folds])
    uars = [fold["test"]["uar"] for fold in folds]
    return {
        "test": scores(targets, predictions, labels),
        "uar_over_folds": {"mean": float(np.mean(uars)), "std": float(np.std(uars, ddof=1))},
    }


def _markdown(result: dict[str, Any]) -> str:
    test, spread = result["test"], result["uar_over_folds"]
    corpora = ", ".join(f"{row['name']} ({row['clips']} clips, {row['speakers']} speakers)"
                        for row in result["corpora"])
    recalls = "\n".join(f"| {label} | {100 * r:.1f} |" for label, r in test["recall"].items())
    folds = "\n".join(
        f"| {', '.join(fold['speakers'])} | {fold['test']['clips']} | {fold['best_epoch']} "
        f"| {100 * fold['val_uar']:.1f} | {100 * fold['test']['uar']:.1f} |"
        for fold in result["folds"]
    )
    return f"""# {result['protocol']}: {corpora}

UAR **{100 * test['uar']:.1f} %**, accuracy {100 * test['accuracy']:.1f} % over all \
{test['clips']} clips; per fold UAR {100 * spread['mean']:.1f} ± {100 * spread['std']:.1f}. \
Speaker-independent: the epoch of each fold was chosen on {100 * VALIDATION_SHARE:.0f} % of the \
training speakers.

Network: pooling {result['network']['pooling']}, hop {result['mfcc']['hop_length']} samples; \
offsets {result['fit']['augment']['offset']}, speed {result['fit']['augment']['speed']}; \
seed {result['fit']['seed']}.

| label | recall |
|---|---:|
{recalls}

{confusion_markdown(test['confusion'], result['labels'])}

| test speakers | clips | epoch | validation UAR | test UAR |
|---|---:|---:|---:|---:|
{folds}
"""
