"""Training of the speech gate, and its decisions for the clips of a dataset."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ..padding import pad
from .config import GateConfig
from .examples import GateExample
from .network import GateNetwork

BATCH_SIZE = 64
WEIGHT_DECAY = 1e-3
MAX_NORM = 1.0  # of the gradient
WARM_UP_STEPS = 50
FINAL_LR_FACTOR = 0.02

# Seconds of speech that a clip must contain, the length of a short word. With less, more noise gets
# an emotion at the same share of speech lost on corpora left out; with 0.5 s hardly less does.
MIN_SPEECH = 0.3


@dataclass(frozen=True)
class TrainedGate:
    """A speech gate and its decision rule.

    Attributes:
        network: The network.
        speech_above: `ModelCard.speech_above`.
        min_speech: `ModelCard.min_speech`.
        scores: Its scores, see `evaluation.gate_scores`.
    """

    network: GateNetwork
    speech_above: float
    min_speech: float
    scores: dict[str, Any] = field(default_factory=dict)


def train_gate(
    examples: Sequence[GateExample],
    config: GateConfig,
    seed: int,
    log: Callable[[str], None] = lambda line: None,
) -> GateNetwork:
    """Train a gate on examples.

    Args:
        examples: The examples.
        config: The settings.
        seed: Seed of the weights and of the order.
        log: Receives a line per epoch.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng([seed, 29])
    network = GateNetwork(examples[0].rows.shape[1], config.gate_units)
    frames = np.concatenate([example.rows for example in examples])
    network.mean.copy_(torch.from_numpy(frames.mean(axis=0)))
    network.std.copy_(torch.from_numpy(frames.std(axis=0)).clamp(min=1e-3))
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=config.gate_learning_rate, weight_decay=WEIGHT_DECAY, fused=True
    )
    lengths = np.array([len(example.rows) for example in examples])
    n_batches = -(-len(examples) // BATCH_SIZE)
    n_epochs = config.n_epochs(n_batches)
    n_steps, step = n_epochs * n_batches, 0
    for epoch in range(1, n_epochs + 1):
        # Batches of similar lengths, which differ between epochs.
        order = np.argsort(lengths * rng.uniform(0.9, 1.1, len(lengths)))
        batches = [order[k : k + BATCH_SIZE] for k in range(0, len(order), BATCH_SIZE)]
        total = 0.0
        for k in rng.permutation(len(batches)):
            for group in optimizer.param_groups:
                group["lr"] = config.gate_learning_rate * _lr_factor(step, n_steps)
            optimizer.zero_grad()
            loss = _loss(network, [examples[i] for i in batches[k]])
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), MAX_NORM)
            optimizer.step()
            total, step = total + loss.item(), step + 1
        log(f"Speech gate, epoch {epoch} of {n_epochs}: loss {total / n_batches:.4f}")
    return network.eval()


def _lr_factor(step: int, n_steps: int) -> float:
    cosine = 0.5 + 0.5 * math.cos(math.pi * step / n_steps)
    warm_up = min(WARM_UP_STEPS, 1 + n_steps // 10)
    return min(1.0, (step + 1) / warm_up) * (FINAL_LR_FACTOR + (1 - FINAL_LR_FACTOR) * cosine)


def _loss(network: GateNetwork, examples: list[GateExample]) -> torch.Tensor:
    """Return the mean cross entropy over the frames of examples."""
    x, lengths = pad([example.rows for example in examples])  # (B, T, width), (B,)
    targets, _ = pad([example.targets[:, np.newaxis] for example in examples])  # (B, T, 1)
    logits, _ = network(x, network.initial_state(len(x)))  # (B, T)
    losses = binary_cross_entropy_with_logits(logits, targets[:, :, 0], reduction="none")
    inside = torch.arange(x.shape[1])[None] < lengths[:, None]  # (B, T)
    return losses[inside].mean()


def frame_speech(
    network: GateNetwork, clips: Sequence[np.ndarray], batch_size: int = 64
) -> list[np.ndarray]:
    """Return the probability of speech of each frame of clips.

    Args:
        network: The gate.
        clips: Rows of each clip, silent frames included, `(n_frames, width)`.
        batch_size: Clips per batch.

    Returns:
        float32 `(n_frames,)` for each clip.
    """
    speech: list[np.ndarray] = [np.empty(0, np.float32)] * len(clips)
    order = sorted(range(len(clips)), key=lambda i: len(clips[i]))
    with torch.no_grad():
        for start in range(0, len(order), batch_size):
            indices = order[start : start + batch_size]
            x, _ = pad([clips[i] for i in indices])
            probabilities = torch.sigmoid(network(x, network.initial_state(len(x)))[0]).numpy()
            for i, row in zip(indices, probabilities):
                speech[i] = row[: len(clips[i])].copy()
    return speech


def clip_speech(network: GateNetwork, clips: Sequence[np.ndarray], min_frames: int) -> np.ndarray:
    """Return the probability of speech of clips; see `ClipSpeech`.

    Args:
        network: The gate.
        clips: Rows of each clip, silent frames included, `(n_frames, width)`.
        min_frames: Frames that must reach the probability.

    Returns:
        float32 `(n_clips,)`.
    """
    return np.array(
        [np.sort(p)[-min(min_frames, len(p))] for p in frame_speech(network, clips)], np.float32
    )
