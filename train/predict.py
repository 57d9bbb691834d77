"""Logits of clips, computed in batches."""

from __future__ import annotations

import numpy as np
import torch

from .network import EmotionLSTM
from .padding import pad


def predict(
    network: EmotionLSTM,
    clips: list[np.ndarray],
    indices: list[int],
    batch_size: int = 64,
    *,
    statistics: np.ndarray | None = None,
    speakers: np.ndarray | None = None,
    speaker_weights: np.ndarray | None = None,
) -> np.ndarray:
    """Run a network on clips.

    Args:
        network: The network; set to evaluation mode.
        clips: Features `(n_frames, n_mfcc)` of all clips.
        indices: The clips to run it on.
        batch_size: Clips per batch.
        statistics: Statistics of all clips `(n_clips, n_statistics)`; a network without statistics
            ignores them.
        speakers: Mean of the standardised statistics of the speaker of each of the `indices`,
            `(len(indices), n_statistics)`. Default: the speakers are unknown.
        speaker_weights: `SpeakerStatistics.weight` of each of the `speakers`. Default: 1.

    Returns:
        Class logits of the clips in the order of `indices`, float32 `(len(indices), n_classes)`.
    """
    network.eval()
    order = sorted(range(len(indices)), key=lambda k: len(clips[indices[k]]))  # little padding
    outputs = []
    with torch.no_grad():
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            device = network.mean.device
            x, lengths = pad([clips[indices[k]] for k in rows], device)
            state = network.advance(x, network.initial_state(len(x)), lengths)
            known: list[torch.Tensor | None] = [None, None, None]
            if network.branch is not None and statistics is not None:
                known[0] = _float_tensor(statistics[[indices[k] for k in rows]], device)
            if network.branch is not None and speakers is not None:
                known[1] = _float_tensor(speakers[rows], device)
                weights = np.ones(len(indices)) if speaker_weights is None else speaker_weights
                known[2] = _float_tensor(weights[rows, None], device)
            outputs.append(network.classify(state, *known).cpu().numpy())  # (B, C)
    logits = np.empty_like(np.concatenate(outputs))
    logits[order] = np.concatenate(outputs)
    return logits


def _float_tensor(values: np.ndarray, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float32)).to(device)
