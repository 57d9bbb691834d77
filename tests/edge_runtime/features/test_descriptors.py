"""Voice descriptors: invariants and synthetic references."""

from __future__ import annotations

import numpy as np
import pytest

from edge_runtime import AudioError, ConfigError, Mfcc, MfccConfig
from edge_runtime.features import descriptors as descriptors_module
from edge_runtime.features.descriptor_config import COLUMN, DESCRIPTORS, DescriptorConfig
from edge_runtime.features.descriptors import Descriptors, descriptors

# The front end of the default recipe, and of the bundled model.
RECIPE_CONFIG = MfccConfig(n_fft=1024, hop_length=320, n_mels=16, fmin=40.0, fmax=4000.0)


# Differences due to chunking, in units of the descriptors: a matrix product of another size sums in
# another order.
CHUNKED_EQUALS_WHOLE = 1e-2

FRONT_END = Descriptors()


def harmonics(f0: float, seconds: float = 1.0, n_harmonics: int = 10) -> np.ndarray:
    """Return a tone with harmonics of equal amplitude, float32 at 16 kHz."""
    time = np.arange(int(seconds * 16_000)) / 16_000
    phases = 2 * np.pi * f0 * time[:, None] * np.arange(1, n_harmonics + 1)
    return (0.05 * np.cos(phases).sum(axis=1)).astype(np.float32)


