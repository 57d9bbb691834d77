"""Settings of the speech gate and of its training."""

from __future__ import annotations

from dataclasses import dataclass

from edge_runtime import ConfigError

MIN_STEPS, MIN_EPOCHS = 600, 8


@dataclass(frozen=True)
class GateConfig:
    """Settings of the speech gate and of its training.

    The names differ from those of `FitConfig`, so that `--set` can refer to either.

    Attributes:
        speech: Train a gate. Without one, every clip gets an emotion.
        gate_units: Units of its layers.
        gate_examples: Training examples: turns of up to three clips in pauses and noise.
        gate_epochs: Passes over the examples; 0 means enough for `MIN_STEPS` steps, and 8 or more.
        gate_learning_rate: Peak of the learning rate.
    """

    speech: bool = True
    gate_units: int = 48
    gate_examples: int = 15_000
    gate_epochs: int = 0
    gate_learning_rate: float = 4e-3

    def __post_init__(self) -> None:
        if self.gate_epochs < 0:
            raise ConfigError(f"gate_epochs={self.gate_epochs} must be 0 or more")
        for name in ("gate_units", "gate_examples"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be 1 or more")
        if not self.gate_learning_rate > 0:
            raise ConfigError(f"gate_learning_rate={self.gate_learning_rate} must be above 0")

    def n_epochs(self, n_batches: int) -> int:
        """Return the number of epochs for a number of batches per epoch."""
        return self.gate_epochs or max(MIN_EPOCHS, -(-MIN_STEPS // n_batches))
