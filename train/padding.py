"""Batches of clips of different lengths."""

from __future__ import annotations

import numpy as np
import torch


def pad(
    clips: list[np.ndarray], device: torch.device | str = "cpu"
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pad clips `(n_frames, n_mfcc)` with zeros.

    Returns:
        The batch, float32 `(batch, time, n_mfcc)`, and the lengths `(batch,)`.
    """
    lengths = torch.tensor([len(clip) for clip in clips])
    x = torch.zeros(len(clips), int(lengths.max()), clips[0].shape[1])
    for row, clip in zip(x, clips):
        row[: len(clip)] = torch.from_numpy(clip)
    return x.to(device), lengths.to(device)
