"""Comparison of another machine with this one in the parity report."""

from __future__ import annotations

import dataclasses
import json

import pytest
from support.paths import ROOT, VOICES

from edge_runtime import EdgeSerError
from edge_runtime.diagnostics.parity_dump import DeviceOutputs
from edge_runtime.inference.network import Network
from edge_runtime.model import BUNDLED_MODEL
from export.device_parity import compare_device, device_link


@pytest.fixture(scope="module")
def model():
    return Network.load(BUNDLED_MODEL)


@pytest.fixture(scope="module")
def measured(model):
    there = DeviceOutputs.compute(model, sorted(VOICES.glob("*/*.wav")))
    return dataclasses.replace(there, machine="pocket_calculator")


def test_equal_outputs_hold(model, measured):
    row = device_link(measured, model, [VOICES])
    assert row.holds and row.clips == 4 and row.decisions == 0 and row.uar == 0
    assert row.name.endswith(" → pocket-calculator")
    assert row.features < 1e-4 and row.probabilities < 1e-6


@pytest.mark.parametrize(
    "change", [{"features": 0.002}, {"probabilities": 0.0002}, {"logits": [0, 0, 0, 100]}]
)
def test_differences_beyond_the_limits_do_not_hold(model, measured, change):
    name, by = next(iter(change.items()))
    if name == "features":
        value = tuple(frames + by for frames in measured.features)
    else:
        value = getattr(measured, name) + by
    row = device_link(dataclasses.replace(measured, **{name: value}), model, [VOICES])
    assert not row.holds


def test_different_number_of_frames_does_not_hold(model, measured):
    shorter = dataclasses.replace(
        measured, features=tuple(frames[:-1] for frames in measured.features)
    )
    assert not device_link(shorter, model, [VOICES]).holds


def test_unknown_clips_and_other_models_are_refused(model, measured, tmp_path):
    with pytest.raises(EdgeSerError, match="1 of 4 clips not found among"):
        unknown = dataclasses.replace(measured, clips=("0" * 64, *measured.clips[1:]))
        device_link(unknown, model, [VOICES])
    dataclasses.replace(measured, model="0" * 64).save(tmp_path / "measured.npz")
    with pytest.raises(EdgeSerError, match="another model than .*--model"):
        compare_device(tmp_path / "measured.npz", [VOICES], None, tmp_path / "parity")


def test_row_is_added_to_a_report_or_replaced(measured, tmp_path):
    measured.save(tmp_path / "measured.npz")
    report = tmp_path / "parity"
    before = json.loads((ROOT / "reports" / "parity.json").read_text())
    before["links"] = before["links"][:5]
    report.with_suffix(".json").write_text(json.dumps(before))
    for _ in range(2):
        assert compare_device(tmp_path / "measured.npz", [VOICES], None, report)
        after = json.loads(report.with_suffix(".json").read_text())
        assert after["links"][:-1] == before["links"] and after["sizes"] == before["sizes"]
        assert after["links"][-1]["name"].endswith("pocket-calculator")
        assert report.with_suffix(".md").read_text().count("pocket-calculator") == 1
    report.with_suffix(".json").write_text("{}")
    with pytest.raises(EdgeSerError, match="was not written by this command"):
        compare_device(tmp_path / "measured.npz", [VOICES], None, report)
