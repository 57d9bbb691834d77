"""`edge-ser info` as a process."""

from __future__ import annotations

import json

import pytest
from support.command import edge_ser
from support.tiny_model import write_tiny_model


@pytest.mark.slow
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
    lines = text.stdout.splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 100, text.stdout
    assert not any(line.lstrip().startswith("%") for line in lines)
    scores = [line.split()[0] for line in lines if "UAR" in line or "strangers" in line]
    assert scores[0] == "strangers"
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


def test_score_of_strangers_is_first():
    from edge_runtime import EmotionModel
    from edge_runtime.diagnostics.model_info import as_text, describe

    description = describe(EmotionModel.load())
    description["scores"] = {**description["scores"], "strangers": {"uar": 0.536}}
    lines = as_text(description).splitlines()
    assert lines[2].startswith("strangers     UAR 53.6 %") and lines[3].startswith("same corpora")
    for damaged in (None, 3, {}, {"uar": "x"}, {"uar": 5.0}):
        description["scores"]["strangers"] = damaged
        assert "strangers     not recorded" in as_text(description)
