"""What a network says of clips, computed in batches."""

from __future__ import annotations

import numpy as np
import torch

from .loop import pad
from .network import EmotionLSTM


def predict(
    network: EmotionLSTM, clips: list[np.ndarray], indices: list[int], batch_size: int = 64
) -> np.ndarray:
    """The outputs, float32 `(len(indices), n_classes + 1)`, for these clips' features, in that
    order: the logits of the labels, and last the logit of speech."""
    network.eval()
    # In batches of similar lengths.
    order = sorted(range(len(indices)), key=lambda k: len(clips[indices[k]]))
    found = []
    with torch.no_grad():
        for start in range(0, len(order), batch_size):
            x, lengths = pad(
                [clips[indices[k]] for k in order[start : start + batch_size]], network.mean.device
            )
            state = network.advance(x, network.initial_state(len(x)), lengths)
            found.append(torch.cat(network.classify(state), dim=1).cpu().numpy())
    out = np.empty_like(np.concatenate(found))
    out[order] = np.concatenate(found)
    return out
