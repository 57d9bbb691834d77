"""Training of one network: optimiser, moving average, validation, resumable state."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from edge_runtime import EdgeSerError
from edge_runtime.messages import shorten_error
from edge_runtime.scoring.metrics import scores

from .data.features import Dataset
from .distillation import DistillationTargets
from .files import load_torch, save_torch
from .fit_config import FitConfig
from .linear_branch import LinearBranch
from .loop import EpochLoop
from .network import EmotionLSTM
from .network_config import NetworkConfig
from .predict import predict


@dataclass
class FitResult:
    """A trained network and how it was selected.

    The epoch, the temperature and the profile gain were selected on the validation clips of the
    folds, by networks trained without these clips.

    Attributes:
        network: The trained network.
        temperature: Temperature of the softmax.
        profile_gain: `ModelCard.profile_gain`.
        best_epoch: The selected epoch, from 1.
        history: A row per epoch; means over the folds.
        val_clips: Indices of the validation clips of all folds.
        logits: Logits of these clips, `(len(val_clips), n_classes)`.
        arousal: `ModelCard.arousal` as plain values; see `train.arousal.fit_arousal`.
        branch: The linear branch of a network with statistics. Its logits are part of `logits`.
        branch_scores: Scores of the branch on corpora that were left out; see
            `train.branch_selection`.
    """

    network: EmotionLSTM
    temperature: float
    profile_gain: float
    best_epoch: int
    history: list[dict[str, float]]
    val_clips: list[int]
    logits: np.ndarray
    arousal: dict[str, Any] | None = None
    branch: LinearBranch | None = None
    branch_scores: dict[str, Any] | None = None


class ResumeError(EdgeSerError):
    """A stored state that is damaged or belongs to other settings."""


class Trainer:
    """Trains one network, and stores the state after each epoch to resume from.

    Args:
        data: The dataset.
        train: Indices of the training clips.
        val: Indices of the validation clips; may be empty.
        network_config: The architecture; the number of classes is set from the data. The network
            is trained without statistics (`EmotionLSTM.with_branch` adds them).
        config: The hyperparameters.
        device: Torch device.
        distillation: Targets of the distillation loss. Default: labels alone.

    Attributes:
        network: The network in training.
        targets: Class index of every clip of the dataset, `(n_clips,)`.
        trained_classes: Classes that occur in the training clips.
        history: A row per epoch.
        outputs: Logits of the validation clips after each epoch, `(len(val), n_labels)` each.
    """

    def __init__(
        self,
        data: Dataset,
        train: list[int],
        val: list[int],
        network_config: NetworkConfig,
        config: FitConfig,
        device: str,
        distillation: DistillationTargets | None = None,
    ) -> None:
        self.data, self.val, self.config = data, val, config
        classes = data.classes
        network_config = dataclasses.replace(network_config, n_classes=len(classes), n_statistics=0)
        torch.manual_seed(config.seed)
        self.network = network = EmotionLSTM(network_config).to(device)
        frames = np.concatenate([data.frames[i] for i in train])
        network.mean.copy_(torch.from_numpy(frames.mean(axis=0)))
        network.std.copy_(torch.from_numpy(frames.std(axis=0)).clamp(min=1e-3))
        self.targets = np.array([classes.index(clip.label) for clip in data.clips])
        self.trained_classes = {int(target) for target in self.targets[train]}
        self.optimizer = torch.optim.AdamW(
            network.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.loop = EpochLoop(data, train, self.targets, config, network, distillation)
        epochs = min(config.ema_epochs, config.epochs / 5)
        steps = epochs * -(-len(train) // config.batch_size)
        self.average = average = AveragedModel(
            network, multi_avg_fn=get_ema_multi_avg_fn(math.exp(-1 / steps)), use_buffers=False
        )
        self.optimizer.register_step_post_hook(lambda *_: average.update_parameters(network))
        self.settings = {
            "network": dataclasses.asdict(network_config),
            "fit": dataclasses.asdict(config),
            "distillation": None if distillation is None else distillation.digest(),
            "labels": classes,
            "train": _file_names(data, train),
            "val": _file_names(data, val),
            # Front end, content and labels of the files, and noise.
            "recordings": data.digest([*train, *val]),
        }
        self.history: list[dict[str, float]] = []
        self.outputs: list[torch.Tensor] = []

    def run(
        self, until: int, state_file: Path | None, resume: bool, log: Callable[[str], None]
    ) -> None:
        """Train up to an epoch.

        Args:
            until: The last epoch, from 1.
            state_file: Where the state is stored after each epoch. None: nowhere.
            resume: Continue from the stored state, if there is one.
            log: Receives the progress lines.

        Raises:
            ResumeError: If the stored state is damaged, belongs to other settings, or was trained
                for more epochs.
        """
        if resume and state_file is not None and state_file.exists():
            self._load(state_file)
            log(f"Resumed after epoch {len(self.history)} from {state_file}")
            if len(self.history) > until:
                raise ResumeError(
                    f"{state_file}: was trained for {len(self.history)} epochs, but {until} were "
                    "requested; remove it to train this part again"
                )
        for epoch in range(len(self.history) + 1, until + 1):
            started = time.perf_counter()
            row = {"epoch": epoch, "train_loss": self.loop.run(epoch, self.optimizer, log)}
            if self.val:
                row |= self._validate(log)
            self.history.append(row | {"seconds": time.perf_counter() - started})
            if state_file is not None:
                self._save(state_file)

    @property
    def averaged_network(self) -> EmotionLSTM:
        """The network with the moving average of the weights."""
        return cast(EmotionLSTM, self.average.module)

    def inference_network(self) -> EmotionLSTM:
        """Return the averaged network, with the mean vocal tract warp folded in."""
        deviation = self.config.vtl_smoothing * self.config.augment.vtlp
        if deviation == 0:
            return self.averaged_network
        warp = self.loop.augmenter.mean_warp(deviation)
        return self.averaged_network.fold_input_transform(torch.from_numpy(warp))

    def _validate(self, log: Callable[[str], None]) -> dict[str, float]:
        labels = self.data.labels
        outputs = predict(self.inference_network(), self.data.frames, self.val)
        logits = outputs[:, : len(labels)]  # without auxiliary labels
        self.outputs.append(torch.from_numpy(logits))
        targets = self.targets[self.val]
        loss = float(cross_entropy(torch.from_numpy(logits), torch.from_numpy(targets)))
        predictions = logits.argmax(axis=1)
        result = scores(targets, predictions, labels)
        result["uar"] = mean_corpus_uar(self.data, self.val, self.targets, predictions, labels)
        log(score_line("Validation set", loss, result))
        return {"val_loss": loss, "val_uar": result["uar"], "val_accuracy": result["accuracy"]}

    def _save(self, path: Path) -> None:
        save_torch(
            path,
            {
                "settings": self.settings,
                "history": self.history,
                "outputs": self.outputs,
                "network": self.network.state_dict(),
                "average": self.average.state_dict(),
                "optimizer": self.optimizer.state_dict(),
            },
        )

    def _load(self, path: Path) -> None:
        try:
            stored = load_torch(path)
            settings = dict(stored["settings"])
            history, outputs = list(stored["history"]), list(stored["outputs"])
            states = {name: stored[name] for name in ("network", "average", "optimizer")}
        except Exception as error:  # torch raises many types for a foreign file
            raise _not_resumable(path, error) from error
        for name, value in self.settings.items():
            if name in settings and settings[name] != value:
                raise ResumeError(
                    f"{path}: was trained with different {name!r}; use the original settings and "
                    "recordings, or another --run folder"
                )
        try:
            self.network.load_state_dict(states["network"])
            self.average.load_state_dict(states["average"])
            self.optimizer.load_state_dict(states["optimizer"])
        except Exception as error:
            raise _not_resumable(path, error) from error
        self.history, self.outputs = history, outputs


def _not_resumable(path: Path, error: Exception) -> ResumeError:
    return ResumeError(
        f"{path}: cannot be resumed from; it is damaged or not a training state "
        f"({shorten_error(error)}); remove it to train this part again"
    )


def without_auxiliary_outputs(network: EmotionLSTM, n_labels: int) -> EmotionLSTM:
    """Return a copy with the first `n_labels` outputs; auxiliary labels come after them."""
    trimmed = EmotionLSTM(dataclasses.replace(network.config, n_classes=n_labels))
    weights = network.state_dict()
    for name in weights:
        if name.endswith(("out.weight", "out.bias")):
            weights[name] = weights[name][:n_labels]
    trimmed.load_state_dict(weights)
    return trimmed.eval()


def score_line(name: str, loss: float, result: dict[str, Any]) -> str:
    """Return the log line of an evaluation, in the form of PyTorch's examples, plus UAR."""
    clips = result["clips"]
    correct = round(result["accuracy"] * clips)
    return (
        f"{name}: Average loss: {loss:.4f}, Accuracy: {correct}/{clips} "
        f"({100 * result['accuracy']:.0f}%), UAR: {100 * result['uar']:.1f}%"
    )


def mean_corpus_uar(
    data: Dataset,
    indices: list[int],
    targets: np.ndarray,
    predictions: np.ndarray,
    labels: list[str],
) -> float:
    """Return the mean of the corpora's UARs, so that the largest corpus does not dominate."""
    corpus = np.array([data.clips[i].corpus for i in indices])
    return float(
        np.mean(
            [
                scores(targets[indices][corpus == c], predictions[corpus == c], labels)["uar"]
                for c in np.unique(corpus)
            ]
        )
    )


def _file_names(data: Dataset, indices: list[int]) -> list[str]:
    """Return file names without folders, which may move before a training is resumed."""
    return [data.clips[i].path.name for i in indices]
