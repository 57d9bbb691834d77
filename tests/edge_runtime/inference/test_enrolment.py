"""Corrections by labelled clips, on synthetic statistics of a speaker."""

from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.inference.enrolment import (
    MIN_SHARE,
    RIDGE,
    LabelledPieces,
    estimate_correction,
    fit_correction,
    left_out_logits,
    left_out_shares,
    shuffled_share,
)

N_STATISTICS, N_LABELS = 20, 4


def speaker(n_clips, seed=0, spread=1.0):
    """Return clips whose labels shift the statistics, half of it as the model expects."""
    rng = np.random.default_rng(seed)
    expected = rng.normal(size=(N_LABELS, N_STATISTICS))
    actual = expected + rng.normal(size=expected.shape)
    targets = np.repeat(np.arange(N_LABELS), n_clips)
    noise = rng.normal(size=(len(targets), N_STATISTICS))
    deviations = 0.7 * actual[targets] + spread * noise
    logits = 0.3 * deviations @ expected.T
    return LabelledPieces(deviations, logits, targets, np.arange(len(targets)))


def with_labels(pieces, targets):
    return LabelledPieces(pieces.deviations, pieces.logits, np.array(targets), pieces.clips)


def accuracy(pieces, weights=None):
    logits = pieces.logits
    if weights is not None:
        logits = logits + pieces.deviations @ weights[:-1] + weights[-1]
    return (logits.argmax(axis=1) == pieces.targets).mean()


@pytest.mark.parametrize("n_clips", [1, 3, 10])
def test_correction_improves_other_clips(n_clips):
    clips = speaker(n_clips + 50, spread=2.0)
    is_enrolled = np.arange(len(clips.targets)) % (n_clips + 50) < n_clips
    others = clips.rows(~is_enrolled)
    correction = estimate_correction(clips.rows(is_enrolled))
    assert correction.weights is not None
    assert accuracy(others, correction.weights) > accuracy(others)


def test_correction_is_the_minimum():
    clips = speaker(3)
    weights = fit_correction(clips, 1.0)

    def loss(weights):
        logits = clips.logits + clips.deviations @ weights[:-1] + weights[-1]
        shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        own = shares[np.arange(len(logits)), clips.targets]
        return 0.5 * (weights**2).sum() - np.log(0.9 * own + 0.1 / N_LABELS).sum()

    rng = np.random.default_rng(1)
    for size in (0.3, 0.03):
        step = size * rng.normal(size=weights.shape)
        assert loss(weights) < min(loss(weights + step), loss(weights - step))


def test_stronger_prior_gives_a_smaller_correction():
    norms = [np.linalg.norm(fit_correction(speaker(3), s)) for s in (0.1, 1, 10, 100, 1e6)]
    assert norms == sorted(norms, reverse=True) and norms[-1] < 1e-3


def test_labels_without_clips_keep_their_logits():
    clips = speaker(4)
    weights = fit_correction(clips.rows(clips.targets < 2), 1.0)
    assert weights[:, :2].any() and not weights[:, 2:].any()
    np.testing.assert_allclose(weights.sum(axis=1), 0, atol=1e-4)


def test_clips_of_one_label_give_no_correction():
    clips = speaker(5)
    for rows in (clips.targets == 2, np.arange(len(clips.targets)) == 3):
        correction = estimate_correction(clips.rows(rows))
        assert correction.weights is None and correction.corrected_uar is None


@pytest.mark.slow
@pytest.mark.parametrize("n_clips", [1, 2, 3])
def test_shuffled_labels_do_not_hurt(n_clips):
    gains = []
    for seed in range(10):
        clips = speaker(n_clips + 40, seed, spread=2.0)
        is_enrolled = np.arange(len(clips.targets)) % (n_clips + 40) < n_clips
        enrolled, others = clips.rows(is_enrolled), clips.rows(~is_enrolled)
        shuffled = np.random.default_rng(seed).permutation(enrolled.targets)
        weights = estimate_correction(with_labels(enrolled, shuffled)).weights
        gains.append(accuracy(others, weights) - accuracy(others))
    assert np.mean(gains) > -0.03  # with a weight of 1: -0.06 to -0.18


