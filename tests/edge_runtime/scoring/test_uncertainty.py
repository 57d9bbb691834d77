"""Bootstrap intervals over speakers."""

from __future__ import annotations

import numpy as np
import pytest

from edge_runtime.scoring.uncertainty import bootstrap_uars, confusions_by_unit, interval, uar_of


def test_speakers_are_the_units_if_all_are_known():
    targets, answers = np.array([0, 0, 1, 1]), np.array([0, 2, 1, 0])
    counts, units = confusions_by_unit(targets, answers, 2, ["a", "b", "a", "c"])
    assert units == "speakers"
    np.testing.assert_array_equal(
        counts, [[[1, 0, 0], [0, 1, 0]], [[0, 0, 1], [0, 0, 0]], [[0, 0, 0], [1, 0, 0]]]
    )


@pytest.mark.parametrize("speakers", [["a", "b", None, "c"], ["a", "b", "a", "b"]])
def test_clips_are_the_units_of_unknown_or_few_speakers(speakers):
    targets = np.array([0, 0, 1, 1])
    counts, units = confusions_by_unit(targets, targets, 2, speakers)
    assert units == "clips" and counts.sum(axis=(1, 2)).tolist() == [1, 1, 1, 1]


def test_interval_contains_the_mean_of_the_corpora():
    rng = np.random.default_rng(0)
    corpora = [rng.integers(1, 9, (n, 2, 3)).astype(float) for n in (4, 40)]
    mean = np.mean([uar_of(counts.sum(axis=0)) for counts in corpora])
    low, high = interval(bootstrap_uars(corpora))
    assert low < mean < high and high - low < 0.3


def test_draws_of_two_models_are_paired():
    """A model that is better for every speaker by the same amount has an interval of no width."""
    one = np.array([[[k, 10 - k, 0], [2, 8, 0]] for k in range(8)], float)
    other = one + [[1, -1, 0], [0, 0, 0]]
    differences = bootstrap_uars([other]) - bootstrap_uars([one])
    np.testing.assert_allclose(differences, 0.05)
    low, high = interval(bootstrap_uars([one]))
    assert high - low > 0.1