def noise(n: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def assert_same_frames(frames: np.ndarray, expected: np.ndarray) -> None:
    assert frames.shape == expected.shape
    np.testing.assert_allclose(frames, expected, rtol=0, atol=CHUNKED_EQUALS_WHOLE)


def test_rows_are_those_of_the_mfcc(speech):
    config = RECIPE_CONFIG
    front_end = Descriptors(DescriptorConfig.from_mfcc(config))
    for samples in speech:
        frames = front_end(samples)
        assert frames.dtype == np.float32
        assert frames.shape == (len(Mfcc(config)(samples)), len(DESCRIPTORS))


def test_shared_power_spectra_give_the_same_descriptors_and_mfcc(speech):
    mfcc = Mfcc(RECIPE_CONFIG)
    for samples in speech:
        coefficients, power = mfcc.with_power(samples, FRONT_END.config.n_bins)
        np.testing.assert_array_equal(coefficients, mfcc(samples))
        assert_same_frames(FRONT_END.of_power(power), FRONT_END(samples))


def test_power_spectra_require_an_unclamped_front_end():
    with pytest.raises(ConfigError, match="top_db=80.0 must be None"):
        Mfcc(MfccConfig(top_db=80.0)).with_power(noise(4000), 100)


@pytest.mark.parametrize("f0", [70, 120, 233, 450])
def test_pitch_of_a_harmonic_tone(f0):
    inner = FRONT_END(harmonics(f0))[5:-5]
    semitones = 12 * np.log2(f0 / 27.5)
    np.testing.assert_allclose(inner[:, COLUMN["f0"]], semitones, atol=0.2)
    assert inner[:, COLUMN["voicing"]].min() > 0.95
    assert inner[:, COLUMN["hnr"]].min() > 12


def test_harmonics_of_a_tone():
    time = np.arange(16_000) / 16_000
    two = np.cos(2 * np.pi * 250 * time) + 0.5 * np.cos(2 * np.pi * 500 * time)
    inner = FRONT_END(0.1 * two.astype(np.float32))[5:-5]
    np.testing.assert_allclose(inner[:, COLUMN["h1_h2"]], 20 * np.log10(2), atol=0.1)


def test_spectral_balance_of_two_tones():
    time = np.arange(16_000) / 16_000
    two = np.cos(2 * np.pi * 500 * time) + 0.1 * np.cos(2 * np.pi * 2500 * time)
    inner = FRONT_END(0.1 * two.astype(np.float32))[5:-5]
    np.testing.assert_allclose(inner[:, COLUMN["alpha_ratio"]], 20, atol=0.1)
    np.testing.assert_allclose(inner[:, COLUMN["hammarberg"]], 20, atol=0.1)


def test_slopes_of_a_sloping_spectrum():
    # An impulse per frame has a flat spectrum; white noise filtered to -6 dB per kHz does not.
    spectrum = np.fft.rfft(noise(64_000))
    hz = np.fft.rfftfreq(64_000, 1 / 16_000)
    sloping = np.fft.irfft(spectrum * 10 ** (-6 * hz / 1000 / 20)).astype(np.float32)
    slopes = FRONT_END(sloping).mean(axis=0)
    assert slopes[COLUMN["slope_500_1500"]] == pytest.approx(-6, abs=0.7)
    assert slopes[COLUMN["slope_0_500"]] == pytest.approx(-6, abs=1.5)


def test_flux_of_a_steady_tone_is_zero_and_of_an_onset_is_one():
    tone = harmonics(200)
    assert np.abs(FRONT_END(tone)[5:-5, COLUMN["flux"]]).max() < 0.01
    onset = FRONT_END(np.concatenate([np.zeros(16_000, np.float32), tone]))
    assert onset[48:52, COLUMN["flux"]].max() > 0.5


def test_gain_changes_loudness_only(speech):
    for samples in speech:
        quiet, loud = FRONT_END(samples * np.float32(0.25)), FRONT_END(samples)
        active = loud[:, COLUMN["loudness"]] > loud[:, COLUMN["loudness"]].max() - 11
        change = loud[:, COLUMN["loudness"]] - quiet[:, COLUMN["loudness"]]
        np.testing.assert_allclose(change[active], 10 * np.log10(4 ** (2 * 0.33)), atol=1e-2)
        others = [column for name, column in COLUMN.items() if name != "loudness"]
        # Bins of nearly digital silence are within the floor of the spectrum.
        changed = np.abs(quiet[active][:, others] - loud[active][:, others]) > 0.05
        assert changed.mean() < 0.002


@pytest.mark.parametrize("n", [1, 2, 320, 1024, 16_000])
def test_silence_gives_finite_values(n):
    frames = descriptors(np.zeros(n, np.float32))
    assert np.isfinite(frames).all()
    assert not frames[:, COLUMN["f0"]].any()


def test_loudest_and_damaged_samples():
    assert np.isfinite(descriptors(np.full(4000, 1e10, np.float32))).all()
    for invalid in ([np.nan], [np.inf], [[0.0, 0.0]]):
        with pytest.raises(AudioError):
            descriptors(np.array(invalid, np.float32))


def test_one_frame_and_none():
    config = DescriptorConfig(center=False)
    assert descriptors(noise(1024), config).shape == (1, len(DESCRIPTORS))
    for n in (0, 1023):
        with pytest.raises(AudioError, match="no samples|too large"):
            descriptors(noise(n), config)


@pytest.mark.parametrize("reach", [0, 1, 2, 6])
def test_blocks_of_a_long_clip_equal_one_block(speech, monkeypatch, reach):
    config, samples = DescriptorConfig(reach=reach), np.concatenate(speech)
    whole = descriptors(samples, config)
    monkeypatch.setattr(descriptors_module, "BLOCK_FRAMES", 5)
    assert_same_frames(descriptors(samples, config), whole)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"hop_length": 2000}, "hop_length=2000 must be an integer from 1 to 1024"),
        ({"pitch_floor": 20.0}, "pitch_floor=20.0 must be from 46.875 to 300 Hz"),
        ({"max_frequency": 9000.0}, "max_frequency=9000.0 must be from 3000 to 8000.0 Hz"),
        ({"reach": -1}, "reach=-1 must be"),
    ],
)
def test_invalid_settings_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        DescriptorConfig(**settings)


def test_other_framings_are_refused():
    for config in (MfccConfig.python_speech_features(), MfccConfig(pad_mode="reflect")):
        with pytest.raises(ConfigError, match="voice descriptors require convention='librosa'"):
            DescriptorConfig.from_mfcc(config)


@pytest.mark.parametrize("rate", [8000, 22_050, 48_000])
def test_other_sample_rates(rate):
    config = DescriptorConfig(sample_rate=rate, n_fft=4096 if rate > 16_000 else 1024)
    time = np.arange(rate) / rate
    tone = 0.1 * np.cos(2 * np.pi * 220 * time[:, None] * np.arange(1, 8)).sum(axis=1)
    inner = descriptors(tone.astype(np.float32), config)[10:-10]
    np.testing.assert_allclose(inner[:, COLUMN["f0"]], 36, atol=0.2)
