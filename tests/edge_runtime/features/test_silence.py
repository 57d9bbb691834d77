"""Silent frames, in whole clips and in chunks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.config_ids import config_id

from edge_runtime import ConfigError, Mfcc, MfccConfig, mfcc
from edge_runtime.features.silence import SilenceConfig, SilenceGate, level_weights

MFCC = MfccConfig(hop_length=320)


def kept_by_definition(levels, range_db=40.0, floor=-80.0, margin=5, decay=0.02):
    """Return the decision by its definition, frame by frame."""
    n = len(levels)
    loud = []
    for t in range(n):
        loudest = max(levels[s] - decay * (t - s) for s in range(min(t + margin, n - 1) + 1))
        loud.append(levels[t] > loudest - range_db and levels[t] > floor)
    return np.array([any(loud[max(0, t - margin) : t + margin + 1]) for t in range(n)])


def frames_of(levels):
    frames = np.random.default_rng(0).standard_normal((len(levels), 13)).astype(np.float32)
    frames[:, 0] = np.asarray(levels) * np.sqrt(40)
    return frames


@settings(max_examples=150, deadline=None)
@given(
    levels=st.lists(st.integers(-120, 0), min_size=1, max_size=120),
    chunks=st.lists(st.integers(0, 30), min_size=1).filter(any),
)
def test_chunks_keep_the_frames_of_the_definition(levels, chunks):
    levels = [level + 0.37 for level in levels]  # away from ties
    frames = frames_of(levels)
    expected = frames[kept_by_definition(levels)]
    gate = SilenceGate(SilenceConfig(), MFCC)
    np.testing.assert_array_equal(
        gate.filter_clip(frames), expected if len(expected) else frames[:1]
    )
    out, start, k = [], 0, 0
    while start < len(frames):
        size = chunks[k % len(chunks)]
        out.append(gate.push(frames[start : start + size]))
        start, k = start + size, k + 1
    out.append(gate.push(frames[:0], last=True))
    np.testing.assert_array_equal(np.concatenate(out), expected)


def test_silence_around_speech_is_dropped(voice_clips):
    clip = voice_clips[0]
    gate = SilenceGate(SilenceConfig(), MFCC)
    alone = gate.filter_clip(mfcc(clip, MFCC))
    surrounded = gate.filter_clip(mfcc(np.pad(clip, 32_000), MFCC))
    assert len(alone) > 0.7 * len(mfcc(clip, MFCC))
    assert len(surrounded) <= len(alone) + 12
    silence = mfcc(np.zeros(16_000, np.float32), MFCC)
    np.testing.assert_array_equal(gate.filter_clip(silence), silence[:1])
    assert len(gate.push(silence, last=True)) == 0


@settings(max_examples=50, deadline=None)
@given(
    gain=st.floats(-20, 20),
    chunks=st.lists(st.integers(0, 60), min_size=1).filter(any),
    convention=st.sampled_from([MFCC, MfccConfig.python_speech_features()]),
)
def test_relative_levels_depend_on_neither_gain_nor_chunks(voice_clips, gain, chunks, convention):
    config = SilenceConfig(relative=True, floor_db=-200)
    noise = (
        np.random.default_rng(0).standard_normal(16_000) * 0.01
    )  # keeps all bands above their floor
    clip, front_end = voice_clips[1][:16_000] + noise, Mfcc(convention)
    gate = SilenceGate(config, convention)
    expected = gate.filter_clip(front_end(clip))
    louder = front_end(clip * 10 ** (gain / 20))
    np.testing.assert_allclose(gate.filter_clip(louder), expected, atol=2e-3)
    out, start, k = [], 0, 0
    while start < len(louder):
        out.append(gate.push(louder[start : start + chunks[k % len(chunks)]]))
        start, k = start + chunks[k % len(chunks)], k + 1
    out.append(gate.push(louder[:0], last=True))
    np.testing.assert_allclose(np.concatenate(out), gate.filter_clip(louder), atol=1e-5)


def test_levels_are_relative_to_the_loudest_frame():
    levels = [-30.0] * 20 + [-20.0] + [-30.0] * 20
    gate = SilenceGate(SilenceConfig(relative=True), MFCC)
    levels_after = gate.filter_clip(frames_of(levels)) @ level_weights(MFCC)
    expected = np.array(levels) + 20.0 + 0.02 * (np.arange(41) - 20)
    np.testing.assert_allclose(
        levels_after[15:], expected[15:], atol=1e-3
    )  # within reach of the loud frame
    np.testing.assert_allclose(levels_after[:15], 0.0, atol=0.02 * gate.margin + 1e-3)


def test_memory_does_not_grow():
    gate = SilenceGate(SilenceConfig(), MFCC)
    for _ in range(300):
        gate.push(frames_of([-95.0] * 50))
    assert len(gate._held) <= 3 * gate.margin


def test_peak_level_decays():
    gate = SilenceGate(SilenceConfig(), MFCC)
    gate.push(frames_of([0.0] * 5))
    later = [gate.push(frames_of([-50.0] * 50)) for _ in range(60)]
    assert len(later[2]) == 0 and len(later[-1]) == 50


@pytest.mark.parametrize(
    "config", [MFCC, MfccConfig(dct_norm=None), MfccConfig(lifter=22.0, n_mels=20)], ids=config_id
)
def test_level_is_the_mean_of_the_bands(speech, config):
    front_end = Mfcc(config)
    bands = front_end.log_mel_spectrogram(speech[0]).mean(axis=1)
    levels = front_end(speech[0]) @ SilenceGate(SilenceConfig(), config).to_level
    np.testing.assert_allclose(levels, bands, atol=0.01)


@pytest.mark.parametrize(
    "settings_dict", [{"range_db": -1}, {"margin": float("nan")}, {"decay": True}], ids=str
)
def test_invalid_settings_are_refused(settings_dict):
    with pytest.raises(ConfigError, match=next(iter(settings_dict))):
        SilenceConfig(**settings_dict)
    with pytest.raises(ConfigError, match="silence settings: missing key"):
        SilenceConfig.from_dict(settings_dict)
