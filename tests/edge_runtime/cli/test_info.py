"""`edge-ser info` as a process."""

from __future__ import annotations

import json

from support.command import edge_ser
from support.tiny_model import write_tiny_model


def test_info_describes_model(tmp_path):
    text = edge_ser("info")
    assert text.returncode == 0
    for part in (
        "angry, happy, neutral, sad",
        "mfcc (batch, time, 13)",
        "new_state",
        "on-commercial",
    ):
        assert part in text.stdout
    description = json.loads(edge_ser("info", "--json").stdout)
    assert description["labels"] == ["angry", "happy", "neutral", "sad"]
    assert description["bytes"] < 300_000 and description["inputs"]["mfcc"] == ["batch", "time", 13]
    tiny = json.loads(edge_ser("info", "--json", str(write_tiny_model(tmp_path / "m.onnx"))).stdout)
    assert tiny["name"] == "tiny" and tiny["licence"] == "MIT"
    (tmp_path / "bad.onnx").write_text("no model")
    for name in ("bad.onnx", "missing.onnx"):
        result = edge_ser("info", str(tmp_path / name))
        assert result.returncode == 1 and len(result.stderr.splitlines()) == 1
        assert name in result.stderr
