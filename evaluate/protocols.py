"""Speaker-independent evaluation by nested cross-validation.

In each fold, the epoch and the temperature are selected on validation speakers, in turn. The final
network is then trained on all speakers but the test speakers, on whom nothing is selected. The
exported int8 model is scored next to the PyTorch network, because it is what devices run.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edge_runtime.inference.network import Network
from edge_runtime.messages import printable
from edge_runtime.scoring.metrics import scores
from train.candidates import Candidate, open_candidates, settings_of
from train.checkpoint import load_checkpoint
from train.data.features import Dataset
from train.data.splits import SPEAKER_INDEPENDENT
from train.dataset import DatasetSpec, corpus_summaries, left_out_summary
from train.files import folder_lock, report_path, with_extra_suffix, write_json, write_text
from train.gate_training import fit_gate
from train.model_selection import fit_best
from train.network import EmotionLSTM
from train.parallel_training import TaskLog, jobs_text, train_in_processes
from train.predict import predict
from train.progress import epochs_of, plan_text
from train.protocol import RESULT, check_folders, missing_label_notes
from train.recipes import Recipe
from train.run_folder import SETTINGS, SPLIT, STATE, read_json, remove_states
from train.run_report import Partition, write_run
from train.speech_gate import is_no_speech

from .report import check_replaceable, write_report
from .scores import SPEAKER_VARIANTS, summarize
from .tasks import ProtocolTask, protocol_tasks, splits_of

_LOGGER = logging.getLogger(__name__)


def run_protocol(
    spec: DatasetSpec,
    protocol: str,
    report: Path,
    *,
    recipes: Mapping[str, Recipe],
    inner: int,
    seeds: int,
    jobs: int,
    runs: Path,
    resume: bool,
    device: str,
    quiet: bool = False,
) -> dict[str, Any]:
    """Run a protocol and write its report: `report`.json, .md, splits and figures.

    Args:
        spec: The recordings.
        protocol: A key of `train.protocol.PROTOCOLS`.
        report: The report, without suffix.
        recipes: Recipes by name. If there are several, each fold selects one.
        inner: Number of validation folds, which select the epoch and the recipe.
        seeds: Number of seeds, from that of the recipes on.
        jobs: Trainings at a time, one thread each; 0: one per core.
        runs: Folder of the run folders, one for each training.
        resume: Keep finished trainings in `runs`, and resume those that were interrupted.
        device: Torch device.
        quiet: Print no progress.

    Returns:
        The report; see `scores.summarize`.

    Raises:
        DatasetError: If the recordings cannot be used with the protocol.
        RunError: If other results would be overwritten.
    """
    report = report_path(report)
    candidates = open_candidates(recipes, spec)
    dataset = candidates[0].data
    first_seed = candidates[0].recipe.fit.seed
    seed_range = range(first_seed, first_seed + seeds)
    about = {
        "protocol": protocol,
        "labels": dataset.labels,
        "auxiliary": sorted(dataset.auxiliary),
        **settings_of(candidates),
        "seeds": seeds,
        "inner": inner,
        "corpora": corpus_summaries(dataset),
    }
    check_replaceable(report, about, seed_range)
    tasks = list(protocol_tasks(candidates, protocol, inner, seed_range, runs))
    notes = [*dataset.notes, *missing_label_notes(dataset, [task.fold for task in tasks])]
    for note in notes:
        _LOGGER.info("%s", printable(f"Note: {note}"))
    with folder_lock(runs):
        results = run_tasks(tasks, candidates, runs, jobs, resume, device, quiet)
    left_out = left_out_summary(dataset)
    about |= {
        "notes": notes,
        "left_out": left_out,
        "unreadable": dataset.unreadable,
        "duplicates": dataset.duplicates,
    }
    summary = summarize(about, results)
    write_report(summary, report, splits_of(dataset, tasks))
    _LOGGER.info(
        "UAR %.1f%% (int8): %s", 100 * summary["int8"]["uar"], with_extra_suffix(report, ".md")
    )
    if left_out:
        _LOGGER.info("Left out: %s; see %s", left_out, with_extra_suffix(report, ".json"))
    return summary


def run_tasks(
    tasks: list[ProtocolTask],
    candidates: list[Candidate],
    runs: Path,
    jobs: int,
    resume: bool,
    device: str,
    quiet: bool = False,
) -> list[dict[str, Any]]:
    """Run the trainings that are not finished and return the results of all of them.

    Raises:
        RunError: If `runs` contains trainings and `resume` is False, or contains other trainings.
    """
    check_folders(tasks, runs, resume)
    pending = [task for task in tasks if not task.is_done()]
    if pending and not quiet:
        _LOGGER.info("%s", _plan(tasks, pending, candidates, jobs))
    for result in train_in_processes(
        _run_task,
        pending,
        candidates,
        jobs=jobs,
        device=device,
        n_epochs=sum(epochs_of(candidates, len(task.fold.validation_folds)) for task in pending),
        quiet=quiet,
    ):
        recipe = f"{result['recipe']}, " if len(candidates) > 1 else ""
        _LOGGER.info(
            "Fold %d, seed %d: %sepoch %d, validation UAR %.1f%%, test UAR %.1f%%",
            result["fold"] + 1,
            result["seed"],
            recipe,
            result["best_epoch"],
            100 * result["val_uar"],
            100 * result["uar"]["int8"],
        )
    return [read_json(task.folder / RESULT) for task in tasks]


def _plan(
    tasks: list[ProtocolTask], pending: list[ProtocolTask], candidates: list[Candidate], jobs: int
) -> str:
    """Return what is going to be trained, as text."""
    n_folds = len({task.fold.number for task in tasks})
    seeds = {task.seed for task in tasks}
    fold = pending[0].fold
    done = f", {len(tasks) - len(pending)} of them finished" if len(pending) < len(tasks) else ""
    each = plan_text(candidates, len(fold.validation_folds), len(fold.train))
    return (
        f"Planned: {len(tasks)} trainings ({n_folds} folds, {len(seeds)} "
        f"seed{'s' * (len(seeds) > 1)}){done}, {jobs_text(jobs, len(pending))}; the first one: "
        f"{each}"
    )


def _run_task(task: ProtocolTask, candidates: list[Candidate], device: str) -> dict[str, Any]:
    """Train and score one fold in its run folder."""
    with folder_lock(task.folder):
        return _train(task, candidates, device)


def _train(task: ProtocolTask, candidates: list[Candidate], device: str) -> dict[str, Any]:
    from export.card import make_card
    from export.graph import export_fp32, export_int8

    folder, fold = task.folder, task.fold
    (folder / RESULT).unlink(missing_ok=True)
    write_json(folder / SETTINGS, task.settings)
    parts = Partition(SPEAKER_INDEPENDENT, (), fold.train, fold.validation_folds, fold.test)
    write_json(folder / SPLIT, parts.to_json(candidates[0].data))
    log = TaskLog(epochs_of(candidates, len(fold.validation_folds)))
    chosen = fit_best(
        [candidate.seeded(task.seed) for candidate in candidates],
        fold.train,
        fold.validation_folds,
        device=device,
        state_file=folder / STATE,
        resume=True,
        log=log,
    )
    log.finish()
    dataset, result = chosen.candidate.data, chosen.fit
    write_text(folder / "log.txt", "\n".join(log.lines) + "\n")
    report = write_run(folder, parts, chosen, fit_gate(chosen.candidate, fold.train, fold.test))
    network, stored = load_checkpoint(folder)
    fp32, int8 = folder / "model.fp32.onnx", folder / "model.int8.onnx"
    export_fp32(network, make_card(network, stored, "fold", "none"), fp32)
    export_int8(fp32, make_card(network, stored, "fold", "int8"), int8)
    entry = {
        "fold": fold.number,
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
        **_test_results(dataset, task, network, Network.load(int8)),
    }
    write_json(folder / RESULT, entry)
    remove_states(folder)
    return entry


def _test_results(
    dataset: Dataset, task: ProtocolTask, network: EmotionLSTM, model: Network
) -> dict[str, Any]:
    """Return targets, logits and UAR of the test clips for every variant of the model."""
    from export.outputs import torch_speech
    from train.enrolment import logits_with_adaptation, logits_with_profiles

    test = task.fold.test
    clips = [dataset.clips[i] for i in test]
    targets = np.array([dataset.labels.index(clip.label) for clip in clips])
    statistics = dataset.statistics
    outputs = [
        model.run(dataset.frames[i], statistics=None if statistics is None else statistics[i])
        for i in test
    ]
    int8 = np.stack([output.logits for output in outputs])
    fp32 = predict(network, dataset.frames, test, statistics=statistics)
    levels = [dataset.peak_dbfs[i] for i in test]
    no_speech = {
        name: is_no_speech(np.asarray(speech), levels, model.card.speech_above)
        for name, speech in (
            ("fp32", torch_speech(network, model.card, dataset, test)),
            ("int8", [model.clip_speech(dataset.rows[i]) for i in test]),
        )
    }
    for name in SPEAKER_VARIANTS:  # they change the logits of the emotions only
        no_speech[name] = no_speech["int8"]
    logits = {
        "fp32": fp32,
        "int8": int8,
        "profile": logits_with_profiles(model, dataset, test, int8, task.seed),
        "adapting": logits_with_adaptation(model, dataset, test, int8, task.seed),
    }
    return {
        "clips": [clip.path.name for clip in clips],
        "speakers": [str(clip.speaker) for clip in clips],
        "corpora": [clip.corpus for clip in clips],
        "targets": targets.tolist(),
        "logits": {name: np.round(values, 4).tolist() for name, values in logits.items()},
        "no_speech": {name: values.tolist() for name, values in no_speech.items()},
        "uar": {
            name: scores(targets, values.argmax(axis=1), dataset.labels, no_speech[name])["uar"]
            for name, values in logits.items()
        },
    }
