"""Ablation studies: the clips of training and validation, and the report."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter

import numpy as np
import pytest

from edge_runtime import ConfigError
from edge_runtime.datasets.clip import DatasetError
from edge_runtime.datasets.corpora import scan
from evaluate import ablation, ablation_studies
from evaluate.ablation_studies import STUDIES
from evaluate.ablation_variants import (
    CORPUS_VARIANTS,
    CROSS_CORPUS,
    REFERENCE,
    SINGLE_NETWORK,
    SPEAKER_VARIANTS,
)
from train.dataset import DatasetSpec
from train.recipes import BASELINE, CORPORA
from train.run_folder import RunError

TINY = SINGLE_NETWORK.with_settings(["epochs=4", "hidden_size=4", "input_size=0", "fc_size=4"])


def spec(*data, cache):
    return DatasetSpec(data, cache=cache)


def test_every_variant_differs_from_the_reference():
    for reference, table in ((SINGLE_NETWORK, SPEAKER_VARIANTS), (CROSS_CORPUS, CORPUS_VARIANTS)):
        for name, recipe in table.items():
            assert (recipe != reference) == (name != REFERENCE)
    without_statistics = dataclasses.replace(CORPORA, statistics=None)
    expected = without_statistics.with_settings(["epochs=60", "frame_stack=2"])
    assert CORPUS_VARIANTS["3 members"] == expected
    network = dataclasses.asdict(BASELINE.network)
    assert network["hidden_size"] == 128 and network["num_layers"] == 2
    assert network["fc_size"] == 64 and network["pooling"] == "mean" and network["frame_stack"] == 1


@pytest.mark.slow
def test_halves_are_predicted_by_the_network_of_the_other(demo_corpus, tmp_path, monkeypatch):
    calls = []

    def validation_logits(data, clips, fold, network, config, last):
        calls.append(
            (
                {data.clips[i].speaker for i in clips if i not in fold},
                {data.clips[i].speaker for i in fold},
                config.seed,
            )
        )
        right = [data.labels.index(data.clips[i].label) for i in fold]
        # Correct for the first two labels, and never predicts another.
        return np.eye(len(data.labels))[[label if label < 2 else 0 for label in right]]

    monkeypatch.setitem(SPEAKER_VARIANTS, "tiny", TINY)
    monkeypatch.setattr(ablation_studies, "validation_logits", validation_logits)
    task = ("default", "tiny", 3, spec(demo_corpus / "manifest.csv", cache=tmp_path / "cache"))
    assert ablation.score_variant(task) == ("tiny", 3, [0.5])
    (first, second) = calls
    assert first[0] == second[1] and first[1] == second[0] and not first[0] & first[1]
    assert len(first[0] | first[1]) == 4  # of 5 speakers: the first is tested by the protocols
    assert first[2] == second[2] == 3


def in_corpora(dataset, *names: str):
    """Assign the clips of the demo corpus to other speakers; the first letter is the corpus.

    'sad' is an auxiliary label.
    """
    clips, seen = [], Counter()
    for clip in dataset.clips:
        speaker = names[seen[clip.label] % len(names)]
        seen[clip.label] += 1
        clips.append(dataclasses.replace(clip, speaker=speaker, corpus=speaker[0]))
    return dataclasses.replace(dataset, clips=clips, auxiliary=frozenset({"sad"}))


def test_other_corpora_and_held_out_speakers_are_not_trained_on(dataset, monkeypatch):
    data = in_corpora(dataset, "a1", "a2", "a3", "a4", "b1", "b2", "b3", "c1")
    calls = []

    def validation_logits(data, clips, fold, network, config, last):
        trained = [data.clips[i] for i in clips if i not in fold]
        asked = [data.clips[i] for i in fold]
        calls.append((trained, asked))
        corpus = min(clip.corpus for clip in trained)
        right = np.array([data.labels.index(clip.label) for clip in asked])
        own = np.array([clip.corpus == corpus for clip in asked])
        # Correct for its own corpus; in the others only for the first label.
        return np.eye(len(data.labels))[np.where(own, right, 0)]

    monkeypatch.setattr(ablation_studies, "validation_logits", validation_logits)
    assert data.labels == ["angry", "happy", "neutral"]
    assert ablation_studies.score_across_corpora(data, TINY) == [pytest.approx(1 / 3), 1.0]
    for (trained, asked), (own, other) in zip(calls, ("ab", "ba"), strict=True):
        assert {clip.corpus for clip in trained} == {own, "c"}
        assert {clip.corpus for clip in asked} == {own, other}
        assert not {clip.speaker for clip in trained} & {clip.speaker for clip in asked}
        assert {clip.label for clip in trained} == {"angry", "happy", "neutral", "sad"}
        assert {clip.label for clip in asked} == {"angry", "happy", "neutral"}
        own_clips = [clip for clip in data.clips if clip.corpus == own and clip.label != "sad"]
        assert {clip.speaker for clip in trained + asked} >= {clip.speaker for clip in own_clips}


def test_study_across_corpora_requires_two_and_common_labels(dataset, demo_corpus, tmp_path):
    with pytest.raises(
        DatasetError, match="at least two corpora of three speakers or more; found 1"
    ):
        ablation_studies.score_across_corpora(in_corpora(dataset, "a1", "a2", "a3", "b1"), TINY)
    other = tmp_path / "other.csv"
    rows = (demo_corpus / "manifest.csv").read_text().replace(",demo", ",other")
    head, *rows = [line for line in rows.splitlines() if not line.startswith(("happy", "sad"))]
    other.write_text("\n".join([head, *(f"{demo_corpus}/{row}" for row in rows)]) + "\n")
    paths = [demo_corpus / "manifest.csv", other]
    assert ablation.common_labels(scan(paths)) == {"angry", "neutral"}
    other.write_text("\n".join([head, *(f"{demo_corpus}/{row}" for row in rows if "angry" in row)]))
    with pytest.raises(DatasetError, match="have in common is 1"):
        ablation.load_study_data(spec(*paths, cache=tmp_path / "cache"), TINY)


@pytest.mark.slow
def test_score_of_a_real_training_is_reproducible(demo_corpus, tmp_path, monkeypatch):
    monkeypatch.setattr("train.data.noise.N_SYNTHETIC", 4)
    monkeypatch.setitem(SPEAKER_VARIANTS, "tiny", TINY)
    task = ("default", "tiny", 0, spec(demo_corpus / "manifest.csv", cache=tmp_path / "cache"))
    first, again = (ablation.score_variant(task) for _ in range(2))
    assert first == again and 0.0 <= first[2][0] <= 1.0


def test_difference_uses_common_seeds():
    done = {
        "removed variant": {"0": [0.1]},
        "3 members": {"0": [0.60], "1": [0.58]},
        REFERENCE: {"0": [0.50], "1": [0.54], "2": [0.40]},
        "13 mel bands": {"2": [0.41]},
    }
    page = ablation.ablation_markdown(done, STUDIES["default"]).splitlines()
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page
        if line.startswith("| ")
    ]
    assert rows == [
        ["variant", "UAR %", "difference", "by seed"],
        [REFERENCE, "48.0", "+0.0", "50.0, 54.0, 40.0"],
        ["3 members", "59.0", "+7.0", "60.0, 58.0"],
        ["13 mel bands", "41.0", "+1.0", "41.0"],
    ]


def test_unknown_variant_is_named(tmp_path):
    for recipe, known in (("default", "13 mel bands"), ("corpora", "no telephone band")):
        with pytest.raises(ConfigError, match=f"--only 7 bands: expected one of .*; {known}; "):
            ablation.run_study(
                spec(tmp_path, cache=tmp_path),
                tmp_path / "r",
                recipe=recipe,
                names=["7 bands"],
                seeds=1,
                jobs=1,
                resume=False,
            )


def test_report_is_not_lost_and_outdated_scores_are_dropped(tmp_path, caplog):
    report = tmp_path / "r"
    recipes = {name: SPEAKER_VARIANTS[name].to_dict() for name in (REFERENCE, "13 mel bands")}
    recipes["13 mel bands"]["fit"]["weight_decay"] = 7.0
    scores = {
        REFERENCE: {"0": [0.5]},
        "13 mel bands": {"0": [0.4]},
        "removed variant": {"0": [0.1]},
    }
    text = json.dumps({"recipe": "default", "recipes": recipes, "scores": scores})
    report.with_suffix(".json").write_text(text)
    arguments = {"recipe": "default", "names": [REFERENCE], "seeds": 1, "jobs": 1}
    with pytest.raises(RunError, match="r.json: already exists; use --resume"):
        ablation.run_study(spec(tmp_path, cache=tmp_path), report, resume=False, **arguments)
    with pytest.raises(
        RunError, match="r.json: is a report of --recipe default; use another --report"
    ):
        ablation.run_study(
            spec(tmp_path, cache=tmp_path),
            report,
            resume=True,
            **{**arguments, "recipe": "corpora"},
        )
    assert report.with_suffix(".json").read_text() == text
    with caplog.at_level("INFO"):
        ablation.run_study(
            spec(tmp_path, cache=tmp_path), report, resume=True, **arguments
        )  # nothing to train
    page = report.with_suffix(".md").read_text()
    assert REFERENCE in page and " 50.0 |" in page
    assert "13 mel bands" not in page
    assert "Note: 13 mel bands: dropped, because its recipe has changed" in caplog.text
    report.with_suffix(".json").write_text('{"13 mel bands": {"0": [0.4]}}')
    with pytest.raises(RunError, match="is not an ablation report"):
        ablation.run_study(spec(tmp_path, cache=tmp_path), report, resume=True, **arguments)
