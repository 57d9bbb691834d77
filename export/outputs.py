"""Outputs of one model in its various forms, for the same clips."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from edge_runtime import Mfcc, read_audio
from edge_runtime.inference.card import ModelCard
from edge_runtime.inference.graph import NetworkOutput
from edge_runtime.inference.network import Network
from edge_runtime.inference.speech_gate import min_speech_frames
from train.data.features import Dataset
from train.gate.training import clip_speech
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
    def of(
        cls, outputs: list[NetworkOutput], speech: np.ndarray, card: ModelCard, dataset: Dataset
    ) -> ModelOutputs:
        """Stack the outputs of a network, and the probabilities of speech, for all clips."""
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
    logits = torch.cat(outputs)
    speech = torch_speech(network, card, dataset, range(len(dataset.clips)))
    return ModelOutputs(
        logits.numpy(),
        torch.softmax(logits / card.temperature, dim=-1).numpy(),
        is_no_speech(speech, dataset.peak_dbfs, card.speech_above, card.speech_above_dbfs),
    )


def torch_speech(
    network: EmotionLSTM, card: ModelCard, dataset: Dataset, clips: Iterable[int]
) -> np.ndarray:
    """Return the probability of speech of clips by the PyTorch network, `(n_clips,)`.

    Args:
        network: The network.
        card: The card of its exported model.
        dataset: All clips.
        clips: Indices of the clips.
    """
    frames = [dataset.rows[i] for i in clips]
    if network.gate is None:
        return np.ones(len(frames))
    min_frames = min_speech_frames(card.min_speech or 0.0, card.mfcc_config.frame_period)
    return clip_speech(network.gate, frames, min_frames)


def network_outputs(model: Network, dataset: Dataset) -> ModelOutputs:
    """Run an ONNX model on one clip at a time."""
    clips = zip(dataset.frames, _statistics(dataset))
    outputs = [model.run(frames, statistics=statistics) for frames, statistics in clips]
    speech = np.array([model.clip_speech(frames) for frames in dataset.rows])
    return ModelOutputs.of(outputs, speech, model.card, dataset)


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
    speech = np.array([_chunked_speech(model, frames, rng) for frames in dataset.rows])
    return ModelOutputs.of(outputs, speech, model.card, dataset)


def _chunked_speech(model: Network, frames: np.ndarray, rng: np.random.Generator) -> float:
    """Return the probability of speech of a clip that arrives in chunks."""
    gate, speech, start = model.new_speech_gate(), model.new_clip_speech(), 0
    if gate is None:
        return 1.0
    while start < len(frames):
        size = int(rng.integers(1, MAX_CHUNK_STEPS + 1))
        speech.add(gate.push(frames[start : start + size]))
        start += size
    return speech.probability


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
