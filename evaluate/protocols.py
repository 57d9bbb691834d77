"""Protocols: every speaker is scored by networks that have never met them.

Nested: of the speakers that are not tested, some at a time are left out of trainings that choose
the epoch and the temperature; the network that is scored is then trained on all of them. Nothing of
it is chosen on the test speakers. What ships is scored: each fold's network is exported, and the
answers of the int8 model stand beside those of PyTorch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edge_runtime.inference.network import Network
from train.data.clip import DatasetError
from train.data.features import Dataset
from train.data.splits import SPEAKER_INDEPENDENT
from train.data.folds import actor_folds, corpus_folds, inner_folds, leave_corpus_out, leave_one_speaker_out
from train.dataset import corpora_of, left_out_of, say
from train.files import folder_lock, report_path, with_extra_suffix, write_json, write_text
from train.model_selection import (
    Candidate,
    dataset_fingerprint,
    fit_best,
    open_candidates,
    settings_of,
)
from train.predict import predict
from train.process_pool import map_in_processes
from train.recipes import Recipe
from train.run_folder import SETTINGS, SPLIT, STATE, RunError, as_json, load_checkpoint, read_json
from train.run_report import Parts, write_run

from .report import check_replaceable, write_report
from .scores import FOLD_KEYS, VARIANTS, summarize

PROTOCOLS = {
    "loso": leave_one_speaker_out,
    "actor-folds": actor_folds,
    "leave-corpus-out": leave_corpus_out,
}
RESULT = "result.json"
ROWS = ("targets", "speakers", "corpora")  # one for each test clip
RESULT_KEYS = {"logits", *ROWS, *FOLD_KEYS}  # in every result, among others


@dataclass(frozen=True)
class Task:
    """One training of a protocol."""

    fold: int
    seed: int
    train: list[int]
    inner: list[list[int]]  # of those, who are left out in turn to choose the epoch
    test: list[int]
    settings: dict[str, Any]
    folder: Path


def evaluate(
    data: list[Path],
    protocol: str,
    report: Path,
    *,
    recipes: Mapping[str, Recipe],
    labels: list[str] | None,
    auxiliary: list[str],
    speaker_pattern: str | None,
    noise: list[Path],
    inner: int,
    seeds: int,
    jobs: int,
    runs: Path,
    cache: Path,
    resume: bool,
    device: str,
) -> dict[str, Any]:
    """Run a protocol and write `report`.json, `report`.md, its split and its pictures.

    Every training leaves a run folder below `runs`; `resume` keeps those that are finished and
    goes on with the one that is not. `inner` sets of speakers choose the epoch of each, and the
    recipe, where there are several `recipes`, by their names; `jobs` trainings run at a time, one
    thread each.
    """
    report = report_path(report)
    candidates = open_candidates(recipes, data, labels, auxiliary, speaker_pattern, cache, noise)
    dataset = candidates[0].data
    first = candidates[0].recipe.fit.seed
    wanted = range(first, first + seeds)
    about = {
        "protocol": protocol,
        "labels": dataset.labels,
        "auxiliary": sorted(dataset.auxiliary),
        **settings_of(candidates),
        "seeds": seeds,
        "inner": inner,
        "corpora": corpora_of(dataset),
    }
    check_replaceable(report, about, wanted)
    tasks = list(_tasks(candidates, protocol, inner, wanted, runs))
    notes = [*dataset.notes, *_notes(dataset, tasks)]
    for note in notes:
        say(f"Note: {note}")
    with folder_lock(runs):
        results = _results(tasks, candidates, runs, jobs, resume, device)
    about |= {
        "notes": notes,
        "left_out": left_out_of(dataset),
        "unreadable": dataset.unreadable,
        "duplicates": dataset.duplicates,
    }
    summary = summarize(about, results)
    write_report(summary, report, _splits_json(dataset, tasks))
    print(f"UAR {100 * summary['int8']['uar']:.1f}% (int8): {with_extra_suffix(report, '.md')}")
    if left_out_of(dataset):
        print(f"Left out: {left_out_of(dataset)}; the report names them")
    return summary


def _results(
    tasks: list[Task], candidates: list[Candidate], runs: Path, jobs: int, resume: bool, device: str
) -> list[dict[str, Any]]:
    """What all tasks found, those that were finished before included."""
    if not resume and any(
        (task.folder / RESULT).exists() or any(task.folder.glob(f"*{STATE}")) for task in tasks
    ):
        raise RunError(
            f"{runs}: holds trainings already; give --resume to keep them and go on, "
            "or another --runs"
        )
    others = [task for task in tasks if (task.folder / SETTINGS).exists() and not _begun(task)]
    if others:
        raise RunError(
            f"{others[0].folder}: holds a training of other settings or recordings, as "
            f"{len(others)} of {len(tasks)} folders do; give those of that time, or another --runs"
        )
    waiting = [task for task in tasks if not _done(task)]
    for result in map_in_processes(_run, waiting, jobs, _share, (candidates, device)):
        recipe = f"{result['recipe']}, " if len(candidates) > 1 else ""
        print(
            f"Fold {result['fold'] + 1}, seed {result['seed']}: {recipe}epoch "
            f"{result['best_epoch']}, "
            f"validation UAR {100 * result['val_uar']:.1f}%, test UAR "
            f"{100 * result['uar']['int8']:.1f}%",
            flush=True,
        )
    return [read_json(task.folder / RESULT) for task in tasks]


def _tasks(
    candidates: list[Candidate], protocol: str, inner: int, seeds: range, runs: Path
) -> Iterator[Task]:
    dataset = candidates[0].data
    for seed in seeds:
        recipes = settings_of([candidate.seeded(seed) for candidate in candidates])
        for k, test in enumerate(PROTOCOLS[protocol](dataset.clips)):
            if not dataset.answerable(test):
                continue  # speakers of auxiliary labels alone
            train = sorted(set(range(len(dataset.clips))) - set(test))
            folds = _inner(dataset, protocol, train, inner, seed * 1000 + k)
            if not folds:
                raise DatasetError(
                    f"fold {k + 1}: {', '.join(_speakers(dataset, test))} being tested, no "
                    "speakers are left who could choose the epoch besides those trained on; more "
                    "speakers are needed"
                )
            settings = {
                **recipes,
                "labels": dataset.classes,
                "inner": inner,
                "test": _names(dataset, test),
                **dataset_fingerprint(candidates, [*train, *test]),
            }
            folder = runs / f"fold-{k + 1:02d}-seed-{seed}"
            yield Task(k, seed, train, folds, dataset.answerable(test), settings, folder)


def _inner(
    dataset: Dataset, protocol: str, train: list[int], n_folds: int, seed: int
) -> list[list[int]]:
    """Who chooses the epoch: speakers, or where another corpus is asked for, other corpora."""
    if protocol == "leave-corpus-out":
        inside = [dataset.clips[i] for i in train]
        corpora = [[train[i] for i in fold] for fold in corpus_folds(inside)]
        if len(corpora) > 1:
            return [corpus for corpus in corpora if dataset.answerable(corpus)]
    return inner_folds(dataset.clips, train, n_folds, seed, dataset.labels)


def _notes(dataset: Dataset, tasks: list[Task]) -> list[str]:
    """Labels that some test speakers have and nobody else: no network can answer them."""
    alone: dict[str, list[str]] = {}
    for task in tasks:
        trained = {dataset.clips[i].label for i in task.train}
        for label in sorted({dataset.clips[i].label for i in task.test} - trained):
            where = ", ".join(_speakers(dataset, task.test))
            if where not in alone.setdefault(label, []):
                alone[label].append(where)
    return [
        f"{label!r} is in no training clip when {'; '.join(folds)} is tested, and counts as wrong "
        "there: more speakers of it are needed"
        for label, folds in sorted(alone.items())
    ]


def _begun(task: Task) -> bool:
    """Whether its folder is of this very training: folds of another recipe would be mixed into
    this one's score."""
    return read_json(task.folder / SETTINGS) == as_json(task.settings)


