"""`python -m benchmarks.quantization --run RUN`: the ways to make a model small, side by side.

Size, time of a 3 s clip, how far the answers are from PyTorch's, and whether a stream ends where
the whole clip does.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process

from benchmarks.alternate import medians
from edge_runtime import EmotionModel, MfccConfig
from edge_runtime.diagnostics.system_info import processor
from edge_runtime.features.silence import SilenceConfig
from edge_runtime.inference.card import METADATA_KEY
from export.graph import export_fp32, export_int8
from export.parity import ModelOutputs, chunked_answers, model_answers, torch_answers
from export.pipeline import make_card
from train.data.clip import Clip
from train.data.features import load_dataset
from train.files import write_text
from train.metrics import scores
from train.run_folder import load_checkpoint

from .command import command


def dynamic(fp32: Path, path: Path, per_channel: bool) -> None:
    """onnxruntime's dynamic quantization, which rounds the activations of every call as well.

    https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
    """
    logging.getLogger().setLevel(logging.ERROR)
    card = {prop.key: prop.value for prop in onnx.load(str(fp32)).metadata_props}
    prepared = path.with_suffix(".prepared.onnx")
    quant_pre_process(str(fp32), str(prepared))
    quantize_dynamic(str(prepared), str(path), weight_type=QuantType.QInt8, per_channel=per_channel)
    model = onnx.load(str(path))
    model.DiscardUnknownFields()  # the seal of what it was made from
    helper.set_model_props(model, {METADATA_KEY: card[METADATA_KEY]})
    onnx.save(model, str(path))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="a run folder of `make train`")
    parser.add_argument("--clips", type=int, default=600, help="so many of the run's, at random")
    parser.add_argument("--rounds", type=int, default=101)
    parser.add_argument("--cache", type=Path, default=Path(".cache/features"))
    parser.add_argument("--out", type=Path, default=Path("reports/quantization.md"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    network, stored = load_checkpoint(options.run)
    card = make_card(network, stored, "variant", "see the table")
    rng = np.random.default_rng(0)
    every = [Clip(Path(path), label) for path, label in stored["clips"]]
    chosen = rng.permutation(len(every))[: options.clips]
    silence = stored["silence"] and SilenceConfig.from_dict(stored["silence"])
    dataset = load_dataset(
        [every[i] for i in chosen],
        MfccConfig.from_dict(stored["mfcc_config"]),
        options.cache,
        silence,
    )
    targets = np.array([card.labels.index(clip.label) for clip in dataset.clips])
    reference = torch_answers(network, dataset.frames, card.temperature)
    before = scores(targets, reference.logits.argmax(axis=1), list(card.labels))["uar"]
    with tempfile.TemporaryDirectory() as folder:
        files = {
            name: Path(folder) / f"{k}.onnx"
            for k, name in enumerate(
                (
                    "float32",
                    "int8 weights, a scale for each output (ships)",
                    "dynamic int8, a scale for each matrix",
                    "dynamic int8, a scale for each output",
                )
            )
        }
        fp32, ships, tensor, channel = files.values()
        export_fp32(network, card, fp32)
        export_int8(fp32, card, ships)
        dynamic(fp32, tensor, per_channel=False)
        dynamic(fp32, channel, per_channel=True)
        models = {name: EmotionModel.load(file) for name, file in files.items()}
        sizes = {name: file.stat().st_size for name, file in files.items()}
    clip = np.resize(dataset.frames[0], (151, card.mfcc_config.n_mfcc))
    times = medians(
        {name: (lambda m=model: m.run(clip)) for name, model in models.items()}, options.rounds
    )
    rows = []
    for name, model in models.items():
        answers: ModelOutputs = model_answers(model, dataset.frames)
        pieces = chunked_answers(model, dataset.frames)
        differ = int((answers.logits.argmax(1) != reference.logits.argmax(1)).sum())
        after = scores(targets, answers.logits.argmax(axis=1), list(card.labels))["uar"]
        rows.append(
            f"| {name} | {sizes[name]:,} | {1000 * times[name]:.2f} "
            f"| {np.abs(answers.probabilities - reference.probabilities).max():.1g} | {differ} "
            f"| {100 * (after - before):+.2f} "
            f"| {np.abs(answers.probabilities - pieces.probabilities).max():.1g} |"
        )
    lines = "\n".join(rows)
    table = f"""# Ways to make the model small

{command()} on {processor()}, one thread, {len(targets)} clips of the run; \
times are of the network alone on 151 frames (3 s), medians of {options.rounds} alternating runs.

| variant | bytes | ms | max Δ probability from PyTorch | decisions that differ | Δ UAR \
| max Δ probability of a stream in pieces |
|---|---:|---:|---:|---:|---:|---:|
{lines}
"""
    print(table)
    write_text(options.out, table)


if __name__ == "__main__":
    main()
