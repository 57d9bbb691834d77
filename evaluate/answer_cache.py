"""Cache of the answers of finished folds, so that an interrupted evaluation continues."""

from __future__ import annotations

import hashlib
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np

from edge_runtime.files import atomic_replace

from .stranger_folds import CONDITIONS, SETTINGS, Answer, Condition, FoldTask

Answers = dict[Condition, Answer]


def answer_file(task: FoldTask, cache: Path) -> Path:
    """Return the file for the answers of a fold; its name depends on everything they depend on."""
    digest = hashlib.sha256(repr((task.corpus, task.tested, task.seed, SETTINGS)).encode())
    for values in astuple(task.clips):
        digest.update(np.ascontiguousarray(values).tobytes())
    name = f"strangers-answers-{task.features}-{task.corpus}-{digest.hexdigest()[:16]}.npz"
    return cache / name


def load_answers(file: Path) -> Answers | None:
    """Load the answers of a fold; None if it is not finished."""
    if not file.exists():
        return None
    answers = {}
    with np.load(file) as stored:
        for k, condition in enumerate(CONDITIONS):
            penalty, strength = (float(value) for value in stored[f"settings-{k}"])
            answers[condition] = Answer(
                stored[f"rows-{k}"],
                stored[f"probabilities-{k}"],
                penalty,
                None if np.isnan(strength) else strength,
            )
    return answers


def store_answers(file: Path, answers: Answers) -> None:
    """Store the answers of a fold."""
    arrays: dict[str, Any] = {}
    for k, condition in enumerate(CONDITIONS):
        answer = answers[condition]
        strength = np.nan if answer.strength is None else answer.strength
        arrays[f"rows-{k}"] = answer.rows
        arrays[f"probabilities-{k}"] = answer.probabilities
        arrays[f"settings-{k}"] = np.array([answer.penalty, strength])
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_replace(file) as temporary, open(temporary, "wb") as out:
        np.savez(out, **arrays)