def _done(task: Task) -> bool:
    result = read_json(task.folder / RESULT)
    if not (_begun(task) and isinstance(result, dict) and result.keys() >= RESULT_KEYS):
        return False
    try:
        rows = [*(result[name] for name in ROWS), *(result["logits"][name] for name in VARIANTS)]
        return all(len(each) == len(task.test) for each in rows)
    except (KeyError, TypeError):  # damaged: trained again
        return False


_shared: dict[str, Any] = {}  # in a worker: what all of its tasks need


def _share(candidates: list[Candidate], device: str) -> None:
    _shared.update(candidates=candidates, device=device)


def _run(task: Task) -> dict[str, Any]:
    """Train one fold in its run folder and score it."""
    with folder_lock(task.folder):
        return _train(task, _shared["candidates"], _shared["device"])


def _train(task: Task, candidates: list[Candidate], device: str) -> dict[str, Any]:
    from export.graph import export_fp32, export_int8
    from export.pipeline import make_card

    folder = task.folder
    (folder / RESULT).unlink(missing_ok=True)
    write_json(folder / SETTINGS, task.settings)
    parts = Parts(SPEAKER_INDEPENDENT, (), task.train, task.inner, task.test)
    write_json(folder / SPLIT, parts.to_json(candidates[0].data))
    lines: list[str] = []
    chosen = fit_best(
        [candidate.seeded(task.seed) for candidate in candidates],
        task.train,
        task.inner,
        device=device,
        state_file=folder / STATE,
        resume=True,
        log=lines.append,
    )
    dataset, result = chosen.candidate.data, chosen.fit
    write_text(folder / "log.txt", "\n".join(lines) + "\n")
    report = write_run(folder, parts, chosen)
    _, stored = load_checkpoint(folder)
    fp32, int8 = folder / "model.fp32.onnx", folder / "model.int8.onnx"
    export_fp32(result.network, make_card(result.network, stored, "fold", "none"), fp32)
    export_int8(fp32, make_card(result.network, stored, "fold", "int8"), int8)
    model = Network.load(int8)
    answers = _answers(dataset, task, result.network, model)
    entry = {
        "fold": task.fold,
        "seed": task.seed,
        "recipe": chosen.candidate.name,
        "val_uar_by_recipe": chosen.val_uar,
        "best_epoch": result.best_epoch,
        "epochs": len(result.history),
        "val_uar": chosen.val_uar[chosen.candidate.name],
        "seconds": sum(row["seconds"] for row in result.history),
        "temperature": result.temperature,
        "profile_gain": result.profile_gain,
        "threshold": report["calibration"]["threshold"],
        "trained_by": f"torch {torch.__version__} on {device}",
        "bytes": int8.stat().st_size,
        **answers,
    }
    write_json(folder / RESULT, entry)
    return entry


