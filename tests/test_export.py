"""Export and parity, and the commands from recordings to an answer."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch
from conftest import ROOT, TRAINING_MFCC

from edge_runtime import ConfigError, EmotionModel, MfccConfig
from edge_runtime.level import Loudness
from edge_runtime.silence import SilenceConfig
from export.graph import (
    SMALLEST_QUANTIZED,
    export_fp32,
    export_int8,
    export_waveform,
    quantize,
)
from export.parity import compare
from export.session import export_run, make_card
from train.network import EmotionLSTM, NetworkConfig
from train.runs import RunError, load_checkpoint, save_checkpoint


@pytest.fixture(scope="module")
def exported(dataset, split, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    network = EmotionLSTM(NetworkConfig())
    torch.manual_seed(0)
    for parameter in network.parameters():
        torch.nn.init.uniform_(parameter, -0.15, 0.15)
    frames = np.concatenate(dataset.frames)
    network.mean.copy_(torch.from_numpy(frames.mean(axis=0)))
    network.std.copy_(torch.from_numpy(frames.std(axis=0)))
    save_checkpoint(
        folder, network, TRAINING_MFCC, None, dataset.labels, temperature=1.7, corpora=[],
        licence="MIT", scores={}, clips=[],
    )
    network, stored = load_checkpoint(folder)
    export_fp32(network, make_card(network, stored, "test", "none"), folder / "fp32.onnx")
    export_int8(
        folder / "fp32.onnx", make_card(network, stored, "test", "int8"), folder / "int8.onnx"
    )
    return network, folder


def test_exported_models_answer_as_the_trained_one(exported, dataset):
    network, folder = exported
    fp32, int8 = (EmotionModel.load(folder / f"{kind}.onnx") for kind in ("fp32", "int8"))
    targets = np.array([dataset.labels.index(clip.label) for clip in dataset.clips])
    assert len({len(clip) for clip in dataset.frames}) > 10
    first, second, third = compare(network, fp32, int8, dataset.frames, targets)
    assert first.holds and first.logits <= 1e-4 and first.decisions == 0
    assert second.probabilities < 0.05
    assert third.holds and third.probabilities <= 1e-5
    for length in (1, 2, 1000):
        clip = np.random.default_rng(length).standard_normal((length, 13)).astype(np.float32)
        expected = network(torch.from_numpy(clip[None]))[0].detach().numpy()
        logits, probabilities, _, _ = fp32.run(clip)
        np.testing.assert_allclose(logits, expected, atol=1e-4)
        np.testing.assert_allclose(
            probabilities, np.exp(expected / 1.7) / np.exp(expected / 1.7).sum(), atol=1e-5
        )


def test_parity_notices_a_model_that_differs(exported, dataset):
    network, folder = exported
    fp32 = EmotionModel.load(folder / "fp32.onnx")
    other = EmotionLSTM(NetworkConfig()).eval()
    targets = np.zeros(len(dataset.clips), int)
    assert not compare(other, fp32, fp32, dataset.frames, targets)[0].holds


def test_int8_covers_lstms_and_products_and_is_a_quarter(exported):
    _, folder = exported
    graph = onnx.load(folder / "int8.onnx").graph
    made = {name for node in graph.node if node.op_type == "DequantizeLinear"
            for name in node.output}
    kinds = {tensor.name: tensor.data_type for tensor in graph.initializer}
    for node in graph.node:
        weights = node.input[1:3] if node.op_type == "LSTM" else node.input[1:2]
        if node.op_type in ("LSTM", "Gemm", "MatMul"):
            for name in weights:
                small = name in kinds and onnx_size(graph, name) < SMALLEST_QUANTIZED
                assert name in made or small, name
    assert len(made) >= 5
    assert (folder / "int8.onnx").stat().st_size < 0.28 * (folder / "fp32.onnx").stat().st_size


def onnx_size(graph, name):
    return next(onnx.numpy_helper.to_array(t).size for t in graph.initializer if t.name == name)


BETTER_NETWORK = NetworkConfig(
    hidden_size=32, pooling="attention", stack=2, stem_size=64, residual=True, speech=True,
    members=2,
)


@pytest.fixture(scope="module", params=[False, True], ids=["levels", "relative levels"])
def with_waveform(dataset, tmp_path_factory, request):
    """An untrained network of the better kind: fp32, int8 and waveform graphs."""
    folder = tmp_path_factory.mktemp("waveform")
    torch.manual_seed(1)
    network = EmotionLSTM(BETTER_NETWORK).eval()
    for parameter in network.parameters():
        torch.nn.init.uniform_(parameter, -0.3, 0.3)
    config = dataclasses.replace(TRAINING_MFCC, n_mels=16, fmax=4000.0)
    network.mean[0], network.std[:] = (-40.0 if request.param else -150.0), 15.0
    silence = SilenceConfig(relative=request.param)
    save_checkpoint(
        folder, network, config, silence, dataset.labels, temperature=1.3, corpora=[],
        licence="MIT", scores={}, clips=[],
    )
    network, stored = load_checkpoint(folder)
    card = make_card(network, stored, "test", "int8")
    export_fp32(network, card, folder / "fp32.onnx")
    export_int8(folder / "fp32.onnx", card, folder / "int8.onnx")
    export_waveform(network, card, folder / "wave32.onnx")
    export_int8(folder / "wave32.onnx", card, folder / "waveform.onnx")
    return folder


def session_of(path):
    import onnxruntime

    return onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])


def test_the_waveform_graph_hears_what_the_numpy_path_hears(with_waveform, speech, voice_clips):
    model = EmotionModel.load(with_waveform / "int8.onnx")
    session = session_of(with_waveform / "waveform.onnx")
    rng = np.random.default_rng(0)
    clips = [
        *speech[:8], *voice_clips, np.pad(voice_clips[0], 20_000), 0.01 * voice_clips[1],
        rng.standard_normal(30_000).astype(np.float32), np.zeros(9_000, np.float32),
        *(voice_clips[0][5000 : 5000 + n] for n in (1, 200, 479, 480, 481, 3000)),
    ]
    for clip in clips:
        frames = model.mfcc(clip)
        heard = model.run(model.frames(clip))
        _, probabilities, spoken, features = session.run(None, {"waveform": clip[None]})
        np.testing.assert_allclose(features[0], frames, atol=5e-3)
        np.testing.assert_allclose(probabilities[0], heard.probabilities, atol=1e-4)
        loudness = Loudness(16_000)
        loudness.push(clip)
        expected = heard.speech if loudness.dbfs() >= model.card.speech_above_dbfs else 0.0
        assert spoken[0, 0] == pytest.approx(expected, abs=1e-4)


def test_a_batch_of_waveforms_is_its_clips_one_by_one(with_waveform, voice_clips):
    session = session_of(with_waveform / "waveform.onnx")
    length = min(map(len, voice_clips))
    batch = np.stack([clip[:length] for clip in voice_clips])
    batch[1, : length // 2] = 0  # so that the clips of the batch keep different frames
    together = session.run(["probabilities"], {"waveform": batch})[0]
    for row, clip in zip(together, batch):
        alone = session.run(["probabilities"], {"waveform": clip[None]})[0][0]
        np.testing.assert_allclose(row, alone, atol=1e-5)


def test_the_waveform_graph_is_standard_onnx_and_small(with_waveform):
    model = onnx.load(with_waveform / "waveform.onnx")
    assert {opset.domain for opset in model.opset_import} <= {"", "ai.onnx"}
    assert (with_waveform / "waveform.onnx").stat().st_size < 200_000
    assert {prop.key for prop in model.metadata_props} == {"edge_ser"}


def test_onnxruntime_keeps_the_activations_in_float32(with_waveform, tmp_path):
    """Of a product with int8 weights it can make one that rounds the activations as well, which
    differs from graph to graph; ours has none of those."""
    import onnxruntime

    for name in ("int8.onnx", "waveform.onnx"):
        options = onnxruntime.SessionOptions()
        options.optimized_model_filepath = str(tmp_path / name)
        options.log_severity_level = 4
        onnxruntime.InferenceSession(str(with_waveform / name), options)
        kinds = {node.op_type for node in onnx.load(tmp_path / name).graph.node}
        assert not {kind for kind in kinds if "NBits" in kind or "Dynamic" in kind}, kinds


def test_a_front_end_that_the_waveform_graph_cannot_have_is_refused(exported, tmp_path):
    network, folder = exported
    _, stored = load_checkpoint(folder)
    card = make_card(network, stored, "test", "int8")
    for wrong in (MfccConfig.python_speech_features(), MfccConfig(top_db=80.0),
                  MfccConfig(power=1.0)):
        with pytest.raises(ConfigError, match="waveform graph needs"):
            export_waveform(network, dataclasses.replace(card, mfcc=wrong), tmp_path / "x.onnx")


def test_quantized_weights_are_within_half_a_step():
    weights = np.random.default_rng(0).standard_normal((1, 40, 30)).astype(np.float32)
    weights[0, 3] *= 100  # one loud output must not cost the others their steps
    values, scale = quantize(weights, 1)
    assert values.dtype == np.int8 and scale.shape == (40,)
    error = np.abs(values * scale[None, :, None] - weights)
    assert (error <= scale[None, :, None] * 0.5001).all()
    assert np.abs(values).max(axis=(0, 2)).min() == 127


def test_exporting_twice_gives_the_same_bytes(exported, tmp_path):
    network, folder = exported
    _, stored = load_checkpoint(folder)
    export_fp32(network, make_card(network, stored, "test", "none"), tmp_path / "fp32.onnx")
    export_int8(
        tmp_path / "fp32.onnx", make_card(network, stored, "test", "int8"), tmp_path / "int8.onnx"
    )
    for name in ("fp32.onnx", "int8.onnx"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_a_checkpoint_executes_nothing(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "exploded"), "w"))

    torch.save({"weights": Bomb()}, tmp_path / "checkpoint.pt")
    with pytest.raises(RunError, match="is not a checkpoint of edge-ser"):
        load_checkpoint(tmp_path)
    assert not (tmp_path / "exploded").exists()


# ------------------------------------------------------------------ the commands


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *map(str, arguments)], capture_output=True, text=True, cwd=ROOT,
        timeout=300,
    )


def test_from_recordings_to_an_answer(demo_corpus, feature_cache, tmp_path):
    runs = tmp_path / "runs"
    fitted = command("train", "fit", "--data", demo_corpus / "manifest.csv", "--runs", runs,
                     "--cache", feature_cache, "--epochs", 2)
    assert fitted.returncode == 0, fitted.stderr
    assert re.search(
        r"^Train Epoch: 1 \[0/\d+ \(0%\)\]\tLoss: \d+\.\d{6}$", fitted.stdout, re.MULTILINE
    )
    assert re.search(
        r"^Test set: Average loss: \d+\.\d{4}, Accuracy: \d+/\d+ \(\d+%\), UAR: ",
        fitted.stdout, re.MULTILINE,
    )
    run = runs / "001"
    report = json.loads((run / "report.json").read_text())
    assert report["split"] == "speaker-independent"
    assert len((run / "metrics.csv").read_text().splitlines()) == 3
    held = json.loads((run / "split.json").read_text())
    assert not set(held["train"]["speakers"]) & set(held["test"]["speakers"])

    resumed = command("train", "fit", "--data", demo_corpus / "manifest.csv", "--runs", runs,
                      "--cache", feature_cache, "--epochs", 2, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert "Resumed after epoch 2" in resumed.stdout
    taken = command("train", "fit", "--data", demo_corpus / "manifest.csv", "--run", run,
                    "--cache", feature_cache)
    assert taken.returncode == 1
    assert "holds a run already" in taken.stderr

    exported = command("export", "onnx", "--runs", runs, "--cache", feature_cache)
    assert exported.returncode == 0, exported.stdout + exported.stderr
    parity = json.loads((run / "parity.json").read_text())
    assert [link["name"] for link in parity["links"]] == [
        "librosa → numpy MFCC", "torch → fp32", "fp32 → int8", "int8: whole → in pieces",
        "numpy → waveform graph",
    ]
    assert parity["links"][0]["clips"] == 60
    answer = command("edge_runtime", "classify", "--model", run / "model.int8.onnx",
                     "--format", "jsonl", next((demo_corpus / "sad").glob("*.wav")))
    labels = ("angry", "happy", "neutral", "sad", "uncertain", "no speech")
    assert json.loads(answer.stdout)["label"] in labels


def test_a_protocol_writes_its_report(demo_corpus, feature_cache, tmp_path):
    report = tmp_path / "report"
    done = command("train", "evaluate", "--corpus", demo_corpus / "manifest.csv",
                   "--protocol", "loso", "--report", report, "--cache", feature_cache,
                   "--epochs", 1, "--seeds", 2, "--inner", 2, "--runs", tmp_path / "runs")
    assert done.returncode == 0, done.stderr
    result = json.loads(report.with_suffix(".json").read_text())
    assert result["clips"] == 60 and len(result["folds"]) == 10
    assert np.sum(result["int8"]["confusion"]) == 120
    low, high = result["int8"]["uar_interval"]
    assert 0 <= low <= result["int8"]["uar"] <= high <= 1
    splits = json.loads(report.with_suffix(".splits.json").read_text())
    for fold in splits:
        train, test = set(fold["train"]), set(fold["test"])
        assert not train & test and len(train | test) == 5
        # Each training speaker chooses the epoch once, for the network that has not met them.
        choosers = [name for names in fold["choose the epoch in turn"] for name in names]
        assert sorted(choosers) == sorted(train)
    assert "Speaker-independent" in report.with_suffix(".md").read_text()
    for picture in ("report.confusion.png", "report.calibration.png",
                    "runs/fold-01-seed-0/curves.png", "runs/fold-01-seed-0/calibration.png"):
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")
    for k, fold in enumerate(splits[:5]):
        run = tmp_path / "runs" / f"fold-{k + 1:02d}-seed-0"
        parts = json.loads((run / "split.json").read_text())
        assert parts["test"]["speakers"] == fold["test"]
        assert parts["train"]["speakers"] == fold["train"]
        found = json.loads((run / "report.json").read_text())
        uar = json.loads((run / "result.json").read_text())["uar"]["fp32"]
        assert found["test"]["uar"] == pytest.approx(uar) and (run / "report.md").exists()
    for variant in ("int8", "fp32", "profile"):
        assert 0 <= result[variant]["ece"] <= 1
    exported = command("export", "onnx", "--run", tmp_path / "runs" / "fold-01-seed-0",
                       "--cache", feature_cache)
    assert exported.returncode == 0, exported.stdout + exported.stderr
    before = report.with_suffix(".json").read_bytes()
    (tmp_path / "runs" / "fold-02-seed-1" / "result.json").unlink()
    kept = tmp_path / "runs" / "fold-01-seed-0" / "result.json"
    stamp = kept.stat().st_mtime_ns
    again = command(*done.args[2:], "--resume")
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("Fold ") == 1 and kept.stat().st_mtime_ns == stamp
    assert report.with_suffix(".json").read_bytes() == before
    fewer = command(*done.args[2:], "--resume", "--seeds", 1)
    assert fewer.returncode == 1 and "is a report of more seeds, 1 among them" in fewer.stderr
    assert report.with_suffix(".json").read_bytes() == before


def test_a_bundled_model_tells_of_the_protocols(demo_corpus, feature_cache, tmp_path, monkeypatch):
    run, reports, models = tmp_path / "run", tmp_path / "reports", tmp_path / "models"
    done = command("train", "fit", "--data", demo_corpus / "manifest.csv", "--run", run,
                   "--cache", feature_cache, "--epochs", 1, "--set", "members=1", "--inner", 1)
    assert done.returncode == 0, done.stderr
    models.mkdir()
    reports.mkdir()
    (reports / "emodb.json").write_text((ROOT / "reports" / "emodb.json").read_text())
    monkeypatch.setattr("export.session.BUNDLED_MODEL", models / "edge_ser.onnx")
    monkeypatch.setattr("export.session.REPORTS", reports)
    assert export_run(run, tmp_path, None, "mine", feature_cache, bundle=True)
    card = (models / "MODEL_CARD.md").read_text()
    found = json.loads((ROOT / "reports" / "emodb.json").read_text())
    assert f"| loso | better, studio | 4 | emodb {100 * found['int8']['uar']:.1f} |" in card
    tested = json.loads((run / "report.json").read_text())["test_by_corpus"]["demo"]
    told = f"| demo | {tested['clips']} | {tested['speakers']} | {100 * tested['uar']:.1f} |"
    assert told in card and told in (reports / "bundled.md").read_text()
    model = EmotionModel.load(models / "edge_ser.onnx")
    assert model.card.scores["test_by_corpus"]["demo"] == tested
    page = (reports / "bundled.md").read_text()
    pictures = re.findall(r"\((.*\.png)\)", page)
    assert len(pictures) == 2 and all((reports / picture).exists() for picture in pictures)


def test_errors_of_the_commands_are_one_line(tmp_path):
    for arguments in (
        ["train", "fit", "--data", tmp_path], ["export", "onnx", "--runs", tmp_path],
        ["train", "fit", "--data", tmp_path, "--mfcc", "hop=1"],
    ):
        result = command(*arguments)
        assert result.returncode == 1
        assert len(result.stderr.splitlines()) == 1
