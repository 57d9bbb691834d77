"""The network: 13 MFCC per frame → 2 LSTM layers of 128 → pooling over time → FC 64 → classes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class NetworkConfig:
    """The sizes of an `EmotionLSTM`. The defaults are the baseline, of 213,828 parameters."""

    n_mfcc: int = 13
    n_classes: int = 4
    hidden_size: int = 128
    num_layers: int = 2
    fc_size: int = 64
    dropout: float = 0.3
    pooling: str = "mean"  # "mean": of all frames' states; "last": the last frame's state


class EmotionLSTM(nn.Module):
    """MFCC frames to class logits.

    Shape: `(batch, time, n_mfcc)` and lengths `(batch,)` → `(batch, n_classes)`.
    Frames beyond a clip's length do not change its logits.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        if config.pooling not in ("last", "mean"):
            raise ValueError(f"pooling={config.pooling!r} must be 'last' or 'mean'")
        self.config = config
        # Mean and deviation of the training frames: part of the network, so that the exported
        # file needs no second place to look them up.
        self.register_buffer("mean", torch.zeros(config.n_mfcc))
        self.register_buffer("std", torch.ones(config.n_mfcc))
        self.lstm = nn.LSTM(
            config.n_mfcc, config.hidden_size, config.num_layers, batch_first=True,
            dropout=config.dropout if config.num_layers > 1 else 0.0,
        )
        for layer in range(config.num_layers):
            # A forget gate that begins open lets gradients reach back over a whole clip:
            # Jozefowicz et al. 2015, https://proceedings.mlr.press/v37/jozefowicz15.html
            bias = getattr(self.lstm, f"bias_ih_l{layer}")
            nn.init.ones_(bias.data[config.hidden_size : 2 * config.hidden_size])
        self.dropout = nn.Dropout(config.dropout)
        self.fc = nn.Linear(config.hidden_size, config.fc_size)
        self.out = nn.Linear(config.fc_size, config.n_classes)

    def forward(self, mfcc: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        x = (mfcc - self.mean) / self.std  # (B, T, 13)
        hidden, _ = self.lstm(x)  # (B, T, H); a later frame never changes an earlier one
        pooled = self._pool(hidden, lengths)  # (B, H)
        return self.out(self.dropout(torch.relu(self.fc(self.dropout(pooled)))))  # (B, C)

    def _pool(self, hidden: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
        if lengths is None:
            return hidden[:, -1] if self.config.pooling == "last" else hidden.mean(dim=1)
        if self.config.pooling == "last":
            return hidden[torch.arange(len(hidden)), lengths - 1]
        inside = torch.arange(hidden.shape[1])[None, :, None] < lengths[:, None, None]  # (B, T, 1)
        return (hidden * inside).sum(dim=1) / lengths[:, None]

    def n_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())
