"""Linear baselines on corpora that are left out."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from support.paths import ROOT

from edge_runtime import ConfigError
from edge_runtime.datasets.clip import DatasetError
from evaluate.clip_features import SPEECH_LEVEL, at_speech_level
from evaluate.linear_baselines import labelled_draw
from evaluate.render import render
from evaluate.stranger_data import exchanged_labels, load_corpora
from evaluate.stranger_folds import CONDITIONS, FoldTask, answer_corpus
from evaluate.stranger_scores import (
    auc,
    bootstrap_interval,
    corpus_scores,
    listeners_uar,
    speaker_confusions,
    uar,
)
from evaluate.strangers import run_strangers
from evaluate.votes import has_majority, listener_scores, majority, read_votes
from train.clip_statistics import (
    ClipStatistics,
    balanced_weights,
    enrolment_minutes,
    speaker_means,
    standardised,
)
from train.data.demo_corpus import PROSODIES, synthesise, voices
from train.linear_branch import fit, probabilities

LABELS = ("angry", "happy", "neutral", "sad")


def synthetic_clips(n_statistics: int = 6, speaker_offset: float = 0.0) -> ClipStatistics:
    """Return three corpora of four speakers with eight clips of each class."""
    rng = np.random.default_rng(0)
    centres = 2 * np.eye(4, n_statistics)
    values, targets, corpora, speakers = [], [], [], []
    for corpus in "abc":
        for speaker in range(4):
            offset = speaker_offset * rng.standard_normal(n_statistics)
            for clip in range(32):
                values.append(centres[clip % 4] + offset + rng.standard_normal(n_statistics))
                targets.append(clip % 4)
                corpora.append(corpus)
                speakers.append(f"{corpus}/{speaker}")
    return ClipStatistics(
        np.array(values),
        np.array(targets),
        np.array(corpora),
        np.array(speakers),
        np.full(len(targets), 5.0),
    )


def test_speech_level_ignores_pauses():
    tone = np.sin(np.arange(16_000) / 3).astype(np.float32)
    samples = at_speech_level(np.concatenate([0.01 * tone, np.zeros(16_000, np.float32)]))
    rms = np.sqrt((samples[:16_000] ** 2).mean())
    assert 20 * np.log10(rms) == pytest.approx(SPEECH_LEVEL, abs=0.05)
    silence = np.zeros(16_000, np.float32)
    np.testing.assert_array_equal(at_speech_level(silence), silence)


def test_weights_balance_corpora_and_classes():
    clips = ClipStatistics(
        np.zeros((5, 1)),
        np.array([0, 0, 1, 0, 0]),
        np.array(["a", "a", "a", "b", "c"]),
        np.array(list("sssss")),
        np.ones(5),
    )
    train = np.array([True, True, True, True, False])
    weights = balanced_weights(clips, train, {"b": 0.5})
    np.testing.assert_allclose(weights, np.array([0.5, 0.5, 1, 0.5, 0]) / 2.5)


def test_statistics_are_scaled_and_missing_ones_become_the_mean():
    values = np.array([[1.0], [3.0], [np.nan], [np.inf], [1000.0]])
    scaled = standardised(values, np.array([0.5, 0.5, 0, 0, 0]))
    np.testing.assert_allclose(scaled[:, 0], [-1, 1, 0, 0, 5], atol=1e-6)


def test_enrolment_excludes_the_clip_and_lasts_a_minute():
    clips = synthetic_clips()
    minutes = enrolment_minutes(clips, seed=0)
    for row, minute in enumerate(minutes):
        assert row not in minute
        assert set(clips.speakers[minute]) == {clips.speakers[row]}
        assert len(minute) == 12  # of 5 s


def test_speaker_means_are_shrunk():
    x = np.array([[6.0], [3.0], [3.0]])
    means = speaker_means(x, [np.array([1, 2]), np.array([0]), np.array([], int)])
    np.testing.assert_allclose(means[:, 0], [6 / 4, 6 / 3, 0])


def test_fit_separates_classes_and_prior_holds():
    clips = synthetic_clips()
    weights = np.full(len(clips.targets), 1 / len(clips.targets))
    model = fit(clips.values, clips.targets, weights, 0.001, n_classes=4)
    predicted = probabilities(clips.values, model)
    np.testing.assert_allclose(predicted.sum(axis=1), 1)
    assert uar(clips.targets, predicted.argmax(axis=1)) > 0.75
    held = fit(clips.values, clips.targets, weights, 1e6, n_classes=4, prior=model)
    np.testing.assert_allclose(held, model, atol=1e-5)


def test_labelled_draw_leaves_half_of_each_class():
    clips, rng = synthetic_clips(), np.random.default_rng(0)
    for n_labelled, expected in ((1, 4), (3, 12), (10, 16)):
        labelled, others = labelled_draw(clips, "b/1", n_labelled, rng)
        assert len(labelled) == expected
        assert len(labelled) + len(others) == 32
        assert set(clips.speakers[labelled]) == {"b/1"}


def test_profiles_help_when_speakers_differ():
    clips = synthetic_clips(speaker_offset=3.0)
    _, corpus, answers = answer_corpus(FoldTask("both", clips, "a", ("a", "b", "c"), 0))
    assert corpus == "a"
    assert tuple(answers) == CONDITIONS
    scores = [
        uar(clips.targets[answer.rows], answer.probabilities.argmax(axis=1))
        for answer in answers.values()
    ]
    assert scores[1] > scores[0] + 0.1
    assert scores[-1] > scores[0] + 0.1
    for answer in answers.values():
        assert set(clips.corpora[answer.rows]) == {"a"}


def test_uar_auc_and_arousal():
    targets = np.array([0, 0, 1, 2])
    assert uar(targets, np.array([0, 1, 1, 2])) == pytest.approx((0.5 + 1 + 1) / 3)
    assert auc(np.array([True, True, False]), np.array([3.0, 1.0, 2.0])) == 0.5
    assert auc(np.array([True, False]), np.array([1.0, 1.0])) == 0.5
    predicted = np.array(
        [[0.7, 0.1, 0.1, 0.1], [0.3, 0.4, 0.2, 0.1], [0.1, 0.2, 0.6, 0.1], [0.1, 0.1, 0.7, 0.1]]
    )
    scores = corpus_scores(targets, SimpleNamespace(probabilities=predicted))
    assert scores["arousal_uar"] == pytest.approx((2 / 3 + 1) / 2)
    assert "coverage" not in scores
    silent = corpus_scores(
        targets,
        SimpleNamespace(
            probabilities=predicted,
            is_speech=np.array([False, True, True, True]),
            is_answered=np.array([False, True, False, True]),
            arousal=np.array([0.9, 0.9, 0.9, 0.9]),
        ),
    )
    assert silent["uar"] == pytest.approx((0 + 0 + 1) / 3)
    assert silent["lost"] == 0.25
    assert silent["coverage"] == 0.5
    assert silent["accuracy_answered"] == 0.5
    assert silent["arousal_uar"] == pytest.approx((2 / 3 + 0) / 2)


def test_bootstrap_interval_contains_the_mean_and_collapses_without_variation():
    counts = speaker_confusions(
        np.array([0, 1, 2, 3] * 4), np.array([0, 1, 2, 2] * 4), np.repeat(list("abcd"), 4), 4
    )
    assert bootstrap_interval([counts, counts]) == (0.75, 0.75)
    worse = counts * 0
    worse[:, :, 4] = 1  # not answered
    low, high = bootstrap_interval([counts, worse])
    assert (low, high) == (0.0, 0.75)


def test_votes(tmp_path):
    file = tmp_path / "votes.csv"
    file.write_text(
        "clip,angry,disgust,happy,neutral,sad\n"
        "one,3,5,1,0,0\ntwo,0,0,2,2,0\nthree,0,9,0,0,0\nfour,0,0,0,1,7\n"
    )
    votes = read_votes(file, LABELS)
    assert set(votes) == {"one", "two", "four"}
    np.testing.assert_allclose(votes["one"], [0.75, 0.25, 0, 0])
    shares = np.stack(list(votes.values()))
    assert majority(shares).tolist() == [0, 1, 3]
    assert has_majority(shares).tolist() == [True, False, True]
    names = np.array(["one", "two", "unknown", "four"])
    targets = np.array([0, 2, 2, 3])
    assert listener_scores(votes, names, targets) == {"clips": 3, "uar": pytest.approx(2 / 3)}
    assert listener_scores({}, names, targets) is None
    assert listeners_uar(names, np.array([0, 0, 0, 0]), votes) == 0.5
    file.write_text("clip,angry\none,1\n")
    with pytest.raises(DatasetError, match="is not a table of votes"):
        read_votes(file, LABELS)
    with pytest.raises(DatasetError, match="cannot be read"):
        read_votes(tmp_path / "other.csv", LABELS)


def test_exchanged_labels():
    assert exchanged_labels(["korean:angry:sad"]) == {"korean": ("angry", "sad")}
    for text in ("korean", "korean:angry", "korean:angry:bored", "korean:sad:sad"):
        with pytest.raises(ConfigError, match="expected CORPUS:LABEL:LABEL"):
            exchanged_labels([text])


@pytest.fixture(scope="module")
def stranger_corpora(once):
    def make(folder):
        rng = np.random.default_rng(0)
        speakers = voices(6)
        for corpus, own in (
            ("first", speakers[:2]),
            ("second", speakers[2:4]),
            ("third", speakers[4:]),
        ):
            (folder / corpus).mkdir(parents=True)
            lines = ["path,label,speaker"]
            for k, voice in enumerate(own):
                for label in LABELS:
                    prosody = PROSODIES.get(label, next(iter(PROSODIES.values())))
                    for take in range(2):
                        name = f"{k}-{label}-{take}.wav"
                        soundfile.write(
                            folder / corpus / name, synthesise(voice, prosody, rng), 16_000
                        )
                        lines.append(f"{name},{label},{k}")
            (folder / corpus / "manifest.csv").write_text("\n".join(lines))

    return once("strangers", make)


def test_corpora_are_loaded_without_copies_and_with_exchanged_labels(stranger_corpora):
    first = stranger_corpora / "first"
    corpora = load_corpora([first, stranger_corpora / "second"], {"first": ("angry", "sad")})
    assert [corpus.name for corpus in corpora] == ["first", "second"]
    labels = {clip.path.stem: clip.label for clip in corpora[0].clips}
    assert (labels["0-angry-0"], labels["0-happy-0"]) == ("sad", "happy")
    with pytest.raises(DatasetError, match="--exchange third: corpus not found"):
        load_corpora([first], {"third": ("angry", "sad")})


@pytest.mark.slow
def test_report_without_opensmile(stranger_corpora, tmp_path, monkeypatch):
    calls = []

    def in_this_process(work, tasks, jobs):
        calls.append(work.__name__)
        return map(work, tasks)

    monkeypatch.setattr("evaluate.clip_features.map_in_processes", in_this_process)
    monkeypatch.setattr("evaluate.strangers.map_in_processes", in_this_process)
    monkeypatch.setattr("evaluate.stranger_data.has_opensmile", lambda: False)
    report = tmp_path / "strangers"
    arguments = {
        "train_only": [],
        "exchanged": ["first:angry:sad"],
        "votes": None,
        "cache": tmp_path / "cache",
        "jobs": 1,
        "seed": 0,
    }
    data = [stranger_corpora / name for name in ("first", "second", "third")]
    summary = run_strangers(data, report, **arguments)
    page = report.with_suffix(".md").read_text()
    assert len(summary["rows"]) == 3 * len(CONDITIONS)
    assert set(summary["rows"][0]["by_corpus"]) == {"first", "second", "third"}
    assert "opensmile is not installed" in page
    assert "first: the labels angry and sad are exchanged" in page
    assert json.loads(report.with_suffix(".json").read_text()) == summary
    report.with_suffix(".md").unlink()
    render(report.with_suffix(".json"))
    assert report.with_suffix(".md").read_text() == page

    calls.clear()
    assert run_strangers(data, report, **arguments) == summary
    assert calls == ["answer_corpus"]  # with no task: all answers are cached
    with pytest.raises(DatasetError, match="three or more corpora to test; got second, third"):
        run_strangers(data, report, **(arguments | {"train_only": ["first"]}))


def test_committed_report_states_its_corpora():
    stored = json.loads((ROOT / "reports" / "strangers.json").read_text())
    tested = [row["name"] for row in stored["corpora"] if row["tested"]]
    assert sorted(tested) == ["ased", "cremad", "emodb", "korean", "nemo", "ravdess"]
    models = [row for row in stored["rows"] if row["features"] == "model"]
    assert [row["labelled"] for row in models] == [0, 0, 1, 3, 5, 10]
    assert all(set(row["by_corpus"]) == set(tested) for row in models)
