"""Statistics of chunks of rows against those of the whole clip."""

from __future__ import annotations

import numpy as np
import pytest

from edge_runtime import MfccConfig
from edge_runtime.features.front_end import FrontEnd
from edge_runtime.features.functionals import functional_names, functionals
from edge_runtime.features.running_functionals import BLOCK_SECONDS, RunningFunctionals

N_MFCC, PERIOD = 13, 0.02
BLOCK = round(BLOCK_SECONDS / PERIOD)


@pytest.fixture(scope="module")
def rows(speech) -> np.ndarray:
    """Rows of a long clip: three and a half blocks."""
    front_end = FrontEnd(MfccConfig(n_fft=1024, hop_length=320), with_descriptors=True)
    rows = np.concatenate([front_end(samples) for samples in speech])
    return np.tile(rows, (-(-7 * BLOCK // 2 // len(rows)), 1))[: 7 * BLOCK // 2]


def whole(rows: np.ndarray) -> np.ndarray:
    return functionals(rows[:, N_MFCC:], rows[:, :N_MFCC], frame_period=PERIOD)[0]


def running(rows: np.ndarray, sizes: list[int]) -> RunningFunctionals:
    """Push rows in chunks of the sizes `sizes`, cyclically."""
    statistics = RunningFunctionals(N_MFCC, PERIOD)
    start = k = 0
    while start < len(rows):
        statistics.push(rows[start : start + sizes[k % len(sizes)]])
        start, k = start + sizes[k % len(sizes)], k + 1
    return statistics


@pytest.mark.parametrize("n_frames", [1, 2, 3, 10, 150, BLOCK])
def test_clip_of_one_block_has_the_statistics_of_functionals(rows, n_frames):
    statistics = running(rows[:n_frames], [n_frames])
    expected = whole(rows[:n_frames]).astype(np.float32)
    np.testing.assert_array_equal(statistics.values(), expected)
    assert statistics.values().dtype == np.float32
    assert statistics.names == functional_names(N_MFCC)


@pytest.mark.parametrize("sizes", [[1], [3, 0, 500], [BLOCK], [BLOCK + 1], [10**6]], ids=str)
def test_values_do_not_depend_on_the_chunks(rows, sizes):
    expected = running(rows, [len(rows)]).values()
    np.testing.assert_array_equal(running(rows, sizes).values(), expected)


def test_values_in_between_do_not_change_the_result(rows):
    statistics = RunningFunctionals(N_MFCC, PERIOD)
    for start in range(0, len(rows), 400):
        statistics.push(rows[start : start + 400])
        statistics.values()
    np.testing.assert_array_equal(statistics.values(), running(rows, [10**6]).values())


def test_long_clip_has_the_mean_of_its_blocks(rows):
    blocks = [rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK)]
    assert len(blocks) == 4
    weights = [len(block) for block in blocks]
    expected = np.average([whole(block) for block in blocks], axis=0, weights=weights)
    np.testing.assert_allclose(running(rows, [700]).values(), expected, rtol=1e-5)


def test_block_without_frames_for_a_statistic_does_not_count(rows):
    unvoiced = rows[:BLOCK].copy()
    unvoiced[:, N_MFCC] = 0
    voiced = rows[: BLOCK // 2]
    assert np.isnan(whole(unvoiced)[0])
    values = running(np.concatenate([unvoiced, voiced]), [100]).values()
    assert values[0] == pytest.approx(whole(voiced)[0])


def test_no_frames_have_no_statistics(rows):
    statistics = RunningFunctionals(N_MFCC, PERIOD)
    assert np.isnan(statistics.values()).all()
    statistics.push(rows[:0])
    assert np.isnan(statistics.values()).all()


def test_memory_does_not_grow(rows):
    statistics = RunningFunctionals(N_MFCC, PERIOD)
    for _ in range(20):
        statistics.push(rows[:777])
        assert sum(map(len, statistics._chunks)) == statistics._n_held <= BLOCK
    statistics = running(rows, [1])
    assert all(chunk.base is None for chunk in statistics._chunks)
