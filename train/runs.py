"""Run folders: `runs/001`, `runs/002`, …, each with everything that one training leaves behind.

    settings.json   what was asked for       state.pt        to resume from
    split.json      who is in which split    checkpoint.pt   the trained network, to export
    metrics.csv     a row per epoch          report.json/.md what it is worth
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from edge_runtime import EdgeSerError, MfccConfig
from edge_runtime.errors import brief, one_line
from edge_runtime.silence import SilenceConfig

from .files import load_torch, save_torch
from .network import EmotionLSTM, NetworkConfig

CHECKPOINT = "checkpoint.pt"

# Of a layer; more is a slip or a file of somebody else.
LARGEST_SIZE = 1 << 14


class RunError(EdgeSerError):
    """A run folder that is missing, taken or not what it should be."""


def new_run(root: Path) -> Path:
    """The next free numbered folder below `root`, made."""
    numbers = [int(path.name) for path in root.glob("[0-9]*") if path.name.isdigit()]
    folder = root / f"{max(numbers, default=0) + 1:03d}"
    folder.mkdir(parents=True)
    return folder


def newest_run(root: Path, holding: str) -> Path:
    """The folder with the highest number that holds the file `holding`."""
    found = [path.parent for path in root.glob(f"[0-9]*/{holding}") if path.parent.name.isdigit()]
    if not found:
        raise RunError(f"{root}: no run with a {holding} in it; begin with `make train`")
    return max(found, key=lambda path: int(path.name))


def save_checkpoint(
    folder: Path, network: EmotionLSTM, mfcc: MfccConfig, silence: SilenceConfig | None,
    labels: list[str], **about: Any,
) -> None:
    """Weights and all that the export needs; `about` must be plain values."""
    save_torch(
        folder / CHECKPOINT,
        {
            "weights": network.state_dict(), "network": asdict(network.config),
            "mfcc": mfcc.to_dict(), "silence": silence and silence.to_dict(), "labels": labels,
            **about,
        },
    )


def load_checkpoint(folder: Path) -> tuple[EmotionLSTM, dict[str, Any]]:
    """The network and the rest of what `save_checkpoint` stored. Executes no code from the file."""
    path = folder / CHECKPOINT
    if not path.exists():
        raise RunError(f"{path}: no such checkpoint; begin with `make train`")
    try:
        stored = load_torch(path)
        network = _network(stored["network"], stored.pop("weights"))
    except KeyError as error:
        raise RunError(f"{path}: is not a checkpoint of edge-ser: it lacks {error}") from error
    except Exception as error:  # what is in it may be anything
        raise RunError(f"{path}: is not a checkpoint of edge-ser: {one_line(error)}") from error
    return network.eval(), stored


def _network(sizes: Any, weights: Any) -> EmotionLSTM:
    """The network of these sizes with these weights; ValueError or TypeError if they do not fit."""
    config = NetworkConfig(**sizes)
    for name, value in sizes.items():
        if type(value) is int and not 0 <= value <= LARGEST_SIZE:
            raise ValueError(f"{name}={brief(value)} must be from 0 to {LARGEST_SIZE}")
    with torch.device("meta"):  # takes no memory, whatever the sizes
        wanted = {name: value.shape for name, value in EmotionLSTM(config).state_dict().items()}
    found = {name: getattr(value, "shape", None) for name, value in dict(weights).items()}
    for name in wanted.keys() | found.keys():
        if wanted.get(name) != found.get(name):
            raise ValueError(
                f"the weights {brief(name)} have shape {found.get(name)}; wanted {wanted.get(name)}"
            )
        if not torch.isfinite(weights[name]).all():
            raise ValueError(f"the weights {brief(name)} are not finite")
    network = EmotionLSTM(config)
    network.load_state_dict(weights)
    return network
