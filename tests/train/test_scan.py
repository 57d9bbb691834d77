"""`python -m train scan`: what a dataset contains, before a training."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from edge_runtime.datasets.clip import DatasetError
from train.dataset import DatasetSpec
from train.scan import print_scan


def recordings(root, *names):
    for k, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(root / name, 0.1 * np.random.default_rng(k).standard_normal(4000), 16_000)
    return root


def scanned(root, caplog, **options):
    caplog.set_level("INFO")
    print_scan(DatasetSpec((root,), cache=root.parent / "cache", **options), inner=3, seed=0)
    return caplog.text


def test_scan_prints_labels_speakers_and_split(tmp_path, caplog):
    names = [f"{s}{k}_{code}.wav" for s in "abcdef" for code in ("ANG", "SAD") for k in range(2)]
    text = scanned(
        recordings(tmp_path / "mine", *names),
        caplog,
        label_pattern="_([A-Z]+)",
        label_codes="ANG=angry,SAD=sad",
        speaker_pattern="^([a-z])",
    )
    assert text.count(", speaker mine/") == 5
    assert "| angry   |      12 |          6 |       0.1 |" in text
    assert "Split: speaker-independent" in text and "validate on, fold 3" in text
    assert "fewer than 20 clips of angry (12), sad (12)" in text
    assert "Can be trained on, with 1 problem" in text


def test_scan_reports_unknown_speakers_and_unusable_files(tmp_path, caplog):
    root = recordings(tmp_path / "x", *(f"{label}/{k}.wav" for label in "ab" for k in range(5)))
    (root / "a" / "bad.wav").write_text("no audio")
    text = scanned(root, caplog)
    assert "Problem: the speakers are unknown" in text and "--speaker-pattern" in text
    assert "Skipped: " in text and "Problem: left out: 1 unreadable" in text


def test_scan_refuses_what_cannot_be_trained_on(tmp_path, caplog):
    names = [f"train/{label}/{k}.wav" for label in "ab" for k in range(3)]
    root = recordings(tmp_path / "x", *names, "test/c/1.wav")
    with pytest.raises(DatasetError, match="clips with the label 'c' are in the test set"):
        scanned(root, caplog)
