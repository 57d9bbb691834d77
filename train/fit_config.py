"""Hyperparameters of the training."""

from __future__ import annotations

import math
from dataclasses import dataclass

from edge_runtime import ConfigError

from .augment import MAX_STRENGTH, Augment

MAX_SEED = 2**31 - 1  # the seed of an epoch is a hundred thousand times as large


@dataclass(frozen=True)
class FitConfig:
    """Hyperparameters of the training.

    Attributes:
        epochs: Epochs; 0 means `epochs_for` the number of clips.
        batch_size: Clips per batch.
        learning_rate: Peak learning rate.
        final_lr_factor: Share of the learning rate that it falls to along a cosine. 1 keeps it
            constant; a longer moving average of the weights then replaces the decay, and a single
            network is about as good as three. Izmailov et al. 2018, "Averaging Weights Leads to
            Wider Optima and Better Generalization", https://arxiv.org/abs/1803.05407
        weight_decay: Decay of the weights themselves, not through their gradients, which Adam would
            rescale. Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization",
            https://arxiv.org/abs/1711.05101
        clip_norm: Maximum norm of each member's gradients, which explode occasionally in an LSTM.
        ema_epochs: Time constant of an exponential moving average of the weights. The average is
            validated and kept, because it depends less on the last batch and on the chosen epoch.
            At most a fifth of the epochs, so that short trainings forget the initial weights.
            Polyak and Juditsky 1992, https://doi.org/10.1137/0330046
        label_smoothing: Szegedy et al. 2016, "Rethinking the Inception Architecture",
            https://arxiv.org/abs/1512.00567
        distillation_weight: Weight of the distillation loss; the label has the rest. The targets
            come from the networks of the cross-validation folds, each trained on other speakers, so
            they express how ambiguous a clip is. Clips are then augmented more (see
            `Augment.stronger`). 0 trains on the labels alone. Hinton et al. 2015, "Distilling the
            Knowledge in a Neural Network", https://arxiv.org/abs/1503.02531
        augment: Data augmentation.
        vtl_smoothing: Deviation, as a share of `augment.vtlp`, of the vocal tract warps whose mean
            is applied to every clip at inference. It attenuates the finest detail of a spectrum,
            which differs most between voices. It costs nothing on the device
            (`EmotionLSTM.fold_input_transform`). 0 leaves clips unchanged.
        seed: Seed of the initial weights, the order of the clips and the augmentation.
        log_interval: Batches between two log lines.
    """

    epochs: int = 0
    batch_size: int = 16
    learning_rate: float = 5e-3
    final_lr_factor: float = 0.0
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    ema_epochs: float = 3.0
    label_smoothing: float = 0.1
    distillation_weight: float = 0.5
    augment: Augment = Augment()
    vtl_smoothing: float = 0.5
    seed: int = 0
    log_interval: int = 10

    def __post_init__(self) -> None:
        if self.epochs < 0:
            raise ConfigError(
                f"epochs={self.epochs} must be 1 or more, or 0 to depend on the number of clips"
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


# Small datasets need more epochs for enough weight updates: on 280 clips of RAVDESS, and on EMO-DB,
# 120 epochs were 3 points better than 60, and 240 were no better than 120.
MIN_EPOCHS, MAX_EPOCHS, MIN_BATCHES = 60, 120, 3000


def epochs_for(n_clips: int, batch_size: int) -> int:
    """Return the default number of epochs for a number of training clips."""
    return min(max(MIN_EPOCHS, MIN_BATCHES // -(-n_clips // batch_size)), MAX_EPOCHS)
