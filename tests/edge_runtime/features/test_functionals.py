"""Statistics of clips against values computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from edge_runtime import AudioError, Mfcc, MfccConfig
from edge_runtime.features.descriptor_config import COLUMN, DESCRIPTORS
from edge_runtime.features.descriptors import descriptors
from edge_runtime.features.functionals import (
    descriptor_functionals,
    functionals,
    mfcc_functionals,
    speech_frames,
)

# The front end of the default recipe, and of the bundled model.
RECIPE_CONFIG = MfccConfig(n_fft=1024, hop_length=320, n_mels=16, fmin=40.0, fmax=4000.0)


PERIOD = 0.02
PAUSE = -50.0  # dB, outside the range of speech


def frames(**columns: list[float]) -> np.ndarray:
    """Return descriptors with the given columns; the others are zero."""
    out = np.zeros((len(next(iter(columns.values()))), len(DESCRIPTORS)), np.float32)
    for name, values in columns.items():
        out[:, COLUMN[name]] = values
    return out


def values_of(**columns: list[float]) -> dict[str, float]:
    return descriptor_functionals(frames(**columns), PERIOD)


def test_speech_frames_are_near_the_loudest():
    loudness = np.array([0.0, 20.0, 10.0, 8.9, 9.1, 20.0])
    assert speech_frames(loudness).tolist() == [False, True, True, False, True, True]


def test_moments_and_percentiles_of_voiced_frames():
    values = values_of(f0=[0, 10, 20, 30, 40, 50], loudness=[0] * 6, hnr=[7, 1, 2, 3, 4, 5])
    assert values["f0/mean"] == 30
    assert values["f0/dev"] == pytest.approx(np.sqrt(200))
    assert (values["f0/p20"], values["f0/p50"], values["f0/p80"]) == (18, 30, 42)
    assert values["f0/range"] == 24
    assert values["hnr/voiced/mean"] == 3
    assert (values["hnr/unvoiced/mean"], values["hnr/unvoiced/dev"]) == (7, 0)


def test_slopes_and_jitter():
    values = values_of(f0=[10, 11, 12, 11, 10], loudness=[0, 0, 0, 0, 0])
    # Changes over two frames: 2, 0, -2 semitones in 0.04 s; second differences: 0, -2, 0.
    assert values["f0/rise"] == values["f0/fall"] == pytest.approx(50)
    assert values["f0/rise_dev"] == 0
    assert values["f0/jitter"] == pytest.approx(2 / 3)


def test_octave_errors_are_limited():
    values = values_of(f0=[10, 22, 34], loudness=[0, 0, 0])
    assert values["f0/rise"] == pytest.approx(8 / 0.04)


def test_loudness_is_relative_to_its_mean():
    quiet = values_of(f0=[10, 0, 10, 0], loudness=[0, 2, 4, 2])
    loud = values_of(f0=[10, 0, 10, 0], loudness=[30, 32, 34, 32])
    assert quiet == loud
    assert quiet["loudness/dev"] == pytest.approx(np.sqrt(2))
    assert quiet["loudness/p50"] == 0
    assert quiet["loudness/voiced"] == 0
    assert quiet["loudness/voiced_dev"] == 2
    linear = 10 ** (np.array([0, 2, 4, 2]) / 10)
    assert quiet["loudness/cov"] == pytest.approx(linear.std() / linear.mean())


def test_rates_and_lengths_of_runs():
    values = values_of(
        f0=[0, 10, 10, 0, 0, 10, 0], loudness=[PAUSE, 0, 1, 0, PAUSE, 0, PAUSE]
    )  # the first and last frames are outside the speech
    seconds = 5 * PERIOD
    assert values["rate/voiced"] == pytest.approx(2 / seconds)
    assert values["length/voiced"] == pytest.approx(1.5 * PERIOD)
    assert values["length/voiced_dev"] == pytest.approx(0.5 * PERIOD)
    assert values["fraction/voiced"] == 3 / 5
    assert values["rate/pause"] == pytest.approx(1 / seconds)
    assert values["fraction/pause"] == 1 / 5
    assert values["rate/peaks"] == pytest.approx(1 / seconds)


def test_regression_slopes():
    values = values_of(f0=[10, 11, 12, 13], loudness=[0, 2, 4, 6])
    # Variance of f0 1.25, covariance 2.5, and 0.5 added to the variance.
    assert values["slope/f0/loudness"] == pytest.approx(2.5 / 1.75)
    assert values_of(f0=[10, 11], loudness=[0, 2])["slope/f0/loudness"] == 0


def test_unvoiced_clip_has_no_pitch():
    values = values_of(f0=[0, 0, 0], loudness=[0, 0, 0])
    for name in ("f0/mean", "f0/p50", "hnr/voiced/mean", "h1_h2/voiced/mean"):
        assert np.isnan(values[name]), name
    assert values["fraction/voiced"] == values["f0/rise"] == 0


def test_mfcc_functionals():
    mfcc = np.array([[1, 2], [3, 6], [99, 99], [5, 1]], np.float32)
    values = mfcc_functionals(mfcc, np.array([True, True, False, True]))
    assert "c0/mean" not in values
    assert values["c1/mean"] == 3
    assert values["c0/dev"] == pytest.approx(np.sqrt(8 / 3))
    assert values["c0/p50"] == 0
    assert values["c0/p80"] == pytest.approx(4.2 - 3)
    assert (values["c0/delta"], values["c1/delta"]) == (2, 4)  # only 1 to 3 and 2 to 6


def test_clip_of_speech(speech):
    front_end = Mfcc(RECIPE_CONFIG)
    names = set()
    for samples in speech:
        values, clip_names = functionals(descriptors(samples), front_end(samples))
        assert values.shape == (len(clip_names),) == (181,)
        assert not np.isinf(values).any()
        names.add(clip_names)
    assert len(names) == 1


def test_gain_changes_nothing(speech):
    front_end = Mfcc(RECIPE_CONFIG)
    for samples in speech:
        quiet = samples * np.float32(0.5)
        expected, _ = functionals(descriptors(samples), front_end(samples))
        values, names = functionals(descriptors(quiet), front_end(quiet))
        for name, value, reference in zip(names, values, expected):
            assert value == pytest.approx(reference, rel=0.02, abs=0.05, nan_ok=True), name


@pytest.mark.parametrize("n", [1, 2, 3])
def test_clips_of_few_frames(n):
    values, names = functionals(np.zeros((n, 12), np.float32), np.zeros((n, 13), np.float32))
    assert len(values) == len(names) == 181
    assert not np.isinf(values).any()


def test_frames_must_match():
    with pytest.raises(AudioError, match="same number of frames, at least one; got 2 .* and 3"):
        functionals(np.zeros((2, 12)), np.zeros((3, 13)))
    with pytest.raises(AudioError, match="got 0"):
        functionals(np.zeros((0, 12)), np.zeros((0, 13)))
