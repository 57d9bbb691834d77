"""Does the exported model answer as the trained one? A row per link of the chain.

librosa → numpy MFCC → in-graph MFCC        features
torch → fp32 → int8, whole → in pieces      logits, probabilities, decisions
numpy path → waveform graph                 probabilities
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edge_runtime import Mfcc, MfccConfig, read_audio
from edge_runtime.inference.network import Network, NetworkOutput
from train.metrics import scores
from train.network import EmotionLSTM

FEATURES = 1e-3
IN_GRAPH_FEATURES = 0.01
FP32_LOGITS = 1e-4
INT8_UAR = 0.005
CHUNKED_PROBABILITIES = 1e-5
WAVEFORM_PROBABILITIES = 1e-4


@dataclass(frozen=True)
class Link:
    """One comparison over clips. Differences are those of the second from the first; None where
    there is nothing of the kind to compare."""

    name: str
    clips: int
    limit: str
    holds: bool
    features: float | None = None  # largest difference of a coefficient
    logits: float | None = None
    probabilities: float | None = None
    decisions: int | None = None  # that differ
    uar: float | None = None  # difference, second minus first
    accuracy: float | None = None


@dataclass(frozen=True)
class ModelOutputs:
    """What a model says of clips: logits and probabilities `(n_clips, n_classes)` each."""

    logits: np.ndarray
    probabilities: np.ndarray

    @classmethod
    def of(cls, heard: list[NetworkOutput]) -> ModelOutputs:
        return cls(np.stack([h.logits for h in heard]), np.stack([h.probabilities for h in heard]))


def torch_answers(
    network: EmotionLSTM, frames: list[np.ndarray], temperature: float
) -> ModelOutputs:
    """One clip `(n_frames, n_mfcc)` at a time, as a device meets them."""
    network.eval()
    with torch.no_grad():
        logits = np.stack([network(torch.from_numpy(clip[None]))[0].numpy() for clip in frames])
    return ModelOutputs(
        logits, torch.softmax(torch.from_numpy(logits) / temperature, dim=-1).numpy()
    )


def model_answers(model: Network, frames: list[np.ndarray]) -> ModelOutputs:
    return ModelOutputs.of([model.run(clip) for clip in frames])


def chunked_answers(model: Network, frames: list[np.ndarray]) -> ModelOutputs:
    """Each clip fed as a stream would feed it, in pieces of up to ten steps."""
    rng = np.random.default_rng(0)
    step, heard = model.card.frames_per_step, []
    for clip in frames:
        start, last = 0, None
        while start < len(clip):
            size = step * int(rng.integers(1, 11))
            last = model.run(clip[start : start + size], None if last is None else last.state)
            start += size
        assert last is not None  # a clip has a frame
        heard.append(last)
    return ModelOutputs.of(heard)


def waveform_answers(
    path: Path, files: list[Path], config: MfccConfig
) -> tuple[ModelOutputs, float]:
    """What the waveform graph says of audio files, and the largest difference of its features."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        path.read_bytes(), options, providers=["CPUExecutionProvider"]
    )
    extract = Mfcc(config)
    logits, probabilities, worst = [], [], 0.0
    for file in files:
        samples = read_audio(file, config.sample_rate)
        answer = session.run(["logits", "probabilities", "mfcc"], {"waveform": samples[None]})
        logits.append(answer[0][0])
        probabilities.append(answer[1][0])
        worst = max(worst, float(np.abs(answer[2][0] - extract(samples)).max()))
    return ModelOutputs(np.stack(logits), np.stack(probabilities)), worst


def librosa_link(files: list[Path], config: MfccConfig) -> Link:
    """The front end against librosa on audio files, in float32."""
    import librosa

    extract, worst = Mfcc(config), 0.0
    for file in files:
        samples = read_audio(file, config.sample_rate)
        mel = librosa.feature.melspectrogram(
            y=samples,
            sr=config.sample_rate,
            n_fft=config.n_fft,
            hop_length=config.hop_length,
            win_length=config.win_length,
            window=config.window,
            center=config.center,
            pad_mode=config.pad_mode,
            power=config.power,
            n_mels=config.n_mels,
            fmin=config.fmin,
            fmax=config.fmax,
            htk=config.htk,
            norm=config.norm,
        )
        expected = librosa.feature.mfcc(
            S=librosa.power_to_db(mel, amin=config.amin, top_db=config.top_db),
            n_mfcc=config.n_mfcc,
            dct_type=config.dct_type,
            norm=config.dct_norm,
            lifter=config.lifter,
        ).T
        worst = max(worst, float(np.abs(extract(samples) - expected).max()))
    return Link(
        "librosa → numpy MFCC",
        len(files),
        f"features within {FEATURES:g}",
        worst <= FEATURES,
        features=worst,
    )


