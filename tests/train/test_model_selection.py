"""Several recipes: the speakers who choose the epoch choose among them, and nobody else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.training import fit_one

from edge_runtime import AudioError, EmotionModel, MfccConfig
from evaluate.protocols import evaluate
from train.data.clip import DatasetError
from train.data.corpora import scan
from train.data.features import cached_features
from train.data.folds import inner_folds
from train.model_selection import Candidate, fit_best, open_candidates
from train.pipeline import train_run
from train.recipes import DEFAULT_RECIPE, STUDIO
from train.run_folder import RunError, load_checkpoint

SIZES = [
    "epochs=10",
    "batch_size=4",
    "learning_rate=0.02",
    "hidden_size=16",
    "fc_size=16",
    "input_size=16",
    "ensemble_size=1",
    "speech=false",
    "distillation_weight=0",
]
TINY, TINY_STUDIO = DEFAULT_RECIPE.with_settings(SIZES), STUDIO.with_settings(SIZES)
DEAF = TINY.with_settings(["learning_rate=1e-9"])  # learns nothing
RECIPES = {"deaf": DEAF, "studio": TINY_STUDIO}


@pytest.fixture(scope="module")
def candidates(demo_corpus, feature_cache):
    return open_candidates(
        RECIPES, [demo_corpus / "manifest.csv"], None, [], None, feature_cache, []
    )


@pytest.fixture(scope="module")
def clips_and_folds(candidates):
    clips = list(range(len(candidates[0].data.clips)))
    test = set(inner_folds(candidates[0].data.clips, clips, 3, seed=1)[0])
    clips = [i for i in clips if i not in test]
    return clips, inner_folds(candidates[0].data.clips, clips, 2, seed=0)


def test_every_front_end_hears_the_same_clips(candidates):
    first, second = (candidate.data for candidate in candidates)
    assert first.clips == second.clips and first.labels == second.labels
    assert first.mfcc_config.n_mels == 16 and second.mfcc_config.n_mels == 40
    assert not np.array_equal(first.frames[0], second.frames[0])


def test_the_best_for_those_who_choose_is_trained_on_all(candidates, clips_and_folds):
    clips, folds = clips_and_folds
    for order in (candidates, candidates[::-1]):
        chosen = fit_best([its.seeded(3) for its in order], clips, folds)
        assert chosen.candidate.name == "studio"
        assert chosen.val_uar["deaf"] < chosen.val_uar["studio"] <= 1
    studio = next(its for its in candidates if its.name == "studio")
    config = studio.seeded(3).recipe.fit
    assert config.seed == 3
    alone = fit_one(studio.data, clips, folds, studio.recipe.network, config)
    for name, value in alone.network.state_dict().items():
        assert value.equal(chosen.fit.network.state_dict()[name]), name
    assert alone.temperature == chosen.fit.temperature


def test_of_equals_the_first_is_taken(candidates, clips_and_folds):
    clips, folds = clips_and_folds
    deaf = candidates[0]
    twins = [Candidate(name, deaf.recipe, deaf.data) for name in ("one", "two")]
    chosen = fit_best(twins, clips, folds)
    assert chosen.candidate.name == "one" and len(set(chosen.val_uar.values())) == 1


def test_each_is_resumed_from_its_own_state(candidates, clips_and_folds, tmp_path):
    clips, folds = clips_and_folds
    state = tmp_path / "state.pt"
    whole = fit_best(candidates, clips, folds, state_file=state)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "choice-1.deaf.state.pt",
        "choice-1.studio.state.pt",
        "choice-2.deaf.state.pt",
        "choice-2.studio.state.pt",
        "studio.state.pt",
    ]
    lines: list[str] = []
    again = fit_best(candidates, clips, folds, state_file=state, resume=True, log=lines.append)
    assert sum("Resumed after epoch" in line for line in lines) == 5
    assert not any("Train Epoch" in line for line in lines)
    assert again.val_uar == whole.val_uar
    fit_best(candidates[1:], clips, folds, state_file=tmp_path / "alone" / "state.pt")
    assert sorted(path.name for path in (tmp_path / "alone").iterdir()) == [
        "choice-1.state.pt",
        "choice-2.state.pt",
        "state.pt",
    ]


def test_what_one_front_end_cannot_use_is_named(demo_corpus, feature_cache, monkeypatch):
    """And nothing of what the first one left out is forgotten."""
    bad: dict[MfccConfig, Path] = {}

    def frames(path, extractor, cache):
        if bad.get(extractor.config) == path:
            raise AudioError(f"{path}: holds nothing but silence")
        return cached_features(path, extractor, cache)

    clips = scan([demo_corpus / "manifest.csv"])
    monkeypatch.setattr("train.data.features._cached_frames", frames)

    def found():
        return open_candidates(
            RECIPES, [demo_corpus / "manifest.csv"], None, [], None, feature_cache, []
        )

    bad[STUDIO.mfcc_config] = clips[7].path
    said = f"--recipe studio: .* 1 of the clips .{clips[7].path}: holds .* give this recipe first"
    with pytest.raises(DatasetError, match=said):
        found()
    bad = {recipe.mfcc_config: clips[7].path for recipe in (TINY, STUDIO)}
    first, second = found()
    assert len(first.data.clips) == len(clips) - 1 and first.data.clips == second.data.clips
    assert first.data.unreadable == second.data.unreadable != []


def test_recipes_with_the_same_front_end_share_what_it_heard(demo_corpus, feature_cache):
    noisy = replace(TINY, network=replace(TINY.network, speech=True))
    recipes = {"quiet": TINY, "noisy": noisy, "again": TINY, "twin": noisy, "studio": STUDIO}
    quiet, loud, again, twin, studio = (
        its.data
        for its in open_candidates(
            recipes, [demo_corpus / "manifest.csv"], None, [], None, feature_cache, []
        )
    )
    assert quiet.frames is loud.frames is twin.frames is not studio.frames
    assert loud.noises and twin.noises is loud.noises
    assert not quiet.noises and not again.noises
    assert studio.noises and not np.array_equal(studio.noises[0], loud.noises[0])


def test_a_run_tells_what_was_chosen_and_exports_it(demo_corpus, feature_cache, tmp_path):
    def run(recipes, resume=False):
        return train_run(
            [demo_corpus / "manifest.csv"],
            recipes=recipes,
            labels=None,
            auxiliary=[],
            speaker_pattern=None,
            noise=[],
            inner=2,
            run=tmp_path / "run",
            runs=tmp_path,
            cache=feature_cache,
            resume=resume,
            device="cpu",
        )

    folder = run(RECIPES)
    report = json.loads((folder / "report.json").read_text())
    assert report["recipe"] == "studio" and set(report["val_uar_by_recipe"]) == set(RECIPES)
    assert (
        "- Recipe studio, by the validation UAR of the recipes: deaf "
        in (folder / "report.md").read_text()
    )
    _, stored = load_checkpoint(folder)
    assert stored["mfcc_config"]["n_mels"] == 40 and stored["silence"]["relative"] is False
    settings = json.loads((folder / "settings.json").read_text())
    assert list(settings["recipes"]) == list(RECIPES)
    for recipes in ({"deaf": DEAF}, {"studio": TINY_STUDIO}, dict(reversed(RECIPES.items()))):
        with pytest.raises(RunError, match="was begun with another 'order'"):
            run(recipes, resume=True)


def test_a_protocol_chooses_in_every_fold(three_speakers, feature_cache, tmp_path):
    summary = evaluate(
        [three_speakers],
        "loso",
        tmp_path / "report",
        recipes=RECIPES,
        labels=None,
        auxiliary=[],
        speaker_pattern=None,
        noise=[],
        inner=2,
        seeds=1,
        jobs=1,
        runs=tmp_path / "runs",
        cache=feature_cache,
        resume=False,
        device="cpu",
    )
    assert {fold["recipe"] for fold in summary["folds"]} == {"studio"}
    page = (tmp_path / "report.md").read_text()
    assert "the recipe (deaf or studio), the epoch, the temperature and the gain" in page
    assert "| seed | test speakers | recipe | epoch | validation UAR, deaf |" in page
    assert "Recipe deaf:" in page and "Recipe studio:" in page and "n_mels 40" in page
    model = EmotionModel.load(tmp_path / "runs" / "fold-01-seed-0" / "model.int8.onnx")
    assert model.card.mfcc_config.n_mels == 40
