"""One training: batches of clips of similar length, Adam, the epoch chosen on other speakers."""

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
from torch.nn.functional import (
    binary_cross_entropy_with_logits,
    cross_entropy,
    log_softmax,
    softmax,
)
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from edge_runtime import ConfigError, EdgeSerError

from .augment import Augment, Augmenter
from .calibration import fit_temperature
from .features import Dataset
from .files import save_torch
from .metrics import scores
from .network import EmotionLSTM, NetworkConfig


@dataclass(frozen=True)
class FitConfig:
    """How a network is trained. The learning rate falls to zero along a cosine."""

    epochs: int = 60
    batch_size: int = 16
    learning_rate: float = 5e-3
    weight_decay: float = 1e-4
    clip_norm: float = 1.0  # an LSTM's gradients explode now and then
    # The network that is validated and kept is an exponential moving average of the weights with
    # this time constant: less left to the chance of the last batch, and of the epoch chosen.
    # Polyak and Juditsky 1992, https://doi.org/10.1137/0330046
    average_epochs: float = 3.0
    # Szegedy et al. 2016, "Rethinking the Inception Architecture", https://arxiv.org/abs/1512.00567
    label_smoothing: float = 0.1
    # Networks that are trained first, on the same clips with other seeds, and whose mean answer the
    # network then learns; 0: none. Hinton et al. 2015, https://arxiv.org/abs/1503.02531, with the
    # teachers hearing the same changed clip: Beyer et al. 2022, https://arxiv.org/abs/2106.05237
    teachers: int = 4
    teacher_epochs: int = 40
    teacher_share: float = 0.8  # of the loss; the labels have the rest
    teacher_temperature: float = 2.0
    augment: Augment = Augment()
    seed: int = 0
    log_interval: int = 10  # batches

    def __post_init__(self) -> None:
        for name in ("epochs", "teacher_epochs", "batch_size", "log_interval"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be 1 or more")
        for name in ("learning_rate", "clip_norm", "average_epochs", "teacher_temperature"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name}={getattr(self, name)} must be above 0")
        for name in ("weight_decay", "seed", "teachers"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"{name}={getattr(self, name)} must be 0 or more")
        if not 0 <= self.teacher_share <= 1:
            raise ConfigError(f"teacher_share={self.teacher_share} must be from 0 to 1")
        if not 0 <= self.label_smoothing < 1:
            raise ConfigError(f"label_smoothing={self.label_smoothing} must be from 0 to below 1")


# Clips of noise that a batch holds beside its speech, where the network learns to tell them apart.
NOISE_PER_BATCH = 2


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
            config, teachers=0, epochs=config.teacher_epochs, seed=1000 * (config.seed + 1) + k
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
    epochs = _Epochs(data, train, targets, config, network, teachers)
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


class _Epochs:
    """Passes over the training clips, which depend on nothing but the seed and the epoch."""

    def __init__(
        self, data: Dataset, train: list[int], targets: np.ndarray, config: FitConfig,
        network: EmotionLSTM, teachers: list[EmotionLSTM],
    ) -> None:
        self.data, self.train, self.targets = data, train, targets
        self.config, self.network, self.teachers = config, network, teachers
        self.augment = Augmenter(config.augment, data.mfcc, network.std.numpy(), data.noises)
        self.weights = _clip_weights(data, train)
        self.lengths = [len(data.frames[i]) for i in train]

    def run(
        self, epoch: int, optimizer: torch.optim.Optimizer, log: Callable[[str], None]
    ) -> float:
        """One pass; returns the mean loss per clip."""
        config, network = self.config, self.network
        network.train()
        rng = np.random.default_rng([config.seed, epoch])
        order = random.Random(f"{config.seed}/{epoch}")  # an epoch needs no memory of others
        groups = list(batches(self.lengths, config.batch_size, order))
        total, seen = 0.0, 0
        for step, positions in enumerate(groups):
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * _rate(epoch - 1 + step / len(groups), config)
            optimizer.zero_grad()
            loss = self._loss(positions, rng)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), config.clip_norm)
            optimizer.step()
            total += loss.item() * len(positions)
            if step % config.log_interval == 0:
                log(
                    f"Train Epoch: {epoch} [{seen}/{len(self.train)} "
                    f"({100 * seen / len(self.train):.0f}%)]\tLoss: {loss.item():.6f}"
                )
            seen += len(positions)
        return total / len(self.train)

    def _loss(self, positions: list[int], rng: np.random.Generator) -> torch.Tensor:
        """The loss of a batch: of its emotions and, if the network has that output, of telling
        its speech from noise."""
        config, network = self.config, self.network
        chosen = np.array([self.train[k] for k in positions])
        clips = [self.augment(self.data.frames[i], rng) for i in chosen]
        noises = self._noises(max(map(len, clips)), rng) if network.speech is not None else []
        x, lengths = pad([*clips, *noises])
        heard = network.advance(x, network.silent_state(len(x)), lengths)
        logits, speech = network.classify(heard)
        emotions = logits[: len(clips)]
        losses = cross_entropy(
            emotions, torch.from_numpy(self.targets[chosen]), reduction="none",
            label_smoothing=config.label_smoothing,
        )
        if self.teachers:
            taught = self._distance_from_teachers(emotions, x[: len(clips)], lengths[: len(clips)])
            losses = config.teacher_share * taught + (1 - config.teacher_share) * losses
        weights = self.weights[positions]
        loss = (losses * weights).sum() / weights.sum()
        if noises:
            is_speech = torch.tensor([1.0] * len(clips) + [0.0] * len(noises))
            each = binary_cross_entropy_with_logits(speech[:, 0], is_speech, reduction="none")
            loss = loss + (each[: len(clips)].mean() + each[len(clips) :].mean()) / 2
        return loss

    def _distance_from_teachers(
        self, logits: torch.Tensor, x: torch.Tensor, lengths: torch.Tensor
    ) -> torch.Tensor:
        """The cross entropy `(batch,)` with the teachers' mean answer, both at a temperature."""
        temperature = self.config.teacher_temperature
        with torch.no_grad():
            answers = [softmax(net(x, lengths) / temperature, dim=1) for net in self.teachers]
            mean = torch.stack(answers).mean(dim=0)
        # Its gradient is 1 / T of that of the labels' loss.
        return -temperature * (mean * log_softmax(logits / temperature, dim=1)).sum(dim=1)

    def _noises(self, longest: int, rng: np.random.Generator) -> list[np.ndarray]:
        """Pieces of noise about as long as the clips that they share a batch with."""
        pieces = []
        for _ in range(NOISE_PER_BATCH):
            noise = self.data.noises[rng.integers(len(self.data.noises))]
            length = min(len(noise), int(rng.integers(longest // 3 + 1, longest + 1)))
            start = rng.integers(len(noise) - length + 1)
            pieces.append(self.augment(noise[start : start + length], rng))
        return pieces


def _rate(epochs: float, config: FitConfig) -> float:
    """The share of the learning rate after so many epochs: up in the first, down in a cosine.

    Loshchilov and Hutter 2017, "SGDR", https://arxiv.org/abs/1608.03983
    """
    return min(1.0, epochs + 0.02) * (0.5 + 0.5 * math.cos(math.pi * epochs / config.epochs))


def predict(
    network: EmotionLSTM, clips: list[np.ndarray], indices: list[int], batch_size: int = 64
) -> np.ndarray:
    """Logits, float32 `(len(indices), n_classes)`, of these clips' features, in that order."""
    network.eval()
    order = sorted(range(len(indices)), key=lambda k: len(clips[indices[k]]))
    out = np.empty((len(indices), network.config.n_classes), np.float32)
    with torch.no_grad():
        for start in range(0, len(order), batch_size):
            positions = order[start : start + batch_size]
            x, lengths = pad([clips[indices[k]] for k in positions])
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
