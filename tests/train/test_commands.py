"""The commands, from recordings to an answer: fit, evaluate, export, classify."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from support.paths import ROOT

from edge_runtime import EmotionModel
from export.pipeline import export_run


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=300,
    )


def test_from_recordings_to_an_answer(demo_corpus, feature_cache, tmp_path):
    runs = tmp_path / "runs"
    fitted = command(
        "train",
        "fit",
        "--data",
        demo_corpus / "manifest.csv",
        "--runs",
        runs,
        "--cache",
        feature_cache,
        "--epochs",
        2,
    )
    assert fitted.returncode == 0, fitted.stderr
    assert re.search(
        r"^Train Epoch: 1 \[0/\d+ \(0%\)\]\tLoss: \d+\.\d{6}$", fitted.stdout, re.MULTILINE
    )
    assert re.search(
        r"^Test set: Average loss: \d+\.\d{4}, Accuracy: \d+/\d+ \(\d+%\), UAR: ",
        fitted.stdout,
        re.MULTILINE,
    )
    run = runs / "001"
    report = json.loads((run / "report.json").read_text())
    assert report["split"] == "speaker-independent"
    assert len((run / "metrics.csv").read_text().splitlines()) == 3
    held = json.loads((run / "split.json").read_text())
    assert not set(held["train"]["speakers"]) & set(held["test"]["speakers"])

    resumed = command(
        "train",
        "fit",
        "--data",
        demo_corpus / "manifest.csv",
        "--runs",
        runs,
        "--cache",
        feature_cache,
        "--epochs",
        2,
        "--resume",
    )
    assert resumed.returncode == 0, resumed.stderr
    assert "Resumed after epoch 2" in resumed.stdout
    taken = command(
        "train",
        "fit",
        "--data",
        demo_corpus / "manifest.csv",
        "--run",
        run,
        "--cache",
        feature_cache,
    )
    assert taken.returncode == 1
    assert "holds a run already" in taken.stderr

    exported = command("export", "onnx", "--runs", runs, "--cache", feature_cache)
    assert exported.returncode == 0, exported.stdout + exported.stderr
    parity = json.loads((run / "parity.json").read_text())
    assert [link["name"] for link in parity["links"]] == [
        "librosa → numpy MFCC",
        "torch → fp32",
        "fp32 → int8",
        "int8: whole → in pieces",
        "numpy → waveform graph",
    ]
    assert parity["links"][0]["clips"] == 60
    answer = command(
        "edge_runtime",
        "classify",
        "--model",
        run / "model.int8.onnx",
        "--format",
        "jsonl",
        next((demo_corpus / "sad").glob("*.wav")),
    )
    labels = ("angry", "happy", "neutral", "sad", "uncertain", "no speech")
    assert json.loads(answer.stdout)["label"] in labels


def test_a_protocol_writes_its_report(three_speakers, feature_cache, tmp_path):
    report = tmp_path / "report"
    done = command(
        "evaluate",
        "protocol",
        "--corpus",
        three_speakers,
        "--protocol",
        "loso",
        "--report",
        report,
        "--cache",
        feature_cache,
        "--epochs",
        1,
        "--seeds",
        2,
        "--inner",
        2,
        "--runs",
        tmp_path / "runs",
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(report.with_suffix(".json").read_text())
    assert result["clips"] == 36 and len(result["folds"]) == 6
    assert np.sum(result["int8"]["confusion"]) == 72
    low, high = result["int8"]["uar_interval"]
    assert 0 <= low <= result["int8"]["uar"] <= high <= 1
    splits = json.loads(report.with_suffix(".splits.json").read_text())
    for fold in splits:
        train, test = set(fold["train"]), set(fold["test"])
        assert not train & test and len(train | test) == 3
        # Each training speaker chooses the epoch once, for the network that has not met them.
        choosers = [name for names in fold["choose the epoch in turn"] for name in names]
        assert sorted(choosers) == sorted(train)
    assert "Speaker-independent" in report.with_suffix(".md").read_text()
    for picture in (
        "report.confusion.png",
        "report.calibration.png",
        "runs/fold-01-seed-0/curves.png",
        "runs/fold-01-seed-0/calibration.png",
    ):
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")
    for k, fold in enumerate(splits[:3]):
        run = tmp_path / "runs" / f"fold-{k + 1:02d}-seed-0"
        parts = json.loads((run / "split.json").read_text())
        assert parts["test"]["speakers"] == fold["test"]
        assert parts["train"]["speakers"] == fold["train"]
        found = json.loads((run / "report.json").read_text())
        uar = json.loads((run / "result.json").read_text())["uar"]["fp32"]
        assert found["test"]["uar"] == pytest.approx(uar) and (run / "report.md").exists()
    for variant in ("int8", "fp32", "profile"):
        assert 0 <= result[variant]["ece"] <= 1
    exported = command(
        "export", "onnx", "--run", tmp_path / "runs" / "fold-01-seed-0", "--cache", feature_cache
    )
    assert exported.returncode == 0, exported.stdout + exported.stderr
    before = report.with_suffix(".json").read_bytes()
    (tmp_path / "runs" / "fold-02-seed-1" / "result.json").unlink()
    kept = tmp_path / "runs" / "fold-01-seed-0" / "result.json"
    stamp = kept.stat().st_mtime_ns
    again = command(*done.args[2:], "--resume")
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("Fold ") == 1 and kept.stat().st_mtime_ns == stamp
    assert report.with_suffix(".json").read_bytes() == before


def test_a_bundled_model_tells_of_the_protocols(demo_corpus, feature_cache, tmp_path, monkeypatch):
    run, reports, models = tmp_path / "run", tmp_path / "reports", tmp_path / "models"
    done = command(
        "train",
        "fit",
        "--data",
        demo_corpus / "manifest.csv",
        "--run",
        run,
        "--cache",
        feature_cache,
        "--epochs",
        1,
        "--set",
        "ensemble_size=1",
        "--inner",
        1,
    )
    assert done.returncode == 0, done.stderr
    models.mkdir()
    reports.mkdir()
    (reports / "emodb.json").write_text((ROOT / "reports" / "emodb.json").read_text())
    monkeypatch.setattr("export.pipeline.BUNDLED_MODEL", models / "edge_ser.onnx")
    monkeypatch.setattr("export.pipeline.REPORTS", reports)
    assert export_run(run, tmp_path, None, "mine", feature_cache, bundle=True)
    card = (models / "MODEL_CARD.md").read_text()
    found = json.loads((ROOT / "reports" / "emodb.json").read_text())
    assert f"| loso | default, studio | 4 | emodb {100 * found['int8']['uar']:.1f} |" in card
    tested = json.loads((run / "report.json").read_text())["test_by_corpus"]["demo"]
    told = f"| demo | {tested['clips']} | {tested['speakers']} | {100 * tested['uar']:.1f} |"
    assert "other than those of the recordings" in card and "actors" not in card
    assert told in card and told in (reports / "bundled.md").read_text()
    model = EmotionModel.load(models / "edge_ser.onnx")
    assert model.card.scores["test_by_corpus"]["demo"] == tested
    page = (reports / "bundled.md").read_text()
    pictures = re.findall(r"\((.*\.png)\)", page)
    assert len(pictures) == 2 and all((reports / picture).exists() for picture in pictures)


def test_errors_of_the_commands_are_one_line(tmp_path):
    for arguments in (
        ["train", "fit", "--data", tmp_path],
        ["export", "onnx", "--runs", tmp_path],
        ["train", "fit", "--data", tmp_path, "--mfcc", "hop=1"],
    ):
        result = command(*arguments)
        assert result.returncode == 1
        assert len(result.stderr.splitlines()) == 1
