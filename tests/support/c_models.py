"""Networks with random weights, exported, for tests of the C library."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from edge_runtime import MfccConfig, read_audio
from edge_runtime.features.front_end import FrontEnd
from edge_runtime.features.silence import SilenceConfig
from export.card import make_card
from export.graph import export_fp32, export_int8
from support.paths import VOICES
from train.gate.network import GateNetwork
from train.network import EmotionLSTM
from train.network_config import NetworkConfig

LABELS = ("angry", "happy", "neutral", "sad")


def speech(sample_rate: int = 16_000) -> list[np.ndarray]:
    """Return the synthesised clips of the repository, float32 at `sample_rate`."""
    return [read_audio(path, sample_rate) for path in sorted(VOICES.rglob("*.wav"))]


def write_model(
    path: Path,
    config: NetworkConfig,
    mfcc_config: MfccConfig,
    silence: SilenceConfig | None = None,
    *,
    gate_units: int = 0,
    int8: bool = True,
    labels: tuple[str, ...] = LABELS,
    **stored: Any,
) -> Path:
    """Write a model with random weights, whose frames are normalised as those of speech.

    Args:
        path: The file to write.
        config: The architecture.
        mfcc_config: The front end.
        silence: Silence removal.
        gate_units: Units of the speech gate; 0: no speech gate.
        int8: Quantize the weights.
        labels: The labels.
        stored: Further values of the checkpoint.
    """
    torch.manual_seed(0)
    network = EmotionLSTM(config)
    front_end = FrontEnd(mfcc_config)
    frames = np.concatenate([front_end(clip) for clip in speech(mfcc_config.sample_rate)])
    if gate_units:
        network = network.with_gate(GateNetwork(config.n_mfcc, gate_units))
        assert network.gate is not None
        network.gate.mean.copy_(torch.from_numpy(frames.mean(axis=0)))
        network.gate.std.copy_(torch.from_numpy(frames.std(axis=0)))
    for parameter in network.parameters():
        torch.nn.init.uniform_(parameter, -0.4, 0.4)
    network.mean.copy_(torch.from_numpy(frames.mean(axis=0)))
    network.std.copy_(torch.from_numpy(frames.std(axis=0)))
    values = {
        "labels": labels,
        "mfcc_config": mfcc_config.to_dict(),
        "silence": silence and silence.to_dict(),
        "temperature": 1.3,
        "uncertain_below": 0.3,
        "speech_above": 0.4,
        "min_speech": 0.2,
        "corpora": [{"name": "random"}],
        "licence": "MIT",
        "scores": {},
        "arousal": {"labels": list(labels[:1]), "scale": 0.9, "offset": 0.2},
        **stored,
    }
    card = make_card(network, values, "random", "int8" if int8 else "none")
    export_fp32(network.eval(), card, path)
    if int8:
        export_int8(path, card, path)
    return path
