"""Stretches of speech from the probabilities of frames."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime import ConfigError
from edge_runtime.streaming.endpoints import BREAK, END, START, EndpointConfig, EndpointDetector

PERIOD = 0.02


def probabilities(*parts: tuple[float, float]) -> np.ndarray:
    """Return frames of a probability for some seconds each."""
    return np.concatenate([np.full(round(seconds / PERIOD), p) for p, seconds in parts])


def endpoints_of(frames: np.ndarray, **config: float) -> list[tuple[str, float]]:
    detector = EndpointDetector(EndpointConfig(**config), 0.5, PERIOD)
    endpoints = detector.push(frames) + detector.flush()
    return [(kind, round(frame * PERIOD, 2)) for kind, frame in endpoints]


def test_stretch_has_an_onset_and_a_hangover():
    frames = probabilities((0.1, 1.0), (0.9, 2.0), (0.1, 1.0))
    assert endpoints_of(frames) == [(START, 0.92), (END, 3.08)]


def test_short_gaps_are_breaks_and_short_sounds_are_ignored():
    frames = probabilities(
        (0.1, 1.0), (0.9, 1.0), (0.1, 0.3), (0.9, 1.0), (0.1, 1.0), (0.9, 0.1), (0.1, 1.0)
    )
    assert endpoints_of(frames) == [(START, 0.92), (BREAK, 2.14), (END, 3.38)]
    assert len(endpoints_of(frames, min_pause=0.2)) == 4
    assert len(endpoints_of(frames, min_speech=0.1)) == 5


def test_speech_goes_on_between_the_thresholds():
    frames = probabilities((0.1, 1.0), (0.9, 1.0), (0.42, 2.0), (0.1, 1.0), (0.42, 2.0))
    assert endpoints_of(frames) == [(START, 0.92), (END, 4.08)]


def test_short_pauses_at_both_ends_belong_to_the_speech():
    frames = probabilities((0.1, 0.3), (0.9, 1.0), (0.1, 0.3))
    assert endpoints_of(frames) == [(START, 0.0), (END, 1.6)]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1), st.integers(1, 60)), min_size=1, max_size=40),
    st.lists(st.integers(1, 40), min_size=1),
    st.sampled_from([0.1, 0.5, 0.8]),
)
def test_endpoints_are_settled_and_do_not_depend_on_the_chunks(parts, sizes, min_pause):
    frames = np.concatenate([np.full(n, p) for p, n in parts])
    config = EndpointConfig(min_pause)
    whole = EndpointDetector(config, 0.5, PERIOD)
    expected = whole.push(frames) + whole.flush()
    detector, endpoints, start, k = EndpointDetector(config, 0.5, PERIOD), [], 0, 0
    while start < len(frames):
        settled = detector.settled
        new = detector.push(frames[start : start + sizes[k % len(sizes)]])
        assert all(frame >= settled for _, frame in new)
        endpoints += new
        start, k = start + sizes[k % len(sizes)], k + 1
    assert endpoints + detector.flush() == expected
    kinds = "".join(kind[0] for kind, _ in expected)
    assert kinds.replace("b", "").replace("se", "") == ""
    for before, after in zip(expected, expected[1:]):
        assert before.frame <= after.frame
        if after.kind == START:
            assert (after.frame - before.frame) * PERIOD >= min_pause - 1e-9


def test_invalid_settings_are_rejected():
    for config in ({"min_pause": 0.05}, {"min_speech": -1.0}):
        with pytest.raises(ConfigError, match="min_"):
            EndpointConfig(**config)
