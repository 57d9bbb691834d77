"""Outputs of one model in its various forms, for the same clips."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from edge_runtime import Mfcc, MfccConfig, read_audio
from edge_runtime.inference.network import Network, NetworkOutput
from train.network import EmotionLSTM

MAX_CHUNK_STEPS = 10  # steps of the network in a chunk of a stream


@dataclass(frozen=True)
class ModelOutputs:
    """Outputs of a model for clips.

    Attributes:
        logits: Logits `(n_clips, n_labels)`.
        probabilities: Probabilities `(n_clips, n_labels)`.
    """

    logits: np.ndarray
    probabilities: np.ndarray

    @classmethod
    def of(cls, outputs: list[NetworkOutput]) -> ModelOutputs:
        """Stack the outputs of a network for single clips."""
        return cls(
            np.stack([output.logits for output in outputs]),
            np.stack([output.probabilities for output in outputs]),
        )


def torch_outputs(
    network: EmotionLSTM,
    frames: list[np.ndarray],
    temperature: float,
    statistics: np.ndarray | None = None,
) -> ModelOutputs:
    """Run the PyTorch network on one clip `(n_frames, n_mfcc)` at a time, as a device does.

    `statistics` are those of the clips, `(n_clips, n_statistics)`, for a network that gets them.
    """
    network.eval()
    with torch.no_grad():
        logits = np.stack(
            [
                network(
                    torch.from_numpy(clip[None]),
                    statistics=None if row is None else torch.from_numpy(row[None]),
                )[0].numpy()
                for clip, row in zip(frames, _rows(statistics, len(frames)))
            ]
        )
    return ModelOutputs(
        logits, torch.softmax(torch.from_numpy(logits) / temperature, dim=-1).numpy()
    )


def network_outputs(
    model: Network, frames: list[np.ndarray], statistics: np.ndarray | None = None
) -> ModelOutputs:
    """Run an ONNX model on one clip at a time; the arguments are those of `torch_outputs`."""
    rows = _rows(statistics, len(frames))
    return ModelOutputs.of([model.run(clip, statistics=row) for clip, row in zip(frames, rows)])


def chunked_outputs(
    model: Network, frames: list[np.ndarray], statistics: np.ndarray | None = None
) -> ModelOutputs:
    """Run an ONNX model on clips in chunks of 1 to `MAX_CHUNK_STEPS` steps, as a stream does.

    The arguments are those of `torch_outputs`. Every chunk gets the statistics of the whole clip.
    """
    rng = np.random.default_rng(0)
    step, outputs = model.card.frames_per_step, []
    for clip, row in zip(frames, _rows(statistics, len(frames))):
        start, output = 0, None
        while start < len(clip):
            size = step * int(rng.integers(1, MAX_CHUNK_STEPS + 1))
            state = None if output is None else output.state
            output = model.run(clip[start : start + size], state, statistics=row)
            start += size
        assert output is not None  # a clip has at least one frame
        outputs.append(output)
    return ModelOutputs.of(outputs)


def _rows(statistics: np.ndarray | None, n_clips: int) -> list[np.ndarray | None]:
    return [None] * n_clips if statistics is None else list(statistics)


def waveform_outputs(
    path: Path, files: list[Path], config: MfccConfig
) -> tuple[ModelOutputs, float]:
    """Run the waveform graph on audio files.

    Returns:
        Its outputs, and the largest difference of its features from those of `Mfcc`.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        path.read_bytes(), options, providers=["CPUExecutionProvider"]
    )
    front_end = Mfcc(config)
    logits, probabilities, max_difference = [], [], 0.0
    for file in files:
        samples = read_audio(file, config.sample_rate)
        outputs = session.run(["logits", "probabilities", "mfcc"], {"waveform": samples[None]})
        logits.append(outputs[0][0])
        probabilities.append(outputs[1][0])
        difference = float(np.abs(outputs[2][0] - front_end(samples)).max())
        max_difference = max(max_difference, difference)
    return ModelOutputs(np.stack(logits), np.stack(probabilities)), max_difference
