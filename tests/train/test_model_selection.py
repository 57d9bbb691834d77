"""Selection among several recipes on validation speakers."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.training import fit_one, map_in_this_process

from edge_runtime import AudioError, EmotionModel, MfccConfig
from edge_runtime.datasets.clip import DatasetError
from edge_runtime.datasets.corpora import scan
from evaluate.protocols import run_protocol
from train.candidates import Candidate, open_candidates
from train.checkpoint import load_checkpoint
from train.data.features import cached_features
from train.data.folds import inner_folds
from train.dataset import DatasetSpec
from train.model_selection import fit_best
from train.pipeline import train_run
from train.recipes import DEFAULT_RECIPE, STUDIO
from train.run_folder import RunError

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
FROZEN = TINY.with_settings(["learning_rate=1e-9"])  # learns nothing
RECIPES = {"frozen": FROZEN, "studio": TINY_STUDIO}


def spec_of(corpus: Path, cache: Path) -> DatasetSpec:
    return DatasetSpec((corpus / "manifest.csv",), cache=cache)


@pytest.fixture(scope="module")
def candidates(demo_corpus, feature_cache):
    return open_candidates(RECIPES, spec_of(demo_corpus, feature_cache))


@pytest.fixture(scope="module")
def clips_and_folds(candidates):
    clips = list(range(len(candidates[0].data.clips)))
    test = set(inner_folds(candidates[0].data.clips, clips, 3, seed=1)[0])
    clips = [i for i in clips if i not in test]
    return clips, inner_folds(candidates[0].data.clips, clips, 2, seed=0)


def test_all_front_ends_process_the_same_clips(candidates):
    first, second = (candidate.data for candidate in candidates)
    assert first.clips == second.clips and first.labels == second.labels
    assert first.mfcc_config.n_mels == 16 and second.mfcc_config.n_mels == 40
    assert not np.array_equal(first.frames[0], second.frames[0])


@pytest.fixture(scope="module")
def trained(candidates, clips_and_folds, tmp_path_factory):
    """The selection among the candidates, and a folder with the states of its trainings."""
    folder = tmp_path_factory.mktemp("states")
    seeded = [candidate.seeded(3) for candidate in candidates]
    return fit_best(seeded, *clips_and_folds, state_file=folder / "state.pt"), folder


@pytest.mark.slow
def test_best_on_validation_is_trained_on_all_clips(candidates, clips_and_folds, trained, tmp_path):
    clips, folds = clips_and_folds
    first, states = trained
    shutil.copytree(states, tmp_path, dirs_exist_ok=True)  # so that nothing is trained twice
    reverse = [candidate.seeded(3) for candidate in candidates[::-1]]
    last = fit_best(reverse, clips, folds, state_file=tmp_path / "state.pt", resume=True)
    for selected in (first, last):
        assert selected.candidate.name == "studio"
        assert selected.val_uar["frozen"] < selected.val_uar["studio"] <= 1
    studio = next(c for c in candidates if c.name == "studio")
    config = studio.seeded(3).recipe.fit
    assert config.seed == 3
    alone = fit_one(studio.data, clips, folds, studio.recipe.network, config)
    for name, value in alone.network.state_dict().items():
        assert value.equal(first.fit.network.state_dict()[name]), name
    assert alone.temperature == first.fit.temperature


@pytest.mark.slow
def test_ties_go_to_the_first_candidate(candidates, clips_and_folds):
    clips, folds = clips_and_folds
    frozen = candidates[0]
    recipe = frozen.recipe.with_settings(["epochs=2"])
    twins = [Candidate(name, recipe, frozen.data) for name in ("one", "two")]
    selected = fit_best(twins, clips, folds)
    assert selected.candidate.name == "one" and len(set(selected.val_uar.values())) == 1


@pytest.mark.slow
def test_each_candidate_resumes_from_its_own_state(candidates, clips_and_folds, trained, tmp_path):
    clips, folds = clips_and_folds
    whole, states = trained
    assert sorted(path.name for path in states.iterdir()) == [
        "fold-1.frozen.state.pt",
        "fold-1.studio.state.pt",
        "fold-2.frozen.state.pt",
        "fold-2.studio.state.pt",
        "studio.state.pt",
    ]
    shutil.copytree(states, tmp_path / "again")
    seeded = [candidate.seeded(3) for candidate in candidates]
    lines: list[str] = []
    again = fit_best(
        seeded,
        clips,
        folds,
        state_file=tmp_path / "again" / "state.pt",
        resume=True,
        log=lines.append,
    )
    assert sum("Resumed after epoch" in line for line in lines) == 5
    assert not any("Train Epoch" in line for line in lines)
    assert again.val_uar == whole.val_uar
    quick = replace(seeded[1], recipe=seeded[1].recipe.with_settings(["epochs=1"]))
    fit_best([quick], clips, folds, state_file=tmp_path / "alone" / "state.pt")
    assert sorted(path.name for path in (tmp_path / "alone").iterdir()) == [
        "fold-1.state.pt",
        "fold-2.state.pt",
        "state.pt",
    ]


def test_clip_that_one_front_end_cannot_use_is_an_error(demo_corpus, feature_cache, monkeypatch):
    """Clips that the first front end cannot use are left out of all."""
    bad: dict[MfccConfig, Path] = {}

    def frames(path, extractor, cache, *statistics):
        if bad.get(extractor.config) == path:
            raise AudioError(f"{path}: holds only silence")
        return cached_features(path, extractor, cache, *statistics)

    clips = scan([demo_corpus / "manifest.csv"])
    monkeypatch.setattr("train.data.features.cached_features", frames)

    def load():
        return open_candidates(RECIPES, spec_of(demo_corpus, feature_cache))

    bad[STUDIO.mfcc_config] = clips[7].path
    message = (
        f"--recipe studio: .* 1 of the clips .{clips[7].path}: holds .* give this recipe first"
    )
    with pytest.raises(DatasetError, match=message):
        load()
    bad = {recipe.mfcc_config: clips[7].path for recipe in (TINY, STUDIO)}
    first, second = load()
    assert len(first.data.clips) == len(clips) - 1 and first.data.clips == second.data.clips
    assert first.data.unreadable == second.data.unreadable != []


def test_recipes_with_one_front_end_share_its_features(demo_corpus, feature_cache, monkeypatch):
    monkeypatch.setattr("train.data.noise.N_SYNTHETIC", 5)
    noisy = TINY.with_settings(["noise=0.5"])
    studio = STUDIO.with_settings(["noise=0.5"])
    recipes = {"quiet": TINY, "noisy": noisy, "again": TINY, "twin": noisy, "studio": studio}
    quiet, loud, again, twin, studio = (
        candidate.data
        for candidate in open_candidates(recipes, spec_of(demo_corpus, feature_cache))
    )
    assert quiet.frames is loud.frames is twin.frames is not studio.frames
    assert loud.noises and twin.noises is loud.noises
    assert not quiet.noises and not again.noises
    assert studio.noises and not np.array_equal(studio.noises[0], loud.noises[0])


@pytest.mark.slow
@pytest.mark.usefixtures("plain_pictures")
def test_run_reports_and_exports_the_selected_recipe(demo_corpus, feature_cache, tmp_path):
    def run(recipes, resume=False):
        return train_run(
            spec_of(demo_corpus, feature_cache),
            recipes=recipes,
            inner=2,
            run=tmp_path / "run",
            runs=tmp_path,
            resume=resume,
            device="cpu",
        )

    folder = run(RECIPES)
    report = json.loads((folder / "report.json").read_text())
    assert report["recipe"] == "studio" and set(report["val_uar_by_recipe"]) == set(RECIPES)
    assert (
        "- Recipe studio, by the validation UAR of the recipes: frozen "
        in (folder / "report.md").read_text()
    )
    _, stored = load_checkpoint(folder)
    assert stored["mfcc_config"]["n_mels"] == 40 and stored["silence"]["relative"] is False
    settings = json.loads((folder / "settings.json").read_text())
    assert list(settings["recipes"]) == list(RECIPES)
    for recipes in ({"frozen": FROZEN}, {"studio": TINY_STUDIO}, dict(reversed(RECIPES.items()))):
        with pytest.raises(RunError, match="was trained with different 'order'"):
            run(recipes, resume=True)


@pytest.mark.slow
@pytest.mark.usefixtures("plain_pictures")
def test_protocol_selects_a_recipe_in_every_fold(
    three_speakers, feature_cache, tmp_path, monkeypatch
):
    monkeypatch.setattr("train.parallel_training.map_in_processes", map_in_this_process)
    summary = run_protocol(
        DatasetSpec((three_speakers,), cache=feature_cache),
        "loso",
        tmp_path / "report",
        recipes=RECIPES,
        inner=2,
        seeds=1,
        jobs=1,
        runs=tmp_path / "runs",
        resume=False,
        device="cpu",
    )
    assert {fold["recipe"] for fold in summary["folds"]} == {"studio"}
    page = (tmp_path / "report.md").read_text()
    assert "the recipe (frozen or studio), the epoch, the temperature and the profile gain" in page
    assert "validation UAR %, frozen" in page
    assert "Recipe frozen:" in page and "Recipe studio:" in page and "n_mels 40" in page
    model = EmotionModel.load(tmp_path / "runs" / "fold-01-seed-0" / "model.int8.onnx")
    assert model.card.mfcc_config.n_mels == 40
