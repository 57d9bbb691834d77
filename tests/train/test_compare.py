"""Comparison of recipes: differences, intervals, resumption and options."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support.training import map_in_this_process
from typer.testing import CliRunner

from edge_runtime import ConfigError
from train.__main__ import app
from train.candidates import Candidate
from train.compare import compare_recipes, comparison_tasks
from train.comparison_report import comparison_markdown, summarise_comparison, verdict
from train.dataset import DatasetSpec
from train.options import compared_recipes
from train.run_folder import RunError

LABELS = ["angry", "sad"]
N_SPEAKERS, CLIPS_EACH = 12, 10
TINY = [
    *("epochs=4", "batch_size=8", "learning_rate=0.02", "hidden_size=8", "fc_size=8"),
    *("input_size=8", "ensemble_size=1", "speech=false", "distillation_weight=0"),
]


def result(recipe: str, accuracies: list[float], seed: int = 0, corpus: str = "c"):
    """Return the result of a fold, with the share of right answers of each speaker."""
    targets, answers, speakers = [], [], []
    for k, accuracy in enumerate(accuracies):
        for label in (0, 1):
            right = round(accuracy * CLIPS_EACH)
            targets += [label] * CLIPS_EACH
            answers += [label] * right + [1 - label] * (CLIPS_EACH - right)
            speakers += [f"{corpus}/{k}"] * CLIPS_EACH
    return {
        "fold": 0,
        "seed": seed,
        "recipe": recipe,
        "best_epoch": 3,
        "epochs": 4,
        "val_uar": 0.5,
        "uar": 0.5,
        "temperature": 2.0,
        "parameters": 10,
        "trained_by": "",
        "targets": targets,
        "speakers": speakers,
        "corpora": [corpus] * len(targets),
        "logits": (4 * np.eye(2)[answers]).tolist(),
    }


def summary_of(results, seeds=(0,), names=("one", "other")):
    about = {
        "comparison": list(names),
        "protocol": "actor-folds",
        "labels": LABELS,
        "inner": 3,
        "seeds": list(seeds),
        "corpora": [{"name": "c"}],
        "notes": [],
    }
    return summarise_comparison(about, results)


def accuracies(mean: float, seed: int) -> list[float]:
    """Return the accuracies of speakers who differ by much."""
    rng = np.random.default_rng(seed)
    return np.clip(mean + 0.2 * rng.standard_normal(N_SPEAKERS), 0.1, 0.8).round(1).tolist()


def test_paired_interval_is_narrower_than_those_of_the_recipes():
    one = accuracies(0.5, 0)
    other = [accuracy + 0.1 for accuracy in one]
    summary = summary_of([result("one", one), result("other", other)])
    low, high = summary["scores"]["one"]["uar_interval"]
    uar = summary["scores"]["one"]["uar"]
    assert low < uar < high and uar == pytest.approx(np.mean(one))
    change = summary["differences"]["other"]
    assert [change["uar"], *change["uar_interval"]] == pytest.approx([0.1, 0.1, 0.1])
    assert (change["speakers_better"], change["speakers_worse"]) == (N_SPEAKERS, 0)
    assert summary["clips"] == 2 * N_SPEAKERS * CLIPS_EACH and summary["speakers"] == N_SPEAKERS
    assert "other is better than one for new speakers." in comparison_markdown(summary)


def test_unclear_difference_is_stated():
    summary = summary_of([result("one", accuracies(0.5, 0)), result("other", accuracies(0.5, 1))])
    low, high = summary["differences"]["other"]["uar_interval"]
    assert low < 0 < high
    text = verdict("other", "one", summary["differences"]["other"])
    assert text.startswith("The interval of other includes 0") and text in comparison_markdown(
        summary
    )


def test_seeds_are_averaged_and_listed():
    one = [result("one", [0.5] * 3, seed) for seed in (0, 1)]
    other = [result("other", [0.5 + 0.2 * seed] * 3, seed) for seed in (0, 1)]
    summary = summary_of([*one, *other], seeds=(0, 1))
    assert summary["differences"]["other"]["uar_by_seed"] == pytest.approx([0.0, 0.2])
    assert summary["differences"]["other"]["uar"] == pytest.approx(0.1)
    assert "difference, seed 1" in comparison_markdown(summary)


def test_corpora_have_equal_weight():
    results = [
        result(name, [accuracy] * n, corpus=corpus)
        for name, accuracy, corpus, n in (
            ("one", 0.5, "large", 9),
            ("one", 0.5, "small", 2),
            ("other", 0.5, "large", 9),
            ("other", 0.9, "small", 2),
        )
    ]
    assert summary_of(results)["differences"]["other"]["uar"] == pytest.approx(0.2)


@pytest.mark.slow
def test_recipes_have_the_same_folds_and_resume(
    three_speakers, feature_cache, tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr("train.parallel_training.map_in_processes", map_in_this_process)
    texts = ["default", "default,learning_rate=1e-9,n_mels=20"]
    options = {
        "recipes": compared_recipes(texts, None, TINY, None, 0),
        "protocol": None,
        "inner": 2,
        "seeds": 1,
        "jobs": 1,
        "runs": tmp_path / "runs",
        "device": "cpu",
    }
    spec = DatasetSpec((three_speakers,), cache=feature_cache)
    caplog.set_level("INFO")
    summary = compare_recipes(spec, tmp_path / "report", resume=False, **options)
    assert summary["protocol"] == "loso" and summary["speakers"] == 3 and summary["clips"] == 36
    assert [r["recipe"] for r in summary["trainings"]] == texts * 3
    assert summary["scores"][texts[0]]["uar"] > summary["scores"][texts[1]]["uar"]
    assert any(m.startswith("Planned: 6 trainings (2 recipes, 3 folds, 1") for m in caplog.messages)
    folders = sorted((tmp_path / "runs").glob("recipe-*/fold-*"))
    assert len(folders) == 6 and not list(tmp_path.glob("**/*state.pt"))
    tests = [json.loads((folder / "settings.json").read_text())["test"] for folder in folders]
    assert tests[:3] == tests[3:] and tests[0] != tests[1]

    with pytest.raises(RunError, match="already contains trainings; use --resume"):
        compare_recipes(spec, tmp_path / "report", resume=False, **options)
    (folders[4] / "result.json").unlink()
    caplog.clear()
    again = compare_recipes(spec, tmp_path / "report.json", resume=True, **options)
    assert again == summary == json.loads((tmp_path / "report.json").read_text())
    assert sum(message.startswith("Fold ") for message in caplog.messages) == 1


def test_damaged_results_are_trained_again(dataset, tmp_path):
    recipes = compared_recipes(["default", "studio"], None, TINY, None, 0)
    candidates = [Candidate(name, recipe, dataset) for name, recipe in recipes.items()]
    task = comparison_tasks(candidates, "loso", 2, range(1), tmp_path)[0]
    assert not task.is_done()
    task.folder.mkdir(parents=True)
    (task.folder / "settings.json").write_text(json.dumps(task.settings))
    whole = result("default", [0.5]) | {
        key: [0] * len(task.fold.test) for key in ("targets", "logits", "speakers", "corpora")
    }
    for damaged in ("", "[]", json.dumps(whole | {"targets": [0]}), json.dumps({"seed": 0})):
        (task.folder / "result.json").write_text(damaged)
        assert not task.is_done()
    (task.folder / "result.json").write_text(json.dumps(whole))
    assert task.is_done()


def test_recipes_have_settings_of_their_own():
    recipes = compared_recipes(
        ["default", "default,hidden_size=32,n_mels=24"], ["n_mels=20"], ["dropout=0.1"], 7, 3
    )
    first, other = recipes.values()
    assert (first.network.hidden_size, other.network.hidden_size) == (64, 32)
    assert (first.mfcc_config.n_mels, other.mfcc_config.n_mels) == (20, 24)
    for recipe in (first, other):
        assert (recipe.network.dropout, recipe.fit.epochs, recipe.fit.seed) == (0.1, 7, 3)


@pytest.mark.parametrize(
    "texts, message",
    [
        (["default"], "two different recipes, got 1"),
        (["default", "default"], "two different recipes, got 1"),
        (["best", "default"], "expected one of default, studio, corpora, baseline, got 'best'"),
        (["default", "default,seed=1"], "--recipe seed is not supported; use --seed"),
        (["default", "default,n_mels=0"], "--recipe default,n_mels=0: "),
        (["default", "default,hiden_size=3"], "hiden_size"),
    ],
)
def test_unusable_recipes_are_refused(texts, message):
    with pytest.raises(ConfigError, match=message):
        compared_recipes(texts, None, None, None, 0)


def test_options_reach_the_comparison(monkeypatch, tmp_path):
    given = {}
    monkeypatch.setattr(
        "train.compare.compare_recipes", lambda spec, report, **o: given.update(o, report=report)
    )
    arguments = ["--data", "x", "--recipe", "default", "--recipe", "studio", "--seeds", "2"]
    done = CliRunner().invoke(app, ["compare", *arguments, "--runs", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert given["report"] == tmp_path / "report" and list(given["recipes"]) == [
        "default",
        "studio",
    ]
    assert given["seeds"] == 2 and given["protocol"] is None
