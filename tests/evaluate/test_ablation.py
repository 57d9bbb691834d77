"""The table of what each choice brings: who is heard, and what is told of it."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter

import numpy as np
import pytest

from edge_runtime import ConfigError
from evaluate import ablation as choices
from evaluate import ablation_variants as variations
from evaluate.ablation_variants import (
    CORPUS_VARIANTS,
    CROSS_CORPUS,
    REFERENCE,
    SINGLE_NETWORK,
    SPEAKER_VARIANTS,
    STUDIES,
)
from train.data.clip import DatasetError
from train.data.corpora import scan
from train.recipes import BASELINE, CORPORA
from train.run_folder import RunError

TINY = SINGLE_NETWORK.with_settings(["epochs=4", "hidden_size=4", "input_size=0", "fc_size=4"])


def test_every_variation_differs_and_the_baseline_is_the_original():
    for reference, table in ((SINGLE_NETWORK, SPEAKER_VARIANTS), (CROSS_CORPUS, CORPUS_VARIANTS)):
        for name, recipe in table.items():
            assert (recipe != reference) == (name != REFERENCE)
    assert CORPUS_VARIANTS["3 networks"] == CORPORA.with_settings(["epochs=60", "frame_stack=2"])
    network = dataclasses.asdict(BASELINE.network)
    assert network["hidden_size"] == 128 and network["num_layers"] == 2
    assert network["fc_size"] == 64 and network["pooling"] == "mean" and network["frame_stack"] == 1


def test_each_half_is_answered_by_a_network_that_has_not_heard_it(
    demo_corpus, tmp_path, monkeypatch
):
    heard = []

    def validated(data, clips, fold, network, config, last):
        heard.append(
            (
                {data.clips[i].speaker for i in clips if i not in fold},
                {data.clips[i].speaker for i in fold},
                config.seed,
            )
        )
        right = [data.labels.index(data.clips[i].label) for i in fold]
        # Right about the first two labels, and never answers another.
        return np.eye(len(data.labels))[[label if label < 2 else 0 for label in right]]

    monkeypatch.setitem(SPEAKER_VARIANTS, "tiny", TINY)
    monkeypatch.setattr(variations, "validated", validated)
    task = ("default", "tiny", 3, [demo_corpus / "manifest.csv"], [], tmp_path / "cache")
    assert choices._score(task) == ("tiny", 3, [0.5])
    (first, second) = heard
    assert first[0] == second[1] and first[1] == second[0] and not first[0] & first[1]
    assert len(first[0] | first[1]) == 4  # of 5 speakers: the first is tested by the protocols
    assert first[2] == second[2] == 3


def in_corpora(dataset, *names: str):
    """The demo corpus as if its clips, of five speakers with three of each label, were of so many
    speakers, each named after a corpus by their first letter. 'sad' is never answered."""
    clips, seen = [], Counter()
    for clip in dataset.clips:
        speaker = names[seen[clip.label] % len(names)]
        seen[clip.label] += 1
        clips.append(dataclasses.replace(clip, speaker=speaker, corpus=speaker[0]))
    return dataclasses.replace(dataset, clips=clips, auxiliary=frozenset({"sad"}))


def test_other_corpora_are_answered_by_a_network_that_has_not_heard_them(dataset, monkeypatch):
    data = in_corpora(dataset, "a1", "a2", "a3", "a4", "b1", "b2", "b3", "c1")
    calls = []

    def validated(data, clips, fold, network, config, last):
        trained = [data.clips[i] for i in clips if i not in fold]
        asked = [data.clips[i] for i in fold]
        calls.append((trained, asked))
        corpus = min(clip.corpus for clip in trained)
        right = np.array([data.labels.index(clip.label) for clip in asked])
        own = np.array([clip.corpus == corpus for clip in asked])
        # Right about its own corpus; of the others it is right about the first label alone.
        return np.eye(len(data.labels))[np.where(own, right, 0)]

    monkeypatch.setattr(variations, "validated", validated)
    assert data.labels == ["angry", "happy", "neutral"]
    assert variations._corpora(data, TINY) == [pytest.approx(1 / 3), 1.0]
    for (trained, asked), (own, other) in zip(calls, ("ab", "ba"), strict=True):
        assert {clip.corpus for clip in trained} == {own, "c"}
        assert {clip.corpus for clip in asked} == {own, other}
        assert not {clip.speaker for clip in trained} & {clip.speaker for clip in asked}
        assert {clip.label for clip in trained} == {"angry", "happy", "neutral", "sad"}
        assert {clip.label for clip in asked} == {"angry", "happy", "neutral"}
        heard = [clip for clip in data.clips if clip.corpus == own and clip.label != "sad"]
        assert {clip.speaker for clip in trained + asked} >= {clip.speaker for clip in heard}


def test_choices_across_corpora_need_two_and_labels_in_common(dataset, demo_corpus, tmp_path):
    with pytest.raises(DatasetError, match="need two corpora of three speakers or more; found 1"):
        variations._corpora(in_corpora(dataset, "a1", "a2", "a3", "b1"), TINY)
    other = tmp_path / "other.csv"
    rows = (demo_corpus / "manifest.csv").read_text().replace(",demo", ",other")
    head, *rows = [line for line in rows.splitlines() if not line.startswith(("happy", "sad"))]
    other.write_text("\n".join([head, *(f"{demo_corpus}/{row}" for row in rows)]) + "\n")
    paths = [demo_corpus / "manifest.csv", other]
    assert choices._common_labels(scan(paths)) == {"angry", "neutral"}
    other.write_text("\n".join([head, *(f"{demo_corpus}/{row}" for row in rows if "angry" in row)]))
    with pytest.raises(DatasetError, match="have 1 labels in common"):
        choices._dataset(paths, TINY, [], tmp_path / "cache")


def test_a_real_training_gives_a_share(demo_corpus, tmp_path, monkeypatch):
    monkeypatch.setattr("train.data.noise.N_SYNTHETIC", 4)
    monkeypatch.setitem(SPEAKER_VARIANTS, "tiny", TINY)
    task = ("default", "tiny", 0, [demo_corpus / "manifest.csv"], [], tmp_path / "cache")
    first, again = (choices._score(task) for _ in range(2))
    assert first == again and 0.0 <= first[2][0] <= 1.0


def test_the_table_compares_equal_seeds():
    done = {
        "baseline of old": {"0": [0.1]},
        "3 networks": {"0": [0.60], "1": [0.58]},
        REFERENCE: {"0": [0.50], "1": [0.54], "2": [0.40]},
        "13 bands": {"2": [0.41]},
    }
    page = choices._markdown(done, STUDIES["default"]).splitlines()
    rows = [line for line in page if line.startswith("| ")]
    assert rows == [
        "| variation | UAR % | difference | seeds |",
        f"| {REFERENCE} | 48.0 | +0.0 | 50.0, 54.0, 40.0 |",
        "| 3 networks | 59.0 | +7.0 | 60.0, 58.0 |",
        "| 13 bands | 41.0 | +1.0 | 41.0 |",
    ]


def test_a_variation_that_there_is_not_is_named(tmp_path):
    for recipe, known in (("default", "13 bands"), ("corpora", "no telephones")):
        with pytest.raises(ConfigError, match=f"--only 7 bands: wanted one of .*; {known}; "):
            choices.choices(
                [tmp_path],
                tmp_path / "r",
                recipe=recipe,
                names=["7 bands"],
                seeds=1,
                jobs=1,
                noise=[],
                cache=tmp_path,
                resume=False,
            )


def test_a_report_is_not_lost_and_scores_of_other_recipes_are_not_kept(tmp_path, capsys):
    report = tmp_path / "r"
    recipes = {name: SPEAKER_VARIANTS[name].to_dict() for name in (REFERENCE, "13 bands")}
    recipes["13 bands"]["fit"]["weight_decay"] = 7.0
    scores = {REFERENCE: {"0": [0.5]}, "13 bands": {"0": [0.4]}, "of old": {"0": [0.1]}}
    text = json.dumps({"recipe": "default", "recipes": recipes, "scores": scores})
    report.with_suffix(".json").write_text(text)
    arguments = {
        "recipe": "default",
        "names": [REFERENCE],
        "seeds": 1,
        "jobs": 1,
        "noise": [],
        "cache": tmp_path,
    }
    with pytest.raises(RunError, match="r.json: is there already; give --resume"):
        choices.choices([tmp_path], report, resume=False, **arguments)
    with pytest.raises(RunError, match="r.json: is of --recipe default; give another --report"):
        choices.choices([tmp_path], report, resume=True, **{**arguments, "recipe": "corpora"})
    assert report.with_suffix(".json").read_text() == text
    choices.choices([tmp_path], report, resume=True, **arguments)  # all of it is there
    assert f"| {REFERENCE} | 50.0 |" in report.with_suffix(".md").read_text()
    assert "13 bands" not in report.with_suffix(".md").read_text()
    assert "Note: 13 bands: left out, its recipe is another one now" in capsys.readouterr().out
    report.with_suffix(".json").write_text('{"13 bands": {"0": [0.4]}}')
    with pytest.raises(RunError, match="is no report of this program"):
        choices.choices([tmp_path], report, resume=True, **arguments)
