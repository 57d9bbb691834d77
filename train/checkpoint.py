"""Checkpoints: a trained network and everything that the export needs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from edge_runtime import MfccConfig
from edge_runtime.features.silence import SilenceConfig
from edge_runtime.messages import brief_repr, shorten_error

from .files import load_torch, save_torch
from .network import EmotionLSTM
from .network_config import NetworkConfig
from .run_folder import CHECKPOINT, RunError


def save_checkpoint(
    folder: Path,
    network: EmotionLSTM,
    mfcc_config: MfccConfig,
    silence: SilenceConfig | None,
    labels: list[str],
    **values: Any,
) -> None:
    """Save the weights and everything that the export needs.

    Args:
        folder: The run folder.
        network: The trained network.
        mfcc_config: Front end of the network.
        silence: Silence removal before the network.
        labels: Labels, in the order of the outputs.
        values: Further plain values, see `REQUIRED_KEYS`.
    """
    save_torch(
        folder / CHECKPOINT,
        {
            "weights": network.state_dict(),
            "network": asdict(network.config),
            "mfcc_config": mfcc_config.to_dict(),
            "silence": silence and silence.to_dict(),
            "labels": labels,
            **values,
        },
    )


# Keys of a checkpoint that the export reads.
REQUIRED_KEYS = ("mfcc_config", "labels", "temperature", "licence", "corpora", "scores", "clips")


def load_checkpoint(folder: Path) -> tuple[EmotionLSTM, dict[str, Any]]:
    """Load a checkpoint without executing code from it.

    Returns:
        The network and the other values that `save_checkpoint` stored.

    Raises:
        RunError: If the checkpoint is missing, damaged or incomplete.
    """
    path = folder / CHECKPOINT
    if not path.exists():
        raise RunError(f"{path}: not found; begin with `make train`")
    try:
        stored = load_torch(path)
        network = _network(stored["network"], stored.pop("weights"))
    except KeyError as error:
        raise RunError(f"{path}: is not a checkpoint of edge-ser: it lacks {error}") from error
    except Exception as error:  # the content is untrusted
        raise RunError(
            f"{path}: is not a checkpoint of edge-ser: {shorten_error(error)}"
        ) from error
    missing = [name for name in REQUIRED_KEYS if name not in stored]
    if missing:
        raise RunError(f"{path}: is not a checkpoint of edge-ser: it lacks {', '.join(missing)}")
    return network.eval(), stored


def _network(sizes: Any, weights: Any) -> EmotionLSTM:
    """Return a network with these sizes and weights; ValueError or TypeError if they do not fit."""
    config = NetworkConfig(**sizes)
    with torch.device("meta"):  # takes no memory, whatever the sizes
        expected = {name: value.shape for name, value in EmotionLSTM(config).state_dict().items()}
    shapes = {name: getattr(value, "shape", None) for name, value in dict(weights).items()}
    for name in expected.keys() | shapes.keys():
        if expected.get(name) != shapes.get(name):
            raise ValueError(
                f"the weights {brief_repr(name)} have shape {shapes.get(name)}; "
                f"expected {expected.get(name)}"
            )
        if not torch.isfinite(weights[name]).all():
            raise ValueError(f"the weights {brief_repr(name)} are not finite")
    network = EmotionLSTM(config)
    network.load_state_dict(weights)
    return network
