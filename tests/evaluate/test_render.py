"""Committed report pages against their JSON files."""

from __future__ import annotations

import json
import shutil

import onnx
import pytest
from support.paths import ROOT

from edge_runtime.model import BUNDLED_MODEL
from evaluate.render import render
from export.bundle import BUNDLES, current_card, write_bundled_pages
from export.graph import write_model
from export.parity_report import render_parity
from scripts.rename_fields import renamed_report
from train.run_folder import RunError

REPORTS = ROOT / "reports"
PAGES = sorted(
    path
    for path in REPORTS.glob("*.json")
    if not path.stem.startswith(("parity", "bundled")) and not path.stem.endswith(".splits")
)


@pytest.mark.parametrize("report", PAGES, ids=lambda path: path.stem)
def test_committed_page_matches_json(tmp_path, report):
    copy = tmp_path / report.name
    shutil.copy(report, copy)
    render(copy)
    assert copy.with_suffix(".md").read_text() == report.with_suffix(".md").read_text()


@pytest.mark.parametrize("name", ["parity", "parity-open"])
def test_committed_parity_page_matches_json(tmp_path, name):
    copy = tmp_path / f"{name}.json"
    shutil.copy(REPORTS / f"{name}.json", copy)
    render_parity(copy)
    assert copy.with_suffix(".md").read_text() == (REPORTS / f"{name}.md").read_text()


def test_pages_of_the_bundled_models_are_up_to_date(monkeypatch):
    pages = {}
    monkeypatch.setattr("export.bundle.write_text", pages.__setitem__)
    write_bundled_pages()
    models = BUNDLED_MODEL.parent
    assert set(pages) == {
        models / "MODEL_CARD.md",
        models / "MODEL_CARD_OPEN.md",
        REPORTS / "bundled.md",
        REPORTS / "bundled-open.md",
    }
    for page, text in pages.items():
        assert text == page.read_text()


@pytest.mark.parametrize("name", BUNDLES)
def test_bundled_cards_have_the_scores_of_the_report(name, tmp_path):
    bundle = BUNDLES[name]
    card = current_card(bundle)
    for file in (bundle.model, bundle.waveform):
        copy = tmp_path / file.name
        write_model(onnx.load(file), card, copy)
        assert copy.read_bytes() == file.read_bytes()


def test_other_json_is_refused(tmp_path):
    for text in ("[]", "{}", "no JSON"):
        (tmp_path / "other.json").write_text(text)
        with pytest.raises(RunError, match="is not a report of `python -m evaluate protocol`"):
            render(tmp_path / "other.json")


@pytest.mark.parametrize("report", sorted(REPORTS.glob("*.json")), ids=lambda path: path.stem)
def test_committed_reports_have_current_names(report):
    stored = json.loads(report.read_text())
    assert renamed_report(stored) == stored
