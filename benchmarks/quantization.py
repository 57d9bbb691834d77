"""Quantization variants of a model, side by side: `python -m benchmarks.quantization --run RUN`.

Compares size, time for 3 s of audio, difference from PyTorch, and whether a stream ends with the
output of the whole clip.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import onnx
import torch
import typer
from onnx import helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process

from edge_runtime import MfccConfig
from edge_runtime.datasets.clip import Clip
from edge_runtime.diagnostics.system_info import processor
from edge_runtime.features.silence import SilenceConfig
from edge_runtime.inference.card import METADATA_KEY
from edge_runtime.inference.network import Network
from edge_runtime.scoring.metrics import scores
from export.card import make_card
from export.graph import export_fp32, export_int8
from export.outputs import chunked_outputs, network_outputs, torch_outputs
from train.checkpoint import load_checkpoint
from train.command import run_function
from train.data.features import load_dataset

from .alternate import medians
from .report import Out, command, publish, table

VARIANTS = (
    "float32",
    "int8 weights, per-channel scales (bundled)",
    "dynamic int8, per-tensor scales",
    "dynamic int8, per-channel scales",
)


def quantize(fp32: Path, path: Path, per_channel: bool) -> None:
    """Apply onnxruntime's dynamic quantization, which also rounds the activations of every call.

    https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
    """
    logging.getLogger().setLevel(logging.ERROR)
    card = {prop.key: prop.value for prop in onnx.load(str(fp32)).metadata_props}
    prepared = path.with_suffix(".prepared.onnx")
    quant_pre_process(str(fp32), str(prepared))
    quantize_dynamic(str(prepared), str(path), weight_type=QuantType.QInt8, per_channel=per_channel)
    model = onnx.load(str(path))
    model.DiscardUnknownFields()  # the checksum of the original
    helper.set_model_props(model, {METADATA_KEY: card[METADATA_KEY]})
    onnx.save(model, str(path))


def main(
    run: Annotated[Path, typer.Option(help="A run folder of `make train`.")],
    clips: Annotated[int, typer.Option(help="Clips of the run, drawn at random.")] = 600,
    rounds: Annotated[int, typer.Option(help="Alternating runs.")] = 101,
    cache: Annotated[Path, typer.Option(help="Feature cache.")] = Path(".cache/features"),
    out: Out = None,
) -> None:
    """Report size, speed and accuracy of the quantization variants of a model."""
    torch.set_num_threads(1)
    network, stored = load_checkpoint(run)
    card = make_card(network, stored, "variant", "see the table")
    rng = np.random.default_rng(0)
    run_clips = [Clip(Path(path), label) for path, label in stored["clips"]]
    chosen = rng.permutation(len(run_clips))[:clips]
    silence = stored["silence"] and SilenceConfig.from_dict(stored["silence"])
    dataset = load_dataset(
        [run_clips[i] for i in chosen], MfccConfig.from_dict(stored["mfcc_config"]), cache, silence
    )
    targets = np.array([card.labels.index(clip.label) for clip in dataset.clips])
    reference = torch_outputs(network, card, dataset)
    labels = list(card.labels)
    torch_uar = scores(targets, reference.logits.argmax(axis=1), labels, reference.no_speech)["uar"]
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{k}.onnx" for k, name in enumerate(VARIANTS)}
        fp32, int8, per_tensor, per_channel = files.values()
        export_fp32(network, card, fp32)
        export_int8(fp32, card, int8)
        quantize(fp32, per_tensor, per_channel=False)
        quantize(fp32, per_channel, per_channel=True)
        models = {name: Network.load(file) for name, file in files.items()}
        sizes = {name: file.stat().st_size for name, file in files.items()}
    frames = np.resize(dataset.frames[0], (151, card.mfcc_config.n_mfcc))
    times = medians(
        {name: (lambda m=model: m.run(frames)) for name, model in models.items()}, rounds
    )
    rows = []
    for name, model in models.items():
        answers = network_outputs(model, dataset)
        chunked = chunked_outputs(model, dataset)
        n_changed = int((answers.logits.argmax(1) != reference.logits.argmax(1)).sum())
        uar = scores(targets, answers.logits.argmax(axis=1), labels, answers.no_speech)["uar"]
        rows.append(
            [
                name,
                f"{sizes[name]:,}",
                f"{1000 * times[name]:.2f}",
                f"{np.abs(answers.probabilities - reference.probabilities).max():.1g}",
                str(n_changed),
                f"{100 * (uar - torch_uar):+.2f}",
                f"{np.abs(answers.probabilities - chunked.probabilities).max():.1g}",
            ]
        )
    header = [
        *("variant", "bytes", "ms", "max Δ probability to PyTorch", "changed decisions"),
        *("Δ UAR", "max Δ probability, stream to whole clip"),
    ]
    publish(
        f"""# Quantization variants

{command()} on {processor()}, one thread, {len(targets)} clips of the run. Times are of the \
network alone on 151 frames (3 s), medians of {rounds} alternating runs; Δ UAR is in percentage \
points.

{table(header, rows)}
""",
        out,
    )


if __name__ == "__main__":
    run_function(main)
