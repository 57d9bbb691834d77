"""The epoch loop: batches of similar lengths, augmented clips, the loss."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from edge_runtime import ConfigError

from .augment import Augmenter, style_of
from .data.features import Dataset
from .distillation import DistillationTargets
from .fit_config import FitConfig
from .network import EmotionLSTM
from .padding import pad


class EpochLoop:
    """Train a network epoch by epoch; an epoch depends only on the seed and its number.

    Args:
        data: The dataset.
        train: Indices of the training clips.
        targets: Class index of every clip of the dataset, `(n_clips,)`.
        config: Hyperparameters.
        network: The network to train.
        distillation: Targets of the distillation loss. Default: labels alone.

    Raises:
        ConfigError: If the number of epochs is not set.
    """

    def __init__(
        self,
        data: Dataset,
        train: list[int],
        targets: np.ndarray,
        config: FitConfig,
        network: EmotionLSTM,
        distillation: DistillationTargets | None = None,
    ) -> None:
        self.data, self.targets = data, targets
        self.config, self.network, self.distillation = config, network, distillation
        if config.epochs < 1:
            raise ConfigError("epochs=0 depends on the number of clips; call `Recipe.sized` first")
        self.augmenter = Augmenter(
            config.augment if distillation is None else config.augment.stronger(),
            data.mfcc_config,
            network.std.cpu().numpy(),
            data.noises,
        )
        self.train = train
        self.styles = [style_of(data.frames[i]) for i in train]
        # Positions in `train` by corpus and target: the candidates for MixStyle.
        self.positions: dict[tuple[str, int], list[int]] = defaultdict(list)
        for position, i in enumerate(train):
            self.positions[data.clips[i].corpus, int(targets[i])].append(position)
        self.weights = _clip_weights(data, train)
        self.lengths = [len(data.frames[i]) for i in train]

    def run(
        self, epoch: int, optimizer: torch.optim.Optimizer, log: Callable[[str], None]
    ) -> float:
        """Train one epoch.

        Args:
            epoch: Number of the epoch, from 1.
            optimizer: Optimizer of the network's parameters.
            log: Receives the progress lines.

        Returns:
            The mean loss per clip.
        """
        config, network = self.config, self.network
        network.train()
        # Seeded by the epoch, so that a resumed run draws the same numbers as an uninterrupted one.
        torch.manual_seed(config.seed * 100_003 + epoch)
        rng = np.random.default_rng([config.seed, epoch])
        order = random.Random(f"{config.seed}/{epoch}")
        groups = list(batches(self.lengths, config.batch_size, order))
        total, seen = 0.0, 0
        for step, positions in enumerate(groups):
            factor = learning_rate_factor(epoch - 1 + step / len(groups), config)
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * factor
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
        """Return the loss of a batch.

        It is the sum over the members, so that each member learns independently.
        """
        config, network, device = self.config, self.network, self.network.mean.device
        indices = [self.train[k] for k in positions]
        clips = [
            self.augmenter(self.data.frames[i], rng, self._styles(k, rng))
            for k, i in zip(positions, indices)
        ]
        x, lengths = pad(clips, device)  # (B, T, n_mfcc), (B,)
        state = network.advance(x, network.initial_state(len(x)), lengths)
        logits = network.member_logits(state)  # (M, B, C)
        targets = torch.from_numpy(self.targets[indices]).to(device)  # (B,)
        weights = self.weights[positions].to(device)  # (B,)
        soft = self._soft_targets(x, lengths, targets)
        loss = torch.zeros((), device=device)
        for member_logits in logits:  # (B, C)
            losses = cross_entropy(
                member_logits, targets, reduction="none", label_smoothing=config.label_smoothing
            )
            if soft is not None:
                probabilities, share = soft
                distilled = cross_entropy(member_logits, probabilities, reduction="none")
                losses = torch.lerp(losses, distilled, share)
            loss = loss + (losses * weights).sum() / weights.sum()
        return loss

    def _soft_targets(
        self, x: torch.Tensor, lengths: torch.Tensor, targets: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Return the distillation targets `(B, C)` and their share of the loss `(B,)`."""
        if self.distillation is None:
            return None
        probabilities = self.distillation(x, lengths)
        # The label alone counts for classes that no fold network was trained on.
        share = self.config.distillation_weight * (~self.distillation.unknown[targets]).float()
        return probabilities, share

    def _styles(self, k: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return the style of the clip at position `k` and that of a clip to mix with."""
        i = self.train[k]
        candidates = self.positions[self.data.clips[i].corpus, int(self.targets[i])]
        return self.styles[k], self.styles[candidates[rng.integers(len(candidates))]]


def learning_rate_factor(epochs: float, config: FitConfig) -> float:
    """Return the learning rate after some epochs, relative to its peak.

    It rises linearly during the first epoch and falls along a cosine. Loshchilov and Hutter 2017,
    "SGDR", https://arxiv.org/abs/1608.03983
    """
    cosine = 0.5 + 0.5 * math.cos(math.pi * epochs / config.epochs)
    return min(1.0, epochs + 0.02) * (
        config.final_lr_factor + (1 - config.final_lr_factor) * cosine
    )


def batches(lengths: list[int], batch_size: int, order: random.Random) -> Iterator[list[int]]:
    """Yield the positions of batches with similar lengths, so that there is little padding.

    Clips are sorted by a length with 10 % jitter, so that batches differ between epochs; batches
    come in random order.
    """
    jittered = sorted(range(len(lengths)), key=lambda k: lengths[k] * order.uniform(0.9, 1.1))
    groups = [jittered[k : k + batch_size] for k in range(0, len(jittered), batch_size)]
    order.shuffle(groups)
    yield from groups


def _clip_weights(data: Dataset, indices: list[int]) -> torch.Tensor:
    """Return loss weights `(len(indices),)` that balance the classes of every corpus."""
    groups = [(data.clips[i].corpus, data.clips[i].label) for i in indices]
    counts = Counter(groups)
    mean = len(groups) / len(counts)
    return torch.tensor([mean / counts[group] for group in groups])
