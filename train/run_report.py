"""What a training found, as JSON and as a page."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.special import softmax
from torch.nn.functional import cross_entropy

from edge_runtime.terminal import one_line

from .calibration import choose_threshold, coverage_curve, coverage_markdown, reliability
from .corpora import speaker_group
from .features import Dataset
from .fit import Fit, summary
from .metrics import confusion_markdown, scores
from .predict import predict
from .recordings import corpora_of, left_out_of
from .splits import Split


def run_report(dataset: Dataset, split: Split, result: Fit) -> dict[str, Any]:
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
        "left_out": left_out_of(dataset),
    }


def run_markdown(report: dict[str, Any], labels: list[str]) -> str:
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
- Left out: {report['left_out'] or 'nothing'}

{confusion_markdown(test['confusion'], labels)}

| threshold | answered % | of those right % |
|---:|---:|---:|
{coverage_markdown(report['calibration']['coverage'])}

![training](curves.png)
![calibration](calibration.png)
"""
