"""A trained network as an ONNX graph: float32, then int8."""

from __future__ import annotations

import logging
import tempfile
import warnings
from pathlib import Path

import onnx
import torch
from torch import nn

from edge_runtime.card import METADATA_KEY, ModelCard
from edge_runtime.files import replacing
from train.network import EmotionLSTM

# Opset 17 is read by every onnxruntime since 1.12 (2022); nothing newer is needed.
OPSET = 17


class _Deployed(nn.Module):
    """The network with what the device adds: probabilities at the calibrated temperature."""

    def __init__(self, network: EmotionLSTM, temperature: float) -> None:
        super().__init__()
        self.network, self.temperature = network, temperature

    def forward(self, mfcc: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = self.network(mfcc)
        return logits, torch.softmax(logits / self.temperature, dim=-1)


def export_fp32(network: EmotionLSTM, card: ModelCard, path: Path) -> None:
    """Write `mfcc (batch, time, n_mfcc)` → `logits`, `probabilities (batch, n_classes)`."""
    deployed = _Deployed(network, card.temperature).eval()
    example = torch.zeros(1, 8, network.config.n_mfcc)
    dynamic = {"mfcc": {0: "batch", 1: "time"}, "logits": {0: "batch"},
               "probabilities": {0: "batch"}}
    with replacing(path) as temporary:
        with warnings.catch_warnings():
            # The exporter that keeps an LSTM one ONNX node is the older one, and says so; it also
            # warns of batches, which the zero initial state, made from the input's shape, allows.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                deployed, (example,), str(temporary), dynamo=False,
                opset_version=OPSET, input_names=["mfcc"],
                output_names=["logits", "probabilities"], dynamic_axes=dynamic,
            )
        _finish(temporary, card)


def export_int8(fp32: Path, card: ModelCard, path: Path) -> None:
    """Quantize the weights of every LSTM and matrix product to int8; activations as they come.

    https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    logging.getLogger().setLevel(logging.ERROR)  # the pre-processing is advised, and done
    with tempfile.TemporaryDirectory() as folder, replacing(path) as temporary:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(str(fp32), str(prepared))
        quantize_dynamic(str(prepared), str(temporary), weight_type=QuantType.QInt8)
        _finish(temporary, card)


def _finish(path: Path, card: ModelCard) -> None:
    """Put the card in, take out what differs from run to run or is not used, and check."""
    model = onnx.load(str(path))
    used = {node.domain for node in model.graph.node} | {""}
    kept = [opset for opset in model.opset_import if opset.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(kept)
    for node in model.graph.node:
        node.ClearField("doc_string")  # holds source paths of the machine that exported
    model.producer_name, model.producer_version = "edge-ser", ""
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {METADATA_KEY: card.to_json()})
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))