def _answers(
    dataset: Dataset, task: Task, network: torch.nn.Module, model: Network
) -> dict[str, Any]:
    """Logits of the test clips by PyTorch, by the int8 model, and by it with speaker profiles."""
    from train.enrolment import logits_adapting, logits_with_profiles
    from train.metrics import scores

    clips = [dataset.clips[i] for i in task.test]
    targets = np.array([dataset.labels.index(clip.label) for clip in clips])
    int8 = np.stack([model.run(dataset.frames[i]).logits for i in task.test])
    logits = {
        "fp32": predict(network, dataset.frames, task.test)[:, :-1],
        "int8": int8,
        "profile": logits_with_profiles(model, dataset, task.test, int8, task.seed),
        "adapting": logits_adapting(model, dataset, task.test, int8, task.seed),
    }
    return {
        "clips": [clip.path.name for clip in clips],
        "speakers": [str(clip.speaker) for clip in clips],
        "corpora": [clip.corpus for clip in clips],
        "targets": targets.tolist(),
        "logits": {name: np.round(values, 4).tolist() for name, values in logits.items()},
        "uar": {
            name: scores(targets, values.argmax(axis=1), dataset.labels)["uar"]
            for name, values in logits.items()
        },
    }


def _splits_json(dataset: Dataset, tasks: list[Task]) -> list[dict[str, Any]]:
    return [
        {
            "fold": task.fold + 1,
            "seed": task.seed,
            "train": _speakers(dataset, task.train),
            "choose the epoch in turn": [_speakers(dataset, fold) for fold in task.inner],
            "test": _speakers(dataset, task.test),
        }
        for task in tasks
    ]


def _speakers(dataset: Dataset, indices: list[int]) -> list[str]:
    return sorted({str(dataset.clips[i].speaker) for i in indices})


def _names(dataset: Dataset, indices: list[int]) -> list[str]:
    return [dataset.clips[i].path.name for i in indices]
