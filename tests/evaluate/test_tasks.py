"""Folds of the protocols against those of the committed reports."""

from __future__ import annotations

import json

import pytest
from support.paths import CORPORA, ROOT

from edge_runtime.datasets.corpora import scan
from train.data.features import Dataset
from train.protocol import protocol_folds, speakers_of

REPORTS = sorted((ROOT / "reports").glob("*.splits.json"))


@pytest.mark.parametrize("splits", REPORTS, ids=lambda path: path.name.partition(".")[0])
def test_folds_match_committed_report(splits):
    """Scores in README and model card are only reproducible with the same folds."""
    report = json.loads(splits.with_name(splits.name.replace(".splits", "")).read_text())
    roots = [CORPORA / row["name"] for row in report["corpora"]]
    if not all(root.is_dir() for root in roots):
        pytest.skip(f"no corpora at {CORPORA}: set EDGE_SER_CORPORA to run this")
    clips = scan(roots, labels=[*report["labels"], *report["auxiliary"]])
    dataset = Dataset(clips, [], [], auxiliary=frozenset(report["auxiliary"]))
    rows = json.loads(splits.read_text())
    folds = [
        {
            "fold": fold.number + 1,
            "seed": seed,
            "train": speakers_of(dataset, fold.train),
            "validation_folds": [speakers_of(dataset, part) for part in fold.validation_folds],
            "test": speakers_of(dataset, fold.test),
        }
        for seed in sorted({row["seed"] for row in rows})
        for fold in protocol_folds(dataset, report["protocol"], report["inner"], seed)
    ]
    assert folds == rows
