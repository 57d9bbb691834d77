"""A whole export: checkpoint → fp32 → int8 → parity over the clips of the run → report."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edge_runtime import EmotionModel, MfccConfig
from edge_runtime.card import ModelCard
from edge_runtime.files import replacing
from edge_runtime.model import BUNDLED_MODEL
from edge_runtime.silence import SilenceConfig
from train.corpora import Clip
from train.features import load_dataset
from train.files import write_json, write_text
from train.network import EmotionLSTM
from train.runs import CHECKPOINT, RunError, load_checkpoint, newest_run

from .card import card_markdown
from .graph import export_fp32, export_int8
from .parity import as_json, as_markdown, compare

FP32, INT8, CARD = "model.fp32.onnx", "model.int8.onnx", "MODEL_CARD.md"

INT8_WEIGHTS = "int8 weights with a scale for each output, float32 arithmetic"

# Below this level, 60 dB under full scale, the loudest 30 ms of a clip are no voice.
SPEECH_ABOVE_DBFS = -60.0


def export_run(
    run: Path | None, runs: Path, out: Path | None, name: str, cache: Path, bundle: bool
) -> bool:
    """Export a run; True if every parity limit holds. The files are written either way, except
    that a model beyond its limits is renamed `*.failed.onnx`, so that nobody ships it."""
    torch.set_num_threads(1)
    run = run or newest_run(runs, CHECKPOINT)
    out = out or run
    out.mkdir(parents=True, exist_ok=True)
    network, stored = load_checkpoint(run)
    fp32, int8 = out / FP32, out / INT8
    export_fp32(network, make_card(network, stored, name, "none (float32)"), fp32)
    export_int8(fp32, make_card(network, stored, name, INT8_WEIGHTS), int8)

    clips = [Clip(Path(path), label) for path, label in stored["clips"]]
    dataset = load_dataset(
        clips, MfccConfig.from_dict(stored["mfcc"]), cache, _silence(stored)
    )
    if dataset.unreadable:
        raise RunError(
            f"{len(dataset.unreadable)} clips of the run cannot be read any more, such as "
            f"{dataset.unreadable[0]}; parity is checked on all of them"
        )
    targets = np.array([stored["labels"].index(clip.label) for clip in dataset.clips])
    quantized = EmotionModel.load(int8)
    links = compare(network, EmotionModel.load(fp32), quantized, dataset.frames, targets)
    sizes = {path.name: path.stat().st_size for path in (fp32, int8)}
    holds = all(link.holds for link in links)
    write_json(out / "parity.json", {"sizes": sizes, "holds": holds, "links": as_json(links)})
    table = as_markdown(links)
    write_text(out / CARD, card_markdown(quantized.card, sizes[INT8], table))
    write_text(out / "parity.md", _report(network, sizes, table))
    print(table)
    print("\n".join(f"{file}: {size:,} bytes" for file, size in sizes.items()))
    if not holds:
        for path in (fp32, int8):
            path.replace(path.with_suffix(".failed.onnx"))
        print("The exported model does not answer as the trained one: see the table.")
    else:
        if bundle:
            for source, target in (
                (int8, BUNDLED_MODEL), (out / CARD, BUNDLED_MODEL.with_name(CARD))
            ):
                with replacing(target) as temporary:
                    shutil.copyfile(source, temporary)
            print(f"Bundled: {BUNDLED_MODEL}")
        print(f"Try it: edge-ser classify --model {int8} clip.wav")
    return holds


def make_card(
    network: EmotionLSTM, stored: dict[str, Any], name: str, quantization: str
) -> ModelCard:
    """The card of a checkpoint that `train.runs.load_checkpoint` read."""
    sizes = network.config
    return ModelCard(
        name=name,
        labels=tuple(stored["labels"]),
        mfcc=MfccConfig.from_dict(stored["mfcc"]),
        silence=_silence(stored),
        feature_mean=tuple(round(float(value), 5) for value in network.mean),
        normalisation="in the graph: mean and deviation of the training frames",
        temperature=float(stored["temperature"]),
        uncertain_below=float(stored.get("uncertain_below", 0.0)),
        frames_per_step=sizes.stack,
        speech_above=float(stored.get("speech_above", 0.0)),
        speech_above_dbfs=SPEECH_ABOVE_DBFS,
        architecture={
            "lstm_layers": sizes.num_layers, "hidden_size": sizes.hidden_size,
            "fc_size": sizes.fc_size, "pooling": sizes.pooling, "stack": sizes.stack,
            "stem_size": sizes.stem_size, "residual": sizes.residual,
        },
        parameters=network.n_parameters(),
        quantization=quantization,
        licence=stored["licence"],
        corpora=tuple(stored["corpora"]),
        scores=stored["scores"],
    )


def _silence(stored: dict[str, Any]) -> SilenceConfig | None:
    values = stored.get("silence")
    return None if values is None else SilenceConfig.from_dict(values)


def _report(network: EmotionLSTM, sizes: dict[str, int], table: str) -> str:
    files = "\n".join(f"| {name} | {size:,} |" for name, size in sizes.items())
    return f"""# Parity of torch and onnx

Every clip of the training run, one at a time, training clips included: this compares
implementations and scores none. Differences of accuracy and UAR are in percentage points.

{table}

| file | bytes |
|---|---:|
{files}

{network.n_parameters():,} parameters.
"""
