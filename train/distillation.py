"""What is taught to a network: the opinion of others that have heard other speakers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch

from .network import EmotionLSTM


class Teachers:
    """What trained networks think of clips, all taken together.

    Args:
        networks: their outputs are the same classes in the same order.
        known: the classes that each was trained on; it has no say about the others.
    """

    def __init__(self, networks: Sequence[EmotionLSTM], known: Sequence[set[int]]) -> None:
        self.networks = [network.eval() for network in networks]
        n_classes = networks[0].config.n_classes
        weights = torch.tensor(
            [[float(k in its) for k in range(n_classes)] for its in known],
            device=networks[0].mean.device,
        )  # (teachers, classes)
        self.unknown = weights.sum(dim=0) == 0
        self.weights = weights / weights.sum(dim=0).clamp(min=1)

    def digest(self) -> str:
        """What tells these teachers from others."""
        found = hashlib.blake2b(digest_size=16)
        for network in self.networks:
            for values in network.state_dict().values():
                found.update(values.detach().cpu().contiguous().numpy().data)
        found.update(self.weights.cpu().numpy().data)
        return found.hexdigest()

    @torch.no_grad()
    def __call__(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Probabilities `(batch, n_classes)` of the clips `(batch, time, n_mfcc)`: the softmax of
        the mean of their logits."""
        logits = torch.stack([network(x, lengths) for network in self.networks])  # (N, B, classes)
        mean = (logits * self.weights[:, None]).sum(dim=0)
        return mean.masked_fill(self.unknown, -torch.inf).softmax(dim=1)
