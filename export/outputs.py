"""Outputs of one model in its various forms, for the same clips."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from edge_runtime import Mfcc, read_audio
from edge_runtime.inference.card import ModelCard
from edge_runtime.inference.network import Network, NetworkOutput
from train.data.features import Dataset
from train.network import EmotionLSTM
from train.speech_gate import is_no_speech

MAX_CHUNK_STEPS = 10  # steps of the network in a chunk of a stream


@dataclass(frozen=True)
class ModelOutputs:
    """Outputs of a model for clips.

    Attributes:
        logits: Logits `(n_clips, n_labels)`.
        probabilities: Probabilities `(n_clips, n_labels)`.
        no_speech: Which clips are answered with "no speech", bool `(n_clips,)`.
        statistics: Standardised statistics `(n_clips, n_statistics)`; None for models without.
    """

    logits: np.ndarray
    probabilities: np.ndarray
    no_speech: np.ndarray
    statistics: np.ndarray | None = None

    @classmethod
    def of(cls, outputs: list[NetworkOutput], card: ModelCard, dataset: Dataset) -> ModelOutputs:
        """Stack the outputs of a network for the clips of a dataset."""
        speech = np.array([output.speech for output in outputs])
        return cls(
            np.stack([output.logits for output in outputs]),
            np.stack([output.probabilities for output in outputs]),
            is_no_speech(speech, dataset.peak_dbfs, card.speech_above, card.speech_above_dbfs),
            _standardised(np.stack([output.embedding for output in outputs]), card),
        )


def torch_outputs(network: EmotionLSTM, card: ModelCard, dataset: Dataset) -> ModelOutputs:
    """Run the PyTorch network on one clip at a time, as a device does.

    Args:
        network: The network.
        card: The card of its exported model.
        dataset: The clips.
    """
    network.eval()
    outputs = []
    with torch.no_grad():
        for frames, statistics in zip(dataset.frames, _statistics(dataset)):
            state = network.advance(torch.from_numpy(frames[None]), network.initial_state(1))
            row = None if statistics is None else torch.from_numpy(statistics[None])
            outputs.append(network.classify(state, row))
    logits, speech = (torch.cat(values) for values in zip(*outputs))
    return ModelOutputs(
        logits.numpy(),
        torch.softmax(logits / card.temperature, dim=-1).numpy(),
        is_no_speech(
            torch.sigmoid(speech[:, 0]).numpy(),
            dataset.peak_dbfs,
            card.speech_above,
            card.speech_above_dbfs,
        ),
    )


def network_outputs(model: Network, dataset: Dataset) -> ModelOutputs:
    """Run an ONNX model on one clip at a time."""
    clips = zip(dataset.frames, _statistics(dataset))
    outputs = [model.run(frames, statistics=statistics) for frames, statistics in clips]
    return ModelOutputs.of(outputs, model.card, dataset)


def chunked_outputs(model: Network, dataset: Dataset) -> ModelOutputs:
    """Run an ONNX model on clips in chunks of 1 to `MAX_CHUNK_STEPS` steps, as a stream does.

    Every chunk gets the statistics of the whole clip.
    """
    rng = np.random.default_rng(0)
    step, outputs = model.card.frames_per_step, []
    for clip, row in zip(dataset.frames, _statistics(dataset)):
        start, output = 0, None
        while start < len(clip):
            size = step * int(rng.integers(1, MAX_CHUNK_STEPS + 1))
            state = None if output is None else output.state
            output = model.run(clip[start : start + size], state, statistics=row)
            start += size
        assert output is not None  # a clip has at least one frame
        outputs.append(output)
    return ModelOutputs.of(outputs, model.card, dataset)


def _statistics(dataset: Dataset) -> list[np.ndarray | None]:
    """Return the statistics of each clip, or None for each."""
    if dataset.statistics is None:
        return [None] * len(dataset.clips)
    return list(dataset.statistics)


def _standardised(embeddings: np.ndarray, card: ModelCard) -> np.ndarray | None:
    """Return the standardised statistics, with which the embeddings end."""
    return None if card.statistics is None else embeddings[:, -len(card.statistics) :]


def waveform_outputs(path: Path, files: list[Path], card: ModelCard) -> tuple[ModelOutputs, float]:
    """Run the waveform graph on audio files of unknown speakers.

    Args:
        path: The graph.
        files: The audio files.
        card: The card of the model.

    Returns:
        Its outputs, and the largest difference of its features from those of `Mfcc`.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        path.read_bytes(), options, providers=["CPUExecutionProvider"]
    )
    front_end = Mfcc(card.mfcc_config)
    names = ["mfcc", "logits", "probabilities", "speech"]
    feeds: dict[str, np.ndarray] = {}
    if card.statistics is not None:
        names.append("embedding")
        feeds["speaker"] = np.zeros((1, len(card.statistics)), np.float32)
        feeds["speaker_weight"] = np.zeros((1, 1), np.float32)
    rows, max_difference = [], 0.0
    for file in files:
        samples = read_audio(file, front_end.config.sample_rate)
        mfcc, *outputs = session.run(names, {"waveform": samples[None], **feeds})
        rows.append(outputs)
        max_difference = max(max_difference, float(np.abs(mfcc[0] - front_end(samples)).max()))
    logits, probabilities, speech, *embeddings = (np.concatenate(values) for values in zip(*rows))
    # The graph gives a probability of 0 to clips below `speech_above_dbfs`.
    no_speech = (speech[:, 0] < card.speech_above) | (speech[:, 0] == 0)
    statistics = _standardised(embeddings[0], card) if embeddings else None
    return ModelOutputs(logits, probabilities, no_speech, statistics), max_difference
