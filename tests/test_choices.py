"""The table of what each choice brings: who is heard, and what is told of it."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from edge_runtime import ConfigError
from train import choices
from train.choices import REFERENCE, SHORT, VARIATIONS
from train.recipe import BASELINE
from train.runs import RunError

TINY = SHORT.with_settings(["epochs=4", "hidden_size=4", "stem_size=0", "fc_size=4"])


def test_every_variation_differs_and_the_baseline_is_the_original():
    for name, recipe in VARIATIONS.items():
        assert (recipe != SHORT) == (name != REFERENCE)
    network = dataclasses.asdict(BASELINE.network)
    assert network["hidden_size"] == 128 and network["num_layers"] == 2
    assert network["fc_size"] == 64 and network["pooling"] == "mean" and network["stack"] == 1


def test_each_half_is_answered_by_a_network_that_has_not_heard_it(
    demo_corpus, tmp_path, monkeypatch
):
    heard = []

    def validated(data, clips, fold, network, config, last):
        heard.append(({data.clips[i].speaker for i in clips if i not in fold},
                      {data.clips[i].speaker for i in fold}, config.seed))
        right = [data.labels.index(data.clips[i].label) for i in fold]
        # Right about the first two labels, and never answers another.
        return np.eye(len(data.labels))[[label if label < 2 else 0 for label in right]]

    monkeypatch.setitem(VARIATIONS, "tiny", TINY)
    monkeypatch.setattr(choices, "validated", validated)
    task = ("tiny", 3, demo_corpus / "manifest.csv", tmp_path / "cache")
    assert choices._score(task) == ("tiny", 3, 0.5)
    (first, second) = heard
    assert first[0] == second[1] and first[1] == second[0] and not first[0] & first[1]
    assert len(first[0] | first[1]) == 4  # of 5 speakers: the first is tested by the protocols
    assert first[2] == second[2] == 3


def test_a_real_training_gives_a_share(demo_corpus, tmp_path, monkeypatch):
    monkeypatch.setattr("train.noise.N_SYNTHETIC", 4)
    monkeypatch.setitem(VARIATIONS, "tiny", TINY)
    task = ("tiny", 0, demo_corpus / "manifest.csv", tmp_path / "cache")
    first, again = (choices._score(task) for _ in range(2))
    assert first == again and 0.0 <= first[2] <= 1.0


def test_the_table_compares_equal_seeds():
    done = {
        "baseline of old": {"0": 0.1},
        "3 networks": {"0": 0.60, "1": 0.58}, REFERENCE: {"0": 0.50, "1": 0.54, "2": 0.40},
        "13 bands": {"2": 0.41},
    }
    rows = [line for line in choices._markdown(done).splitlines() if line.startswith("| ")][1:]
    assert rows == [
        f"| {REFERENCE} | 48.0 | +0.0 | 50.0, 54.0, 40.0 |",
        "| 3 networks | 59.0 | +7.0 | 60.0, 58.0 |",
        "| 13 bands | 41.0 | +1.0 | 41.0 |",
    ]


def test_a_variation_that_there_is_not_is_named(tmp_path):
    with pytest.raises(ConfigError, match="--only 7 bands: wanted one of .*; 13 bands; "):
        choices.choices(tmp_path, tmp_path / "r", names=["7 bands"], seeds=1, jobs=1,
                        cache=tmp_path, resume=False)


def test_a_report_is_not_lost_and_scores_of_other_recipes_are_not_kept(tmp_path, capsys):
    report = tmp_path / "r"
    recipes = {name: VARIATIONS[name].to_dict() for name in (REFERENCE, "13 bands")}
    recipes["13 bands"]["fit"]["weight_decay"] = 7.0
    scores = {REFERENCE: {"0": 0.5}, "13 bands": {"0": 0.4}, "of old": {"0": 0.1}}
    text = json.dumps({"recipes": recipes, "scores": scores})
    report.with_suffix(".json").write_text(text)
    arguments = {"names": [REFERENCE], "seeds": 1, "jobs": 1, "cache": tmp_path}
    with pytest.raises(RunError, match="r.json: is there already; give --resume"):
        choices.choices(tmp_path, report, resume=False, **arguments)
    assert report.with_suffix(".json").read_text() == text
    choices.choices(tmp_path, report, resume=True, **arguments)  # all of it is there
    assert f"| {REFERENCE} | 50.0 |" in report.with_suffix(".md").read_text()
    assert "13 bands" not in report.with_suffix(".md").read_text()
    assert "Note: 13 bands: left out, its recipe is another one now" in capsys.readouterr().out
    report.with_suffix(".json").write_text('{"13 bands": {"0": 0.4}}')
    with pytest.raises(RunError, match="is no report of this program"):
        choices.choices(tmp_path, report, resume=True, **arguments)
