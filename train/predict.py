"""Logits of clips, computed in batches."""

from __future__ import annotations

import numpy as np
import torch

from .loop import pad
from .network import EmotionLSTM


def predict(
    network: EmotionLSTM, clips: list[np.ndarray], indices: list[int], batch_size: int = 64
) -> np.ndarray:
    """Run a network on clips.

    Args:
        network: The network; set to evaluation mode.
        clips: Features `(n_frames, n_mfcc)` of all clips.
        indices: The clips to run it on.
        batch_size: Clips per batch.

    Returns:
        Class logits and, in the last column, the speech logit of the clips in the order of
        `indices`: float32 `(len(indices), n_classes + 1)`.
    """
    network.eval()
    order = sorted(range(len(indices)), key=lambda k: len(clips[indices[k]]))  # little padding
    outputs = []
    with torch.no_grad():
        for start in range(0, len(order), batch_size):
            x, lengths = pad(
                [clips[indices[k]] for k in order[start : start + batch_size]], network.mean.device
            )
            state = network.advance(x, network.initial_state(len(x)), lengths)
            outputs.append(torch.cat(network.classify(state), dim=1).cpu().numpy())  # (B, C + 1)
    logits = np.empty_like(np.concatenate(outputs))
    logits[order] = np.concatenate(outputs)
    return logits