@pytest.mark.parametrize("n_clips", [1, 3])
def test_wrong_labels_give_no_correction(n_clips):
    clips = speaker(n_clips)
    wrong = with_labels(clips, (clips.targets + 1) % N_LABELS)
    assert estimate_correction(wrong).weights is None


def test_wrong_fifth_of_the_labels_does_not_hurt():
    gains = []
    for seed in range(4):
        clips = speaker(55, seed, spread=2.0)
        is_enrolled = np.arange(len(clips.targets)) % 55 < 5
        enrolled, others = clips.rows(is_enrolled), clips.rows(~is_enrolled)
        targets = enrolled.targets.copy()
        targets[::5] = (targets[::5] + 1) % N_LABELS
        weights = estimate_correction(with_labels(enrolled, targets)).weights
        gains.append(accuracy(others, weights) - accuracy(others))
    assert np.mean(gains) > -0.01


def test_expected_benefit_is_that_of_clips_left_out():
    clips = speaker(4)
    correction = estimate_correction(clips)
    assert correction.uar == pytest.approx(accuracy(clips))
    candidates = [left_out_logits(clips, strength).argmax(axis=1) for strength in (0.3, 3, 30)]
    uars = [(answers == clips.targets).mean() for answers in candidates]
    assert any(correction.corrected_uar == pytest.approx(uar) for uar in uars)


def test_pieces_of_a_clip_are_left_out_together():
    clips = speaker(2)
    twice = LabelledPieces(*(np.repeat(v, 2, axis=0) for v in vars(clips).values()))
    assert twice.clips_by_label().tolist() == [2] * N_LABELS
    once, both = left_out_logits(clips, 3.0), left_out_logits(twice, 6.0)
    np.testing.assert_allclose(both[::2], once, atol=1e-3)


def test_many_clips_are_left_out_in_groups():
    clips = speaker(30)
    logits = left_out_logits(clips, 0.3)
    assert accuracy(with_labels(clips, clips.targets)) < (logits.argmax(1) == clips.targets).mean()


def test_shuffled_share_is_small_for_labels_that_agree():
    clips = speaker(2, spread=0.3)
    assert shuffled_share(clips) < 0.05
    assert shuffled_share(with_labels(clips, np.tile(np.arange(N_LABELS), 2))) > 0.5
    equal = LabelledPieces(0 * clips.deviations, 0 * clips.logits, clips.targets, clips.clips)
    assert shuffled_share(equal) == 0.5


def test_shares_of_clips_left_out_are_those_of_fits_to_the_others():
    clips = speaker(3)
    twice = LabelledPieces(*(np.repeat(v, 2, axis=0) for v in vars(clips).values()))
    twice = LabelledPieces(
        twice.deviations + np.random.default_rng(1).normal(size=twice.deviations.shape),
        twice.logits,
        twice.targets,
        twice.clips,
    )
    answers = np.exp(twice.logits) / np.exp(twice.logits).sum(axis=1, keepdims=True)
    is_label = np.eye(N_LABELS)[twice.targets]
    shares = left_out_shares(twice, answers, is_label[np.newaxis])[0]
    inputs = np.concatenate([twice.deviations, np.ones((len(twice.targets), 1))], axis=1)
    penalty = RIDGE * (inputs**2).sum() / len(inputs)
    for clip in np.unique(twice.clips):
        test = twice.clips == clip
        x, y = inputs[~test], (is_label - answers)[~test]
        weights = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)
        expected = np.maximum(answers[test] + inputs[test] @ weights, MIN_SHARE)
        expected /= expected.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(shares[test], expected, atol=1e-9)
