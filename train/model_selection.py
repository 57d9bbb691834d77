"""Selection of the epoch and the recipe by cross-validation on held-out speakers.

The front end and the strength of the augmentation are hyperparameters like the number of epochs: if
they were selected on the test speakers, the score would be optimistic.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.special import softmax

from .arousal import fit_arousal
from .branch_selection import with_statistics
from .calibration import fit_temperature
from .candidates import Candidate
from .data.features import Dataset
from .data.folds import inner_folds
from .distillation import DistillationTargets
from .enrolment import fit_profile_gain
from .fit import FitResult, Trainer, mean_corpus_uar, without_auxiliary_outputs
from .fit_config import FitConfig
from .network_config import NetworkConfig
from .run_folder import fold_state_file

Log = Callable[[str], None]


@dataclass(frozen=True)
class SelectedModel:
    """The best candidate and its final network.

    Attributes:
        candidate: The candidate with the highest validation UAR.
        fit: The network, trained on all clips.
        val_uar: Validation UAR of each candidate by name; see `validation_uar`.
    """

    candidate: Candidate
    fit: FitResult
    val_uar: dict[str, float]


def fit_best(
    candidates: list[Candidate],
    clips: list[int],
    folds: list[list[int]],
    *,
    device: str = "cpu",
    state_file: Path | None = None,
    resume: bool = False,
    log: Log = lambda line: None,
) -> SelectedModel:
    """Select a recipe and a number of epochs by cross-validation, then train on all clips.

    For each candidate and fold, a network is trained on the other clips and validated on the fold.
    The mean validation UAR selects the epoch (`best_epoch`) and the candidate; ties go to the first
    one. The final network is trained on all `clips` up to that epoch, so that no speaker is held
    back only for the selection. The fold networks provide its distillation targets
    (`FitConfig.distillation_weight`). Its outputs are the labels of the data; auxiliary labels are
    used in training only.

    A recipe with statistics gets a linear branch, which is fitted after the selection of the epoch
    (`branch_selection`). Its validation UAR is that of the combined logits at that epoch.

    The temperature is fitted on the fold networks. A distilled network is less confident, so its
    probabilities are slightly too low. Measuring by how much would take distillation targets from
    networks that were not trained on the validation speakers: a distilled network has learnt the
    speakers of its fold networks.

    The same seed gives the same weights on the same machine with the same number of threads.

    Args:
        candidates: The candidates; all have the same clips.
        clips: Indices of the clips to train on.
        folds: For each fold, the indices of its validation clips, a part of `clips`.
        device: Torch device to train on. The network returns to the CPU.
        state_file: Where the state of the training is stored after each epoch; the folds and the
            candidates have files of their own next to it. Default: nowhere.
        resume: Continue from the stored state, with the same weights as an uninterrupted run.
        log: Receives the progress lines.

    Raises:
        ResumeError: If the stored state is damaged or belongs to other settings.
    """
    results: list[tuple[float, Candidate, FitResult, DistillationTargets]] = []
    for candidate in candidates:
        if len(candidates) > 1:
            log(f"Recipe {candidate.name}")
        selection, distillation = choose_epoch(
            candidate.data,
            clips,
            folds,
            candidate.recipe.network,
            candidate.recipe.fit,
            device=device,
            state_file=_candidate_state_file(candidate, candidates, state_file),
            resume=resume,
            log=log,
        )
        uar = validation_uar(selection)
        if candidate.recipe.statistics is not None:
            selection = with_statistics(
                candidate.data,
                clips,
                folds,
                selection,
                candidate.recipe.statistics,
                candidate.recipe.fit.seed,
                log,
            )
            uar = _combined_uar(candidate.data, selection)
            log(f"Validation UAR with clip statistics: {100 * uar:.1f}%")
        results.append((uar, candidate, selection, distillation))
    best, candidate, selection, distillation = max(results, key=lambda result: result[0])
    if len(candidates) > 1:
        tied = sum(uar == best for uar, *_ in results) > 1
        log(f"Recipe {candidate.name} " + ("is the first of the best" if tied else "is the best"))
    fit = train_on_all(
        candidate.data,
        clips,
        candidate.recipe.network,
        candidate.recipe.fit,
        selection,
        distillation,
        device=device,
        state_file=_candidate_state_file(candidate, candidates, state_file),
        resume=resume,
        log=log,
    )
    return SelectedModel(candidate, fit, {entry.name: uar for uar, entry, _, _ in results})


def choose_epoch(
    data: Dataset,
    clips: list[int],
    folds: list[list[int]],
    network_config: NetworkConfig,
    config: FitConfig,
    *,
    device: str = "cpu",
    state_file: Path | None = None,
    resume: bool = False,
    log: Log = lambda line: None,
) -> tuple[FitResult, DistillationTargets]:
    """Train a network per fold and select the epoch, the temperature and the profile gain.

    The arguments are those of `fit_best`, for a single recipe.

    Returns:
        The selection, with the network of the last fold, and the distillation targets of the fold
        networks at the end of their training.
    """
    trainers = []
    for k, fold in enumerate(folds):
        train = sorted(set(clips) - set(fold))
        val = data.answerable(fold)
        trainer = Trainer(data, train, val, network_config, config, device)
        log(f"Fold {k + 1} of {len(folds)}: {len(train)} training, {len(val)} validation clips")
        trainer.run(config.epochs, state_file and fold_state_file(state_file, k), resume, log)
        trainers.append(trainer)
    history = [
        {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
        for rows in zip(*(trainer.history for trainer in trainers))
    ]
    val_clips = [i for trainer in trainers for i in trainer.val]
    epoch = best_epoch(history, len(val_clips))
    logits = np.concatenate([trainer.outputs[epoch - 1].numpy() for trainer in trainers])
    targets = trainers[0].targets[val_clips]
    # Exclude clips whose class was absent from training: no temperature can calibrate them.
    counted = np.concatenate(
        [np.isin(t.targets[t.val], sorted(t.trained_classes)) for t in trainers]
    )
    counted = counted if counted.any() else ~counted
    temperature = fit_temperature(logits[counted], targets[counted])
    gain = fit_profile_gain(data, val_clips, logits, targets, temperature, config.seed, counted)
    distillation = DistillationTargets(
        [trainer.averaged_network for trainer in trainers],
        [trainer.trained_classes for trainer in trainers],
    )
    network = trainers[-1].network
    corpora = np.array([data.clips[i].corpus for i in val_clips])
    arousal = fit_arousal(
        softmax(logits[counted] / temperature, axis=1),
        targets[counted],
        corpora[counted],
        data.labels,
    )
    selection = FitResult(network, temperature, gain, epoch, history, val_clips, logits, arousal)
    return selection, distillation


def train_on_all(
    data: Dataset,
    clips: list[int],
    network_config: NetworkConfig,
    config: FitConfig,
    selection: FitResult,
    distillation: DistillationTargets,
    *,
    device: str = "cpu",
    state_file: Path | None = None,
    resume: bool = False,
    log: Log = lambda line: None,
) -> FitResult:
    """Train the final network on all clips, up to the selected epoch.

    Args:
        data: The dataset.
        clips: Indices of the clips to train on.
        network_config: The architecture.
        config: The hyperparameters.
        selection: Result of `choose_epoch`.
        distillation: Distillation targets of `choose_epoch`.
        device: See `fit_best`.
        state_file: See `fit_best`.
        resume: See `fit_best`.
        log: See `fit_best`.

    Returns:
        The selection with the final network, which has the branch of the selection.
    """
    log(f"Epoch {selection.best_epoch} selected; training on all {len(clips)} clips")
    used = distillation if config.distillation_weight else None
    trainer = Trainer(data, clips, [], network_config, config, device, used)
    trainer.run(selection.best_epoch, state_file, resume, log)
    network = without_auxiliary_outputs(trainer.inference_network().cpu(), len(data.labels))
    if selection.branch is not None:
        network = network.with_branch(selection.branch)
    return dataclasses.replace(selection, network=network)


def best_epoch(history: list[dict[str, float]], n_clips: int) -> int:
    """Return the last epoch, from 1, whose validation UAR is as good as the best.

    The UAR is a moving average over a tenth of the training to either side, because that of a
    single epoch fluctuates. "As good" means within one standard error of the best: stopping early
    also cuts the learning rate schedule short, so it must be better by more than chance. Breiman et
    al. 1984, "Classification and Regression Trees", section 3.4.3.

    Args:
        history: A row per epoch.
        n_clips: Number of validation clips, which the UAR was computed on.
    """
    averages = smoothed_uar(history)
    best = max(averages)
    error = math.sqrt(best * (1 - best) / n_clips)
    return 1 + max(k for k, uar in enumerate(averages) if uar >= best - error)


def validation_uar(selection: FitResult) -> float:
    """Return the moving average of the validation UAR at the selected epoch."""
    return smoothed_uar(selection.history)[selection.best_epoch - 1]


def _combined_uar(data: Dataset, selection: FitResult) -> float:
    """Return the mean UAR of the corpora for the logits of a selection."""
    targets = np.array([data.classes.index(clip.label) for clip in data.clips])
    predictions = selection.logits.argmax(axis=1)
    return mean_corpus_uar(data, selection.val_clips, targets, predictions, data.labels)


def smoothed_uar(history: list[dict[str, float]]) -> list[float]:
    """Return the mean UAR over a tenth of the training to either side of each epoch."""
    reach = len(history) // 10
    return [
        float(np.mean([row["val_uar"] for row in history[max(0, k - reach) : k + reach + 1]]))
        for k in range(len(history))
    ]


def validation_logits(
    data: Dataset,
    clips: list[int],
    fold: list[int],
    network_config: NetworkConfig,
    config: FitConfig,
    last: int,
) -> np.ndarray:
    """Train on the clips outside a fold and return the logits of the fold.

    With distillation, the targets come from three networks, each trained without a third of the
    other speakers.

    Args:
        data: The dataset.
        clips: Indices of all clips.
        fold: Indices of the validation clips.
        network_config: The architecture.
        config: The hyperparameters.
        last: Number of final epochs whose logits are averaged.

    Returns:
        Logits `(len(fold), n_classes)`.
    """
    train = sorted(set(clips) - set(fold))
    distillation = None
    if config.distillation_weight:
        folds = inner_folds(data.clips, train, 3, config.seed, data.labels)
        _, distillation = choose_epoch(data, train, folds, network_config, config)
    trainer = Trainer(data, train, fold, network_config, config, "cpu", distillation)
    trainer.run(config.epochs, None, False, lambda line: None)
    return torch.stack(trainer.outputs[-last:]).mean(dim=0).numpy()


def _candidate_state_file(
    candidate: Candidate, candidates: list[Candidate], state_file: Path | None
) -> Path | None:
    if state_file is None or len(candidates) == 1:
        return state_file
    return state_file.with_name(f"{candidate.name}.{state_file.name}")
