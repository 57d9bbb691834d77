"""Passes over the training clips: batches of similar lengths, changed clips, the loss."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from edge_runtime import ConfigError

from .augment import MAX_STRENGTH, Augment, Augmenter, style_of
from .data.features import Dataset
from .distillation import Teachers
from .network import EmotionLSTM

MAX_SEED = 2**31 - 1  # those of an epoch are a hundred thousand times as large


@dataclass(frozen=True)
class FitConfig:
    """How a network is trained."""

    epochs: int = 0  # 0: as many as that many clips take, `epochs_for`
    batch_size: int = 16
    learning_rate: float = 5e-3
    # The share of the learning rate that it falls to along a cosine. 1: it stays as it is, and an
    # average of the weights that reaches further back does what its fall would do: one network is
    # then about as good as three. Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima
    # and Better Generalization", https://arxiv.org/abs/1803.05407
    final_lr_factor: float = 0.0
    # Of the weights themselves, not by their gradients, which Adam would rescale. Loshchilov and
    # Hutter 2019, "Decoupled Weight Decay Regularization", https://arxiv.org/abs/1711.05101
    weight_decay: float = 0.05
    clip_norm: float = 1.0  # an LSTM's gradients explode now and then
    # The network that is validated and kept is an exponential moving average of the weights with
    # this time constant: less left to the chance of the last batch, and of the epoch chosen. Short
    # trainings take a fifth of their epochs, or the weights that they began with would count.
    # Polyak and Juditsky 1992, https://doi.org/10.1137/0330046
    ema_epochs: float = 3.0
    # Szegedy et al. 2016, "Rethinking the Inception Architecture", https://arxiv.org/abs/1512.00567
    label_smoothing: float = 0.1
    # The share of the loss that is what the networks that chose the epoch think of a clip; each has
    # heard other speakers, so they know how doubtful it is. The clips are then changed further than
    # `augment` says (`Augment.stronger`). 0: the label is all, and they are not.
    # Hinton et al. 2015, "Distilling the Knowledge in a Neural Network",
    # https://arxiv.org/abs/1503.02531
    distillation_weight: float = 0.5
    augment: Augment = Augment()
    # A clip that is answered is heard through the mean of other vocal tracts, whose deviation is
    # this share of augment's: the finest detail of a spectrum, which differs most between voices,
    # counts for less. It costs nothing on the device (`EmotionLSTM.hearing`). 0: clips are heard
    # as they are.
    vtl_smoothing: float = 0.5
    seed: int = 0
    log_interval: int = 10  # batches

    def __post_init__(self) -> None:
        if self.epochs < 0:
            raise ConfigError(
                f"epochs={self.epochs} must be 1 or more, or 0 for as many as the clips take"
            )
        for name in ("batch_size", "log_interval"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be 1 or more")
        for name in ("learning_rate", "clip_norm", "ema_epochs"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"{name}={getattr(self, name)} must be above 0, and finite")
        if not 0 <= self.weight_decay < math.inf:
            raise ConfigError(f"weight_decay={self.weight_decay} must be 0 or more, and finite")
        if not 0 <= self.seed <= MAX_SEED:
            raise ConfigError(f"seed={self.seed} must be from 0 to {MAX_SEED}")
        if not 0 <= self.vtl_smoothing <= MAX_STRENGTH:
            raise ConfigError(
                f"vtl_smoothing={self.vtl_smoothing} must be from 0 to {MAX_STRENGTH}"
            )
        for name in ("distillation_weight", "final_lr_factor"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be from 0 to 1")
        if not 0 <= self.label_smoothing < 1:
            raise ConfigError(f"label_smoothing={self.label_smoothing} must be from 0 to below 1")


# Few recordings take more passes, or the weights are changed too seldom: with 280 clips of RAVDESS,
# and with EMO-DB, 120 were 3 points better than 60, and 240 no better than that.
MIN_EPOCHS, MAX_EPOCHS, BATCHES = 60, 120, 3000


def epochs_for(n_clips: int, batch_size: int) -> int:
    """How many passes over so many clips a training takes."""
    return min(max(MIN_EPOCHS, BATCHES // -(-n_clips // batch_size)), MAX_EPOCHS)


# Clips of noise that a batch holds beside its speech, where the network learns to tell them apart.
NOISE_PER_BATCH = 2


class EpochLoop:
    """Passes over the training clips, which depend on nothing but the seed and the epoch."""

    def __init__(
        self,
        data: Dataset,
        train: list[int],
        targets: np.ndarray,
        config: FitConfig,
        network: EmotionLSTM,
        teachers: Teachers | None = None,
    ) -> None:
        self.data, self.targets = data, targets
        self.config, self.network, self.teachers = config, network, teachers
        if config.epochs < 1:
            raise ConfigError("epochs=0: `Recipe.sized` says how many these recordings take")
        if network.config.speech and not data.noises:
            raise ConfigError("speech=True: there is no noise to tell speech from; give `noises`")
        self.augment = Augmenter(
            config.augment if teachers is None else config.augment.stronger(),
            data.mfcc_config,
            network.std.cpu().numpy(),
            data.noises,
        )
        self.train = train
        self.styles = [style_of(data.frames[i]) for i in train]
        # Positions of the clips of a corpus with a target.
        self.alike: dict[tuple[str, int], list[int]] = defaultdict(list)
        for position, i in enumerate(train):
            self.alike[data.clips[i].corpus, int(targets[i])].append(position)
        self.weights = _clip_weights(data, train)
        self.lengths = [len(data.frames[i]) for i in train]

    def run(
        self, epoch: int, optimizer: torch.optim.Optimizer, log: Callable[[str], None]
    ) -> float:
        """One pass; returns the mean loss per clip."""
        config, network = self.config, self.network
        network.train()
        # An epoch needs no memory of others: a resumed run draws what an uninterrupted one does.
        torch.manual_seed(config.seed * 100_003 + epoch)
        rng = np.random.default_rng([config.seed, epoch])
        order = random.Random(f"{config.seed}/{epoch}")
        groups = list(batches(self.lengths, config.batch_size, order))
        total, seen = 0.0, 0
        for step, positions in enumerate(groups):
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * _rate(epoch - 1 + step / len(groups), config)
            optimizer.zero_grad()
            loss = self._loss(positions, rng)
            loss.backward()
            for member in network.members:
                nn.utils.clip_grad_norm_(member.parameters(), config.clip_norm)
            optimizer.step()
            mean = loss.item() / len(network.members)
            total += mean * len(positions)
            if step % config.log_interval == 0:
                log(
                    f"Train Epoch: {epoch} [{seen}/{len(self.train)} "
                    f"({100 * seen / len(self.train):.0f}%)]\tLoss: {mean:.6f}"
                )
            seen += len(positions)
        return total / len(self.train)

    def _loss(self, positions: list[int], rng: np.random.Generator) -> torch.Tensor:
        """The loss of a batch: of its emotions and, if the network has that output, of telling
        its speech from noise. Each member learns by itself: the sum of their losses."""
        config, network = self.config, self.network
        chosen = [self.train[k] for k in positions]
        clips = [
            self.augment(self.data.frames[i], rng, self._styles(k, rng))
            for k, i in zip(positions, chosen)
        ]
        noises = self._noises(max(map(len, clips)), rng) if network.config.speech else []
        device = network.mean.device
        x, lengths = pad([*clips, *noises], device)
        heard = network.advance(x, network.initial_state(len(x)), lengths)
        logits, speech = network.member_logits(heard)  # (members, B, ·)
        targets = torch.from_numpy(self.targets[chosen]).to(device)
        weights = self.weights[positions].to(device)
        thought = distillation_weight = None
        if self.teachers is not None:
            thought = self.teachers(x, lengths)[: len(clips)]
            # A class that no teacher knows is left to the label.
            distillation_weight = (
                config.distillation_weight * (~self.teachers.unknown[targets]).float()
            )
        is_speech = torch.tensor([1.0] * len(clips) + [0.0] * len(noises), device=device)
        loss = torch.zeros((), device=device)
        for its_logits, its_speech in zip(logits, speech):
            its_logits = its_logits[: len(clips)]
            each = cross_entropy(
                its_logits, targets, reduction="none", label_smoothing=config.label_smoothing
            )
            if thought is not None:
                taught = cross_entropy(its_logits, thought, reduction="none")
                each = torch.lerp(each, taught, distillation_weight)
            loss = loss + (each * weights).sum() / weights.sum()
            if noises:
                each = binary_cross_entropy_with_logits(
                    its_speech[:, 0], is_speech, reduction="none"
                )
                loss = loss + (each[: len(clips)].mean() + each[len(clips) :].mean()) / 2
        return loss

    def _styles(self, k: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """That of the clip at position `k`, and that of any of its corpus with its label."""
        i = self.train[k]
        alike = self.alike[self.data.clips[i].corpus, int(self.targets[i])]
        return self.styles[k], self.styles[alike[rng.integers(len(alike))]]

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
    fallen = 0.5 + 0.5 * math.cos(math.pi * epochs / config.epochs)
    return min(1.0, epochs + 0.02) * (
        config.final_lr_factor + (1 - config.final_lr_factor) * fallen
    )


def batches(lengths: list[int], batch_size: int, order: random.Random) -> Iterator[list[int]]:
    """Positions in batches of similar lengths, so that little padding is computed.

    Clips are sorted by a length that is blurred by a tenth, so that the batches differ from epoch
    to epoch, and the batches come in random order.
    """
    blurred = sorted(range(len(lengths)), key=lambda k: lengths[k] * order.uniform(0.9, 1.1))
    groups = [blurred[k : k + batch_size] for k in range(0, len(blurred), batch_size)]
    order.shuffle(groups)
    yield from groups


def pad(
    clips: list[np.ndarray], device: torch.device | str = "cpu"
) -> tuple[torch.Tensor, torch.Tensor]:
    """Clips `(n_frames, n_mfcc)` as `(batch, time, n_mfcc)` with zeros behind, and lengths."""
    lengths = torch.tensor([len(clip) for clip in clips])
    x = torch.zeros(len(clips), int(lengths.max()), clips[0].shape[1])
    for row, clip in zip(x, clips):
        row[: len(clip)] = torch.from_numpy(clip)
    return x.to(device), lengths.to(device)


def _clip_weights(data: Dataset, indices: list[int]) -> torch.Tensor:
    """A weight per clip, float32 `(len(indices),)`: every class of every corpus counts as much,
    however many clips it has."""
    groups = [(data.clips[i].corpus, data.clips[i].label) for i in indices]
    counts = Counter(groups)
    mean = len(groups) / len(counts)
    return torch.tensor([mean / counts[group] for group in groups])