def link(
    name: str,
    first: ModelOutputs,
    second: ModelOutputs,
    targets: np.ndarray,
    labels: list[str],
    limit: str,
    holds: Callable[[dict[str, Any]], bool],
    features: float | None = None,
) -> Link:
    decisions = [answers.logits.argmax(axis=1) for answers in (first, second)]
    before, after = (scores(targets, decision, labels) for decision in decisions)
    values = {
        "features": features,
        "logits": float(np.abs(first.logits - second.logits).max()),
        "probabilities": float(np.abs(first.probabilities - second.probabilities).max()),
        "decisions": int((decisions[0] != decisions[1]).sum()),
        "uar": after["uar"] - before["uar"],
        "accuracy": after["accuracy"] - before["accuracy"],
    }
    return Link(name, len(targets), limit, bool(holds(values)), **values)


def compare(
    network: EmotionLSTM | None,
    fp32: Network | None,
    int8: Network,
    frames: list[np.ndarray],
    targets: np.ndarray,
) -> list[Link]:
    """The links between the models that there are, over clips `(n_frames, n_mfcc)` of whatever
    lengths, one at a time; `targets` are class indices `(n_clips,)`."""
    labels = list(int8.labels)
    small = model_answers(int8, frames)
    links = []
    if fp32 is not None:
        large = model_answers(fp32, frames)
        if network is not None:
            links.append(
                link(
                    "torch → fp32",
                    torch_answers(network, frames, fp32.card.temperature),
                    large,
                    targets,
                    labels,
                    f"logits within {FP32_LOGITS:g}, every decision equal",
                    lambda v: v["logits"] <= FP32_LOGITS and v["decisions"] == 0,
                )
            )
        links.append(quantization_link(large, small, targets, labels))
    links.append(
        link(
            "int8: whole → in pieces",
            small,
            chunked_answers(int8, frames),
            targets,
            labels,
            f"probabilities within {CHUNKED_PROBABILITIES:g}",
            lambda v: v["probabilities"] <= CHUNKED_PROBABILITIES,
        )
    )
    return links


def quantization_link(
    large: ModelOutputs, small: ModelOutputs, targets: np.ndarray, labels: list[str]
) -> Link:
    """What int8 weights change; one decision is allowed, since of a hundred clips one that hangs by
    a thread is more than the points."""
    return link(
        "fp32 → int8",
        large,
        small,
        targets,
        labels,
        f"UAR within {100 * INT8_UAR:g} points, or one decision",
        lambda v: abs(v["uar"]) <= INT8_UAR or v["decisions"] <= 1,
    )


def waveform_link(
    path: Path, int8: Network, files: list[Path], frames: list[np.ndarray], targets: np.ndarray
) -> Link:
    """The numpy path with the int8 model against the waveform graph, on the same files."""
    answers, features = waveform_answers(path, files, int8.card.mfcc_config)
    return link(
        "numpy → waveform graph",
        model_answers(int8, frames),
        answers,
        targets,
        list(int8.labels),
        f"probabilities within {WAVEFORM_PROBABILITIES:g}, features within {IN_GRAPH_FEATURES:g}",
        lambda v: (
            v["probabilities"] <= WAVEFORM_PROBABILITIES and v["features"] <= IN_GRAPH_FEATURES
        ),
        features,
    )


def as_json(links: list[Link]) -> list[dict[str, Any]]:
    return [asdict(link) for link in links]


def as_markdown(links: list[Link]) -> str:
    """The table of the report; differences of accuracy and UAR in percentage points."""

    def cell(value: float | None, form: str, scale: float = 1) -> str:
        return "" if value is None else format(scale * value, form)

    lines = [
        "| link | clips | max Δ features | max Δ logits | max Δ probability "
        "| decisions that differ | Δ accuracy | Δ UAR | limit | holds |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---|---|",
    ]
    for row in links:
        lines.append(
            f"| {row.name} | {row.clips} | {cell(row.features, '.2g')} | {cell(row.logits, '.2g')} "
            f"| {cell(row.probabilities, '.2g')} | {cell(row.decisions, 'd')} "
            f"| {cell(row.accuracy, '+.2f', 100)} | {cell(row.uar, '+.2f', 100)} "
            f"| {row.limit} | {'yes' if row.holds else 'NO'} |"
        )
    return "\n".join(lines)
