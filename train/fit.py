"""One training: batches of clips of similar length, Adam, early stopping on validation speakers."""

from __future__ import annotations

import dataclasses
import math
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from edge_runtime import ConfigError, EdgeSerError

from .augment import Augment, augment
from .features import Dataset
from .files import save_torch
from .metrics import scores
from .network import EmotionLSTM, NetworkConfig


@dataclass(frozen=True)
class FitConfig:
    """How a network is trained."""

    epochs: int = 60
    patience: int = 15  # epochs without a better validation score before it stops
    batch_size: int = 16
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    clip_norm: float = 1.0  # an LSTM's gradients explode now and then
    # The network that is validated and kept is an exponential moving average of the weights with
    # this time constant: less left to the chance of the last batch, and of the epoch chosen.
    # Polyak and Juditsky 1992, https://doi.org/10.1137/0330046
    average_epochs: float = 3.0
    augment: Augment = Augment()
    seed: int = 0
    log_interval: int = 10  # batches

    def __post_init__(self) -> None:
        for name in ("epochs", "patience", "batch_size", "log_interval"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be 1 or more")
        for name in ("learning_rate", "clip_norm", "average_epochs"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name}={getattr(self, name)} must be above 0")
        for name in ("weight_decay", "seed"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"{name}={getattr(self, name)} must be 0 or more")


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

    With `state_file`, everything that the next epoch depends on is stored after each epoch;
    `resume` goes on from there, and ends with the weights of an uninterrupted run.
    The same seed gives the same weights on the same machine with the same number of threads.
    """
    torch.manual_seed(config.seed)
    network = EmotionLSTM(network_config)
    frames = np.concatenate([data.frames[i] for i in train])
    network.mean.copy_(torch.from_numpy(frames.mean(axis=0)))
    network.std.copy_(torch.from_numpy(frames.std(axis=0)).clamp(min=1e-3))
    targets = np.array([labels.index(clip.label) for clip in data.clips])
    weights = _clip_weights(data, train)
    optimizer = torch.optim.Adam(
        network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    steps = config.average_epochs * -(-len(train) // config.batch_size)
    average = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(math.exp(-1 / steps)))
    optimizer.register_step_post_hook(lambda *_: average.update_parameters(network))
    state = _State(network, average, optimizer)
    settings = {
        "network": dataclasses.asdict(network_config),
        # How long it goes on may change when a run is resumed; what it does may not.
        "fit": {**dataclasses.asdict(config), "epochs": None, "patience": None},
        "labels": labels, "train": _names(data, train), "val": _names(data, val),
    }
    if resume and state_file is not None and state_file.exists():
        state.load(state_file, settings)
        log(f"Resumed after epoch {state.epoch} from {state_file}")
    while state.epoch < config.epochs and state.epoch - state.best_epoch < config.patience:
        epoch = state.epoch + 1
        started = time.perf_counter()
        loss = _train_epoch(network, optimizer, data, train, targets, weights, config, epoch, log)
        logits = predict(average.module, data, val)
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
    temperature = fit_temperature(predict(network, data, val), targets[val])
    return Fit(network, temperature, state.best_epoch, state.history)


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


def _train_epoch(
    network: EmotionLSTM, optimizer: torch.optim.Optimizer, data: Dataset, train: list[int],
    targets: np.ndarray, weights: torch.Tensor, config: FitConfig, epoch: int,
    log: Callable[[str], None],
) -> float:
    """One pass over the training clips; returns the mean loss per clip."""
    network.train()
    std = network.std.numpy()
    rng = np.random.default_rng([config.seed, epoch])
    lengths = [len(data.frames[i]) for i in train]
    order = random.Random(f"{config.seed}/{epoch}")  # an epoch's order needs no memory of others
    total, seen = 0.0, 0
    for step, positions in enumerate(batches(lengths, config.batch_size, order)):
        chosen = [train[k] for k in positions]
        x, x_lengths = pad([augment(data.frames[i], config.augment, std, rng) for i in chosen])
        y = torch.from_numpy(targets[chosen])
        optimizer.zero_grad()
        losses = cross_entropy(network(x, x_lengths), y, reduction="none")
        weight = weights[positions]
        loss = (losses * weight).sum() / weight.sum()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), config.clip_norm)
        optimizer.step()
        total += loss.item() * len(chosen)
        if step % config.log_interval == 0:
            log(
                f"Train Epoch: {epoch} [{seen}/{len(train)} ({100 * seen / len(train):.0f}%)]"
                f"\tLoss: {loss.item():.6f}"
            )
        seen += len(chosen)
    return total / len(train)


def predict(
    network: EmotionLSTM, data: Dataset, indices: list[int], batch_size: int = 64
) -> np.ndarray:
    """Logits, float32 `(len(indices), n_classes)`, in the order of `indices`."""
    network.eval()
    order = sorted(range(len(indices)), key=lambda k: len(data.frames[indices[k]]))
    out = np.empty((len(indices), network.config.n_classes), np.float32)
    with torch.no_grad():
        for start in range(0, len(order), batch_size):
            positions = order[start : start + batch_size]
            x, lengths = pad([data.frames[indices[k]] for k in positions])
            out[positions] = network(x, lengths).numpy()
    return out


def batches(lengths: list[int], batch_size: int, order: random.Random) -> Iterator[list[int]]:
    """Positions in batches of similar lengths, so that little padding is computed.

    Clips are sorted by a length that is blurred by a tenth, so that the batches differ from epoch
    to epoch, and the batches come in random order.
    """
    blurred = sorted(range(len(lengths)), key=lambda k: lengths[k] * order.uniform(0.9, 1.1))
    groups = [blurred[k : k + batch_size] for k in range(0, len(blurred), batch_size)]
    order.shuffle(groups)
    yield from groups


def pad(clips: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Clips `(n_frames, n_mfcc)` as `(batch, time, n_mfcc)` with zeros behind, and lengths."""
    lengths = torch.tensor([len(clip) for clip in clips])
    x = torch.zeros(len(clips), int(lengths.max()), clips[0].shape[1])
    for row, clip in zip(x, clips):
        row[: len(clip)] = torch.from_numpy(clip)
    return x, lengths


def fit_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """The T > 0 for which softmax(logits / T) is most likely on held-out clips.

    Guo et al. 2017, "On Calibration of Modern Neural Networks", https://arxiv.org/abs/1706.04599
    """
    from scipy.optimize import minimize_scalar

    x, y = torch.from_numpy(logits), torch.from_numpy(targets)
    result = minimize_scalar(
        lambda log_t: float(cross_entropy(x / float(np.exp(log_t)), y)),
        bounds=(np.log(0.2), np.log(10.0)), method="bounded",
    )
    return float(np.exp(result.x))


def summary(name: str, loss: float, result: dict[str, Any]) -> str:
    """The line that ends an epoch, with UAR behind what such logs have always shown."""
    clips = result["clips"]
    correct = round(result["accuracy"] * clips)
    return (
        f"{name}: Average loss: {loss:.4f}, Accuracy: {correct}/{clips} "
        f"({100 * result['accuracy']:.0f}%), UAR: {100 * result['uar']:.1f}%"
    )


def _clip_weights(data: Dataset, indices: list[int]) -> torch.Tensor:
    """A weight per clip, float32 `(len(indices),)`: every class of every corpus counts as much,
    however many clips it has."""
    groups = [(data.clips[i].corpus, data.clips[i].label) for i in indices]
    counts = Counter(groups)
    mean = len(groups) / len(counts)
    return torch.tensor([mean / counts[group] for group in groups])


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
