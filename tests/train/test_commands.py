"""The commands from recordings to a prediction: fit, evaluate, export and classify."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from support.command import edge_ser, python_m_each
from support.training import map_in_this_process

from edge_runtime import EmotionModel
from evaluate.protocols import run_protocol
from export.bundle import BUNDLES
from export.pipeline import export_run
from train.dataset import DatasetSpec
from train.pipeline import train_run
from train.recipes import DEFAULT_RECIPE

SMALL = ["ensemble_size=1", "hidden_size=16", "fc_size=16", "input_size=16", "speech=false"]


def single_spaces(table: str) -> str:
    """Return Markdown without the padding of table cells."""
    return re.sub(" +", " ", table)


@pytest.mark.slow
@pytest.mark.usefixtures("plain_pictures", "little_noise")
def test_fit_resume_export_classify(demo_corpus, feature_cache, tmp_path):
    runs = tmp_path / "runs"
    run = runs / "001"
    data = ["--data", demo_corpus / "manifest.csv", "--cache", feature_cache]
    fit = ["train", "fit", *data, "--epochs", 2, "--inner", 2, "--set", "ensemble_size=2"]
    fit += ["--set", "gate_examples=60", "--set", "gate_epochs=1"]
    fitted, resumed, second, exported = python_m_each(
        [*fit, "--runs", runs],
        [*fit, "--runs", runs, "--resume"],
        [*fit, "--run", run],
        ["export", "onnx", "--runs", runs, "--cache", feature_cache],
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
    report = json.loads((run / "report.json").read_text())
    assert report["split"] == "speaker-independent"
    assert len((run / "metrics.csv").read_text().splitlines()) == 3
    split = json.loads((run / "split.json").read_text())
    assert not set(split["train"]["speakers"]) & set(split["test"]["speakers"])

    assert resumed.returncode == 0, resumed.stderr
    assert "the run is complete; nothing to resume" in resumed.stdout
    assert second.returncode == 1
    assert "already holds a run" in second.stderr

    assert exported.returncode == 0, exported.stdout + exported.stderr
    parity = json.loads((run / "parity.json").read_text())
    assert [link["name"] for link in parity["links"]] == [
        "librosa → numpy MFCC",
        "torch → fp32",
        "fp32 → int8",
        "int8: whole clips → chunks",
        "numpy → waveform graph",
    ]
    assert parity["links"][0]["clips"] == 60
    clip = next((demo_corpus / "sad").glob("*.wav"))
    answer = edge_ser("classify", "--model", run / "model.int8.onnx", "--format", "jsonl", clip)
    labels = ("angry", "happy", "neutral", "sad", "uncertain", "no speech")
    assert json.loads(answer.stdout)["label"] in labels


@pytest.mark.slow
def test_protocol_report_export_and_resume(
    three_speakers, feature_cache, tmp_path, caplog, monkeypatch
):
    report = tmp_path / "report"
    runs = tmp_path / "runs"
    protocol = [
        *("evaluate", "protocol", "--corpus", three_speakers, "--protocol", "loso"),
        *("--report", report, "--runs", runs, "--cache", feature_cache),
        *("--epochs", 1, "--seeds", 2, "--inner", 2, "--jobs", 1),
        *(option for setting in SMALL for option in ("--set", setting)),
    ]
    done, exported = python_m_each(
        protocol, ["export", "onnx", "--run", runs / "fold-01-seed-0", "--cache", feature_cache]
    )
    assert done.returncode == 0, done.stderr
    assert exported.returncode == 0, exported.stdout + exported.stderr
    result = json.loads(report.with_suffix(".json").read_text())
    assert result["clips"] == 36 and len(result["folds"]) == 6
    assert np.sum(result["int8"]["confusion"]) == 72
    low, high = result["int8"]["uar_interval"]
    assert 0 <= low <= result["int8"]["uar"] <= high <= 1
    splits = json.loads(report.with_suffix(".splits.json").read_text())
    for fold in splits:
        train, test = set(fold["train"]), set(fold["test"])
        assert not train & test and len(train | test) == 3
        # Each training speaker is in the validation part of exactly one fold.
        validated = [name for names in fold["validation_folds"] for name in names]
        assert sorted(validated) == sorted(train)
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
        run_report = json.loads((run / "report.json").read_text())
        uar = json.loads((run / "result.json").read_text())["uar"]["fp32"]
        assert run_report["test"]["uar"] == pytest.approx(uar) and (run / "report.md").exists()
    for variant in ("int8", "fp32", "profile"):
        assert 0 <= result[variant]["ece"] <= 1
    before = report.with_suffix(".json").read_bytes()
    (tmp_path / "runs" / "fold-02-seed-1" / "result.json").unlink()
    kept = tmp_path / "runs" / "fold-01-seed-0" / "result.json"
    stamp = kept.stat().st_mtime_ns
    caplog.set_level("INFO")
    caplog.clear()
    monkeypatch.setattr("train.parallel_training.map_in_processes", map_in_this_process)
    run_protocol(  # as the command does, without the start of other processes
        DatasetSpec((three_speakers,), cache=feature_cache),
        "loso",
        report,
        recipes={"default": DEFAULT_RECIPE.with_settings(["epochs=1", *SMALL])},
        inner=2,
        seeds=2,
        jobs=1,
        runs=runs,
        resume=True,
        device="cpu",
    )
    folds = [message for message in caplog.messages if message.startswith("Fold ")]
    assert len(folds) == 1 and kept.stat().st_mtime_ns == stamp
    assert report.with_suffix(".json").read_bytes() == before


@pytest.mark.slow
@pytest.mark.usefixtures("plain_pictures")
def test_bundled_model_card_lists_the_scores_on_strangers(
    demo_corpus, feature_cache, tmp_path, monkeypatch
):
    run, reports, models = tmp_path / "run", tmp_path / "reports", tmp_path / "models"
    settings = ["epochs=1", "ensemble_size=1", "speech=false"]
    train_run(
        DatasetSpec((demo_corpus / "manifest.csv",), cache=feature_cache),
        recipes={"default": DEFAULT_RECIPE.with_settings(settings)},
        inner=1,
        run=run,
        runs=tmp_path,
        resume=False,
        device="cpu",
    )
    models.mkdir()
    reports.mkdir()
    unknown = {"features": "model", "speech": "none", "labelled": 0, "uar": 0.521, "ece": 0.09}
    unknown |= {"arousal_uar": 0.75, "coverage": 0.85, "accuracy_answered": 0.55}
    unknown["by_corpus"] = {"emodb": {"uar": 0.7}, "nemo": {"uar": 0.342}}
    labelled = {**unknown, "speech": "minute", "labelled": 3, "uar": 0.76}
    other = {**unknown, "features": "egemaps", "uar": 0.9}
    summary = {"rows": [unknown, other, labelled], "listeners": {"clips": 9, "uar": 0.575}}
    (reports / "strangers.json").write_text(json.dumps(summary))
    bundle = replace(BUNDLES["edge_ser"], model=models / "edge_ser.onnx", card=models / "CARD.md")
    monkeypatch.setitem(BUNDLES, "edge_ser", bundle)
    monkeypatch.setattr("export.bundle.REPORTS", reports)
    assert export_run(run, tmp_path, None, "mine", feature_cache, bundle="edge_ser")
    card = single_spaces((models / "CARD.md").read_text())
    assert "| unknown | 70.0 | 34.2 | 52.1 | 0.090 | 75.0 | 85 | 55.0 |" in card
    assert "| profile with 3 labelled clips of each emotion | 70.0 | 34.2 | 76.0 |" in card
    assert "have a UAR of 57.5 on CREMA-D" in card and "90.0" not in card
    tested = json.loads((run / "report.json").read_text())["test_by_corpus"]["demo"]
    row = f"| demo | {tested['clips']} | {tested['speakers']} | {100 * tested['uar']:.1f} |"
    assert "other than those of the recordings" in card and "actors" not in card
    page = single_spaces((reports / "bundled.md").read_text())
    assert row in card and row in page
    model = EmotionModel.load(models / "edge_ser.onnx")
    assert model.card.scores["test_by_corpus"]["demo"] == tested
    expected = {"uar": 0.521, "uar_3_labelled": 0.76, "corpora": ["emodb", "nemo"]}
    assert expected.items() <= model.card.scores["strangers"].items()
    pictures = re.findall(r"\((.*\.png)\)", page)
    assert len(pictures) == 2 and all((reports / picture).exists() for picture in pictures)


@pytest.mark.slow
def test_help_is_short_and_of_one_style():
    """Free values are in capitals, choices as <a|b>; -h works as well."""
    commands = ["train fit", "train scan", "evaluate protocol", "export onnx", "benchmarks.mfcc"]
    results = python_m_each(*([*command.split(), "-h"] for command in commands))
    for result in results:
        assert result.returncode == 0 and "-h, --help" in result.stdout, result.stderr
        assert not re.search(r"<[^|>]*>", result.stdout), result.stdout


@pytest.mark.parametrize(
    ("options", "report", "runs"),
    [
        ([], "runs/loso/report", "runs/loso"),
        (["--report", "mine.md"], "mine.md", "runs/mine"),
        (["--runs", "x"], "x/report", "x"),
    ],
)
def test_reports_are_not_written_into_the_repository(monkeypatch, options, report, runs):
    from typer.testing import CliRunner

    from evaluate.__main__ import app

    paths = []
    monkeypatch.setattr(
        "evaluate.protocols.run_protocol",
        lambda spec, protocol, report, **others: paths.extend([report, others["runs"]]),
    )
    done = CliRunner().invoke(app, ["protocol", "--data", "x", "--protocol", "loso", *options])
    assert done.exit_code == 0, done.output
    assert list(map(str, paths)) == [report, runs]


@pytest.mark.slow
def test_errors_are_one_line(tmp_path):
    for result in python_m_each(
        ["train", "fit", "--data", tmp_path],
        ["export", "onnx", "--runs", tmp_path],
        ["train", "fit", "--data", tmp_path, "--mfcc", "hop=1"],
    ):
        assert result.returncode == 1
        assert len(result.stderr.splitlines()) == 1


@pytest.mark.slow
def test_folders_of_noise_must_exist(demo_corpus):
    data = ["--data", demo_corpus / "manifest.csv", "--noise", "none"]
    (done,) = python_m_each(["train", "fit", *data, "--recipe", "baseline"])
    assert done.returncode == 1 and "--noise none: folder not found" in done.stderr
