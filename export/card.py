"""Model card of a trained network, from its checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge_runtime import MfccConfig
from edge_runtime.datasets.clip import Clip
from edge_runtime.features.silence import SilenceConfig
from edge_runtime.inference.arousal import Arousal
from edge_runtime.inference.card import ModelCard
from edge_runtime.messages import shorten_error
from train.network import EmotionLSTM
from train.run_folder import RunError
from train.speech_gate import SPEECH_ABOVE_DBFS

INT8_WEIGHTS = "int8 weights with a scale for each output, float32 arithmetic"


def read_card(
    network: EmotionLSTM, stored: dict[str, Any], name: str, checkpoint: Path
) -> tuple[ModelCard, list[Clip]]:
    """Return the validated card of a checkpoint, and the clips of its run.

    Args:
        network: The network of the checkpoint.
        stored: Its other values; see `train.run_folder.load_checkpoint`.
        name: Name of the model.
        checkpoint: The file, for error messages.

    Raises:
        RunError: If the values are not those of a checkpoint.
        ModelError: If the card is not valid.
    """
    try:
        text = make_card(network, stored, name, INT8_WEIGHTS).to_json()
        clips = [Clip(Path(path), str(label)) for path, label in stored["clips"]]
    except (TypeError, ValueError, OverflowError) as error:
        reason = shorten_error(error)
        raise RunError(f"{checkpoint}: is not a checkpoint of edge-ser: {reason}") from error
    return ModelCard.from_json(text, str(checkpoint)), clips


def make_card(
    network: EmotionLSTM, stored: dict[str, Any], name: str, quantization: str
) -> ModelCard:
    """Make the card of a checkpoint, without validation.

    Args:
        network: The network of the checkpoint.
        stored: Its other values; see `train.run_folder.load_checkpoint`.
        name: Name of the model.
        quantization: Description of the weights.
    """
    sizes = network.config
    statistics, arousal = stored.get("statistics"), stored.get("arousal")
    if len(statistics or ()) != sizes.n_statistics:
        raise ValueError(
            f"{len(statistics or ())} names of statistics; expected {sizes.n_statistics}"
        )
    silence = stored.get("silence")
    return ModelCard(
        name=name,
        labels=tuple(stored["labels"]),
        mfcc_config=MfccConfig.from_dict(stored["mfcc_config"]),
        silence=None if silence is None else SilenceConfig.from_dict(silence),
        normalisation="in the graph: mean and deviation of the training frames",
        temperature=float(stored["temperature"]),
        profile_gain=float(stored.get("profile_gain", 1.0)),
        uncertain_below=float(stored.get("uncertain_below", 0.0)),
        frames_per_step=sizes.frame_stack,
        speech_above=float(stored.get("speech_above", 0.0)),
        min_speech=None if network.gate is None else float(stored["min_speech"]),
        speech_above_dbfs=SPEECH_ABOVE_DBFS,
        architecture={
            "lstm_layers": sizes.num_layers,
            "hidden_size": sizes.hidden_size,
            "fc_size": sizes.fc_size,
            "pooling": sizes.pooling,
            "frame_stack": sizes.frame_stack,
            "input_size": sizes.input_size,
            "residual": sizes.residual,
            "ensemble_size": sizes.ensemble_size,
        },
        parameters=network.n_parameters(),
        quantization=quantization,
        licence=stored["licence"],
        corpora=tuple(stored["corpora"]),
        scores=stored["scores"],
        statistics=None if statistics is None else tuple(statistics),
        arousal=None if arousal is None else Arousal.from_dict(arousal),
    )
