"""Delta features against librosa."""

from __future__ import annotations

import numpy as np
import pytest

from edge_runtime import AudioError, ConfigError, delta

librosa = pytest.importorskip("librosa")


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("width", [3, 9])
@pytest.mark.parametrize("mode", ["interp", "nearest", "mirror"])
def test_equals_librosa(order, width, mode):
    features = np.random.default_rng(0).standard_normal((40, 13)).astype(np.float32)
    expected = librosa.feature.delta(features.T, width=width, order=order, mode=mode).T
    derivatives = delta(features, width, order, mode=mode)
    assert derivatives.dtype == np.float32
    np.testing.assert_array_equal(derivatives, expected)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"width": 4}, ConfigError),
        ({"order": 0}, ConfigError),
        ({"mode": "x"}, ConfigError),
        ({"width": 51}, AudioError),
    ],
    ids=["even width", "order 0", "unknown mode", "too few frames"],
)
def test_refuses_what_librosa_refuses(arguments, error):
    with pytest.raises(error):
        delta(np.zeros((40, 13), np.float32), **arguments)


@pytest.mark.parametrize(
    "features", [np.zeros(40, np.float32), np.zeros((40, 13), int)], ids=["1-d", "int"]
)
def test_invalid_features_are_refused(features):
    with pytest.raises(AudioError, match=r"expected floating-point \(n_frames, n_features\)"):
        delta(features)
