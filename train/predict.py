"""What a network says of clips, computed in batches."""

from __future__ import annotations

import numpy as np
import torch

from .epochs import pad
from .network import EmotionLSTM


def predict(network: EmotionLSTM, clips: list[np.ndarray], indices: list[int]) -> np.ndarray:
    """Logits, float32 `(len(indices), n_classes)`, of these clips' features, in that order."""
    return _classified(network, clips, indices, 0)


def predict_speech(
    network: EmotionLSTM, clips: list[np.ndarray], indices: list[int]
) -> np.ndarray:
    """The probability of speech, float32 `(len(indices),)`, of these clips' features."""
    logits = _classified(network, clips, indices, 1)[:, 0]
    return torch.sigmoid(torch.from_numpy(logits)).numpy()


def _classified(
    network: EmotionLSTM, clips: list[np.ndarray], indices: list[int], which: int,
    batch_size: int = 64,
) -> np.ndarray:
    """The first or second output of `EmotionLSTM.classify`, in batches of similar lengths."""
    network.eval()
    order = sorted(range(len(indices)), key=lambda k: len(clips[indices[k]]))
    found = []
    with torch.no_grad():
        for start in range(0, len(order), batch_size):
            x, lengths = pad([clips[indices[k]] for k in order[start : start + batch_size]])
            state = network.advance(x, network.silent_state(len(x)), lengths)
            found.append(network.classify(state)[which].numpy())
    out = np.empty_like(np.concatenate(found))
    out[order] = np.concatenate(found)
    return out
