"""Knowledge distillation from the cross-validation networks (Hinton et al., 2015)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch

from .network import EmotionLSTM


class DistillationTargets:
    """Class probabilities predicted by the networks of the cross-validation folds.

    Each of these networks was trained on other speakers, so their mean shows how ambiguous a clip
    is.

    Args:
        networks: Trained networks, with the same classes in the same order.
        trained_classes: Classes that each network was trained on; its outputs for other classes are
            ignored.

    Attributes:
        unknown: Classes that no network was trained on, bool `(n_classes,)`.
    """

    def __init__(
        self, networks: Sequence[EmotionLSTM], trained_classes: Sequence[set[int]]
    ) -> None:
        self.networks = [network.eval() for network in networks]
        n_classes = networks[0].config.n_classes
        weights = torch.tensor(
            [[float(k in classes) for k in range(n_classes)] for classes in trained_classes],
            device=networks[0].mean.device,
        )  # (n_networks, n_classes)
        self.unknown = weights.sum(dim=0) == 0
        self.weights = weights / weights.sum(dim=0).clamp(min=1)

    def digest(self) -> str:
        """Return a checksum of the networks and their classes."""
        checksum = hashlib.blake2b(digest_size=16)
        for network in self.networks:
            for values in network.state_dict().values():
                checksum.update(values.detach().cpu().contiguous().numpy().data)
        checksum.update(self.weights.cpu().numpy().data)
        return checksum.hexdigest()

    @torch.no_grad()
    def __call__(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return the softmax of the networks' mean logits.

        Args:
            x: Clips `(batch, time, n_mfcc)`.
            lengths: Frames of each clip, `(batch,)`.

        Returns:
            Probabilities `(batch, n_classes)`; 0 for unknown classes.
        """
        logits = torch.stack([network(x, lengths) for network in self.networks])  # (N, B, C)
        mean = (logits * self.weights[:, None]).sum(dim=0)  # (B, C)
        return mean.masked_fill(self.unknown, -torch.inf).softmax(dim=1)
