"""One training: batches of clips of similar length, Adam, the epoch chosen on other speakers."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from edge_runtime import EdgeSerError

from .calibration import fit_temperature
from .epochs import Epochs, FitConfig
from .features import Dataset
from .files import save_torch
from .metrics import scores
from .network import EmotionLSTM, NetworkConfig
from .predict import predict


@dataclass
class Fit:
    """A trained network with its weights at the best validation epoch, and how it came about."""

    network: EmotionLSTM
    temperature: float
    best_epoch: int
    history: list[dict[str, float]]


class ResumeError(EdgeSerError):
    """A run folder that belongs to other settings."""


def fit(
    data: Dataset,
    train: list[int],
    val: list[int],
    labels: list[str],
    network_config: NetworkConfig,
    config: FitConfig,
    *,
    state_file: Path | None = None,
    resume: bool = False,
    log: Callable[[str], None] = lambda line: None,
) -> Fit:
    """Train on the clips `train`; the epoch and the temperature are chosen on the clips `val`.

    With `state_file`, everything that the next epoch depends on is stored after each epoch (the
    teachers' beside it); `resume` goes on from there, and ends with the weights of an uninterrupted
    run. The same seed gives the same weights on the same machine with the same number of threads.
    """
    teachers = []
    for k in range(config.teachers):
        log(f"Teacher {k + 1} of {config.teachers}")
        alone = dataclasses.replace(
            config, teachers=0, epochs=min(config.teacher_epochs, config.epochs),
            seed=1000 * (config.seed + 1) + k,
        )
        file = state_file and state_file.with_name(f"teacher-{k + 1}.{state_file.name}")
        teachers.append(
            fit(data, train, val, labels, network_config, alone, state_file=file, resume=resume,
                log=log).network
        )
    torch.manual_seed(config.seed)
    network = EmotionLSTM(network_config)
    frames = np.concatenate([data.frames[i] for i in train])
    network.mean.copy_(torch.from_numpy(frames.mean(axis=0)))
    network.std.copy_(torch.from_numpy(frames.std(axis=0)).clamp(min=1e-3))
    targets = np.array([labels.index(clip.label) for clip in data.clips])
    optimizer = torch.optim.Adam(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    epoch_steps = -(-len(train) // config.batch_size)
    steps = config.average_epochs * epoch_steps
    average = AveragedModel(
        network, multi_avg_fn=get_ema_multi_avg_fn(math.exp(-1 / steps)), use_buffers=False
    )
    optimizer.register_step_post_hook(lambda *_: average.update_parameters(network))
    state = _State(network, average, optimizer)
    epochs = Epochs(data, train, targets, config, network, teachers)
    settings = {
        "network": dataclasses.asdict(network_config), "fit": dataclasses.asdict(config),
        "labels": labels, "train": _names(data, train), "val": _names(data, val),
    }
    if resume and state_file is not None and state_file.exists():
        state.load(state_file, settings)
        log(f"Resumed after epoch {state.epoch} from {state_file}")
    while state.epoch < config.epochs:
        epoch = state.epoch + 1
        started = time.perf_counter()
        loss = epochs.run(epoch, optimizer, log)
        logits = predict(average.module, data.frames, val)
        val_loss = float(cross_entropy(torch.from_numpy(logits), torch.from_numpy(targets[val])))
        predictions = logits.argmax(axis=1)
        result = scores(targets[val], predictions, labels)
        result["uar"] = _mean_over_corpora(data, val, targets, predictions, labels)
        state.finish(
            {
                "epoch": epoch, "train_loss": loss, "val_loss": val_loss,
                "val_uar": result["uar"], "val_accuracy": result["accuracy"],
                "seconds": time.perf_counter() - started,
            }
        )
        log(summary("Validation set", val_loss, result))
        if state_file is not None:
            state.save(state_file, settings)
    network.load_state_dict(state.best_weights)
    temperature = fit_temperature(predict(network, data.frames, val), targets[val])
    return Fit(network.eval(), temperature, state.best_epoch, state.history)


class _State:
    """What an interrupted run needs to go on as if nothing had happened."""

    def __init__(
        self, network: EmotionLSTM, average: AveragedModel, optimizer: torch.optim.Optimizer
    ) -> None:
        self.network, self.average, self.optimizer = network, average, optimizer
        self.epoch = self.best_epoch = 0
        self.best_key = (-1.0, 0.0)
        self.best_weights = _copy(network.state_dict())
        self.history: list[dict[str, float]] = []

    def finish(self, row: dict[str, float]) -> None:
        self.epoch = int(row["epoch"])
        self.history.append(row)
        # UAR moves in steps of a clip, so the loss decides between equal ones.
        key = (row["val_uar"], -row["val_loss"])
        if key > self.best_key:
            self.best_key, self.best_epoch = key, self.epoch
            self.best_weights = _copy(self.average.module.state_dict())

    def save(self, path: Path, settings: dict[str, Any]) -> None:
        save_torch(
            path,
            {
                "settings": settings, "epoch": self.epoch, "best_epoch": self.best_epoch,
                "best_key": self.best_key, "best_weights": self.best_weights,
                "history": self.history, "network": self.network.state_dict(),
                "average": self.average.state_dict(),
                "optimizer": self.optimizer.state_dict(), "rng": torch.get_rng_state(),
            },
        )

    def load(self, path: Path, settings: dict[str, Any]) -> None:
        try:
            stored = torch.load(path, weights_only=True)
            before = dict(stored["settings"])
        except Exception as error:  # torch raises many kinds for a file that is not its own
            raise ResumeError(f"{path}: cannot be resumed from: {error}") from error
        for name, value in settings.items():
            if before.get(name) != value:
                raise ResumeError(
                    f"{path}: was begun with another {name!r}; give the settings of that run, "
                    "or another --run folder for a new one"
                )
        self.network.load_state_dict(stored["network"])
        self.average.load_state_dict(stored["average"])
        self.optimizer.load_state_dict(stored["optimizer"])
        torch.set_rng_state(stored["rng"])
        self.epoch, self.best_epoch = stored["epoch"], stored["best_epoch"]
        self.best_key = tuple(stored["best_key"])
        self.best_weights, self.history = stored["best_weights"], stored["history"]


def summary(name: str, loss: float, result: dict[str, Any]) -> str:
    """The line that ends an epoch, with UAR behind what such logs have always shown."""
    clips = result["clips"]
    correct = round(result["accuracy"] * clips)
    return (
        f"{name}: Average loss: {loss:.4f}, Accuracy: {correct}/{clips} "
        f"({100 * result['accuracy']:.0f}%), UAR: {100 * result['uar']:.1f}%"
    )


def _mean_over_corpora(
    data: Dataset, indices: list[int], targets: np.ndarray, predictions: np.ndarray,
    labels: list[str],
) -> float:
    """The mean of the corpora's UARs: else the largest corpus would choose the epoch alone."""
    corpus = np.array([data.clips[i].corpus for i in indices])
    return float(
        np.mean([
            scores(targets[indices][corpus == c], predictions[corpus == c], labels)["uar"]
            for c in np.unique(corpus)
        ])
    )


def _names(data: Dataset, indices: list[int]) -> list[str]:
    return [f"{data.clips[i].path}" for i in indices]


def _copy(weights: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in weights.items()}
