"""The report on speech gates of corpora that were left out."""

from __future__ import annotations

import pytest
import torch

from edge_runtime.datasets.clip import DatasetError
from evaluate.__main__ import app
from evaluate.speech_gate import gate_page, stored_scores
from train.command import run
from train.gate.network import GateNetwork
from train.gate.training import TrainedGate


def gate(corpus, lost):
    counts = {corpus: {"clips": 20, "lost": lost}}
    return TrainedGate(
        GateNetwork(25, 4),
        0.25,
        0.3,
        {
            "lost": {condition: counts for condition in ("alone", "20", "10", "5")},
            "lost_by_label": {"sad": {"clips": 20, "lost": lost}},
            "noise": {"rain": {"recordings": 10, "passed": lost}},
            "agreement": 0.9,
        },
    )


@pytest.fixture
def runs(tmp_path):
    (tmp_path / "model").mkdir()
    for corpus, lost in (("one", 1), ("other", 3)):
        torch.save(gate(corpus, lost), tmp_path / "model" / f"{corpus}-gate.pt")
    return tmp_path


def test_page_has_a_row_for_each_gate_and_their_mean(runs):
    page = gate_page(stored_scores(runs))
    rows = [line.replace(" ", "") for line in page.splitlines()]
    assert "|one|20|5.0|5.0|5.0|5.0|90.0|0.25|" in rows
    assert "|other|20|15.0|15.0|15.0|15.0|90.0|0.25|" in rows
    assert "|mean||10.0|10.0|10.0|10.0|90.0||" in rows
    assert "|sad|40|10.0|" in rows
    assert "|rain|10|20.0|" in rows


def test_command_reports_the_gates_of_strangers(runs, tmp_path, monkeypatch):
    report = tmp_path / "report"
    arguments = ["evaluate", "gate", "--runs", str(runs), "--report", str(report)]
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit) as ended:
        run(app, "evaluate")
    assert ended.value.code == 0
    assert report.with_suffix(".md").read_text() == gate_page(stored_scores(runs))
    monkeypatch.setattr("sys.argv", arguments[:2])
    with pytest.raises(SystemExit) as ended:
        run(app, "evaluate")
    assert "expected either --data or --runs" in str(ended.value.code)


def test_folder_without_gates_is_an_error(tmp_path):
    with pytest.raises(DatasetError, match="no speech gates found"):
        stored_scores(tmp_path)
