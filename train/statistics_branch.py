"""The linear branch of a network as a PyTorch module."""

from __future__ import annotations

import torch
from torch import nn

from edge_runtime.inference.known_voice import MAX_DEVIATION

from .linear_branch import LinearBranch
from .network_config import NetworkConfig


class StatisticsBranch(nn.Module):
    """Combine the logits of the LSTM with the statistics of a clip.

    Its weights are buffers: the optimiser of the LSTM does not change them.

    Args:
        config: The architecture.

    Attributes:
        mean: Mean of the statistics `(n_statistics,)`.
        std: Deviation of the statistics `(n_statistics,)`.
        unknown_weights: Readout for unknown speakers `(n_statistics, n_classes)`.
        unknown_bias: Its bias `(n_classes,)`.
        unknown_network: Its factor of the LSTM's logits `(1,)`.
        known_weights: Readout for known speakers `(n_statistics, n_classes)`.
        known_bias: Its bias `(n_classes,)`.
        known_network: Its factor of the LSTM's logits `(1,)`.
    """

    mean: torch.Tensor
    std: torch.Tensor
    unknown_weights: torch.Tensor
    unknown_bias: torch.Tensor
    unknown_network: torch.Tensor
    known_weights: torch.Tensor
    known_bias: torch.Tensor
    known_network: torch.Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        n_statistics, n_classes = config.n_statistics, config.n_classes
        self.register_buffer("mean", torch.zeros(n_statistics))
        self.register_buffer("std", torch.ones(n_statistics))
        for speaker in ("unknown", "known"):
            self.register_buffer(f"{speaker}_weights", torch.zeros(n_statistics, n_classes))
            self.register_buffer(f"{speaker}_bias", torch.zeros(n_classes))
            self.register_buffer(f"{speaker}_network", torch.ones(1))

    def forward(
        self,
        network_logits: torch.Tensor,
        statistics: torch.Tensor,
        speaker: torch.Tensor,
        speaker_weight: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the logits `(batch, n_classes)` and the standardised statistics.

        Args:
            network_logits: Logits of the LSTM `(batch, n_classes)`.
            statistics: Statistics `(batch, n_statistics)`; NaN counts as the mean.
            speaker: Mean of the standardised statistics of the speaker `(batch, n_statistics)`.
            speaker_weight: `(batch, 1)`; 0 for an unknown speaker, 1 for a known one.
        """
        filled = torch.where(torch.isnan(statistics), self.mean, statistics)
        z = ((filled - self.mean) / self.std).clamp(-MAX_DEVIATION, MAX_DEVIATION)
        centred = (z - speaker).clamp(-MAX_DEVIATION, MAX_DEVIATION)
        unknown = z @ self.unknown_weights + self.unknown_bias
        unknown = unknown + self.unknown_network * network_logits
        known = centred @ self.known_weights + self.known_bias
        known = known + self.known_network * network_logits
        return (1 - speaker_weight) * unknown + speaker_weight * known, z

    def load(self, branch: LinearBranch) -> None:
        """Copy the weights of a fitted branch."""
        self.mean.copy_(torch.as_tensor(branch.mean))
        self.std.copy_(torch.as_tensor(branch.deviation))
        for speaker in ("unknown", "known"):
            readout = getattr(branch, speaker)
            getattr(self, f"{speaker}_weights").copy_(torch.as_tensor(readout.weights))
            getattr(self, f"{speaker}_bias").copy_(torch.as_tensor(readout.bias))
            getattr(self, f"{speaker}_network").fill_(readout.network_weight)

    def n_weights(self) -> int:
        """Return the number of fitted weights."""
        return 2 * (self.unknown_weights.numel() + self.unknown_bias.numel())
