"""The network of the speech gate: one LSTM layer, and a probability of speech for each frame."""

from __future__ import annotations

import torch
from torch import nn


class GateNetwork(nn.Module):
    """Frames → linear layer → LSTM → logit of speech for each frame.

    It is causal, so that the logits do not depend on how the frames are divided into chunks.

    Args:
        width: Values per frame.
        units: Units of the linear layer and of the LSTM.

    Attributes:
        mean: Mean of the training frames, `(width,)`.
        std: Their deviation, `(width,)`.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, width: int, units: int) -> None:
        super().__init__()
        self.width, self.units = width, units
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("std", torch.ones(width))
        self.stem = nn.Linear(width, units)
        self.lstm = nn.LSTM(units, units, batch_first=True)
        self.out = nn.Linear(units, 1)

    def initial_state(self, batch: int) -> torch.Tensor:
        """Return the state before the first frame: zeros `(batch, 2 * units)`."""
        return self.mean.new_zeros(batch, 2 * self.units)

    def forward(self, rows: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the logits of more frames.

        Args:
            rows: Frames, silent ones included, `(batch, n_frames, width)`.
            state: State before these frames, `(batch, 2 * units)`.

        Returns:
            Logits `(batch, n_frames)` and the state after the frames.
        """
        x = (rows - self.mean) / self.std
        # As one matrix, as in `network._Member`: the exporter then writes a Gemm.
        x = torch.relu(self.stem(x.reshape(-1, x.shape[2]))).reshape(
            x.shape[0], -1, self.units
        )  # (B, T, units)
        h, c = (part.unsqueeze(0).contiguous() for part in state.split(self.units, dim=1))
        y, (h, c) = self.lstm(x, (h, c))  # (B, T, units)
        logits = self.out(y.reshape(-1, self.units)).reshape(x.shape[0], -1)  # (B, T)
        return logits, torch.cat([h[0], c[0]], dim=1)
