"""The front_end end against librosa and python_speech_features."""

from __future__ import annotations

import sys
import threading
import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from support.config_ids import config_id
from support.librosa_reference import librosa_log_mel, librosa_mel, librosa_mfcc

from edge_runtime import AudioError, Mfcc, MfccConfig, MfccStream, mfcc
from edge_runtime.features import band_energies
from edge_runtime.features.config import PAD_MODES
from edge_runtime.features.framing import Framing

librosa = pytest.importorskip("librosa")
python_speech_features = pytest.importorskip("python_speech_features")

# Promised on speech and noise, in units of the coefficients.
PARITY = 1e-3

CONFIGS = {
    "default": MfccConfig(),
    "librosa's own defaults": MfccConfig(
        sample_rate=22_050, n_mfcc=20, n_fft=2048, hop_length=512, n_mels=128, top_db=80.0
    ),
    "window shorter than the frame": MfccConfig(win_length=400),
    "n_fft no power of two": MfccConfig(n_fft=400, hop_length=123, n_mels=128, pad_mode="reflect"),
    "odd n_fft": MfccConfig(n_fft=511, hop_length=97, window="hamming", pad_mode="symmetric"),
    "hop beyond n_fft": MfccConfig(hop_length=1200, pad_mode="linear_ramp"),
    "not centred": MfccConfig(center=False, window=("kaiser", 8.0)),
    "htk, magnitudes": MfccConfig(htk=True, norm=None, power=1.0, dct_type=3),
    "amin above the reference": MfccConfig(amin=10.0),
    "norm of order 2": MfccConfig(norm=2, fmin=50.0, fmax=7000.0, pad_mode="edge"),
    "telephone": MfccConfig(sample_rate=8000, n_fft=256, hop_length=80, n_mels=23),
    "48 kHz": MfccConfig(sample_rate=48_000, n_fft=1024, hop_length=480, n_mels=64),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_equals_librosa_on_speech_and_noise(speech, config):
    for samples in speech:
        expected = librosa_mfcc(samples, config)
        coefficients = Mfcc(config)(samples)
        assert coefficients.dtype == np.float32
        np.testing.assert_allclose(coefficients, expected, rtol=0, atol=PARITY)


def test_equals_plain_librosa_call(speech):
    for samples in speech:
        expected = librosa.feature.mfcc(
            y=samples, sr=16_000, n_mfcc=13, n_fft=512, hop_length=160, n_mels=40
        )
        coefficients = mfcc(samples, MfccConfig(top_db=80.0))
        np.testing.assert_allclose(coefficients, expected.T, rtol=0, atol=PARITY)


@pytest.mark.slow
@pytest.mark.parametrize(
    "config",
    [
        MfccConfig(lifter=22.0),
        MfccConfig(dct_norm=None),
        MfccConfig(dct_norm=None, dct_type=1),
        MfccConfig(dct_norm=None, dct_type=3, lifter=30.0, n_mels=128),
    ],
    ids=config_id,
)
def test_amplified_coefficients_are_as_exact_as_librosa(speech, config):
    """Lifters and unnormalised DCTs amplify rounding; librosa's error is the bound."""
    for samples in speech:
        exact = librosa_mfcc(samples.astype(np.float64), config)
        own = np.abs(librosa_mfcc(samples, config) - exact).max()
        assert np.abs(mfcc(samples, config) - exact).max() <= max(PARITY, own)


@pytest.mark.parametrize(
    "config",
    [
        # The edge of a filter lies on a bin, up to the last bit of the mel scale.
        MfccConfig(n_fft=256, fmin=2000.0, fmax=4000.0, n_mels=64, norm=2.0),
        MfccConfig(n_fft=400, n_mels=26, fmin=20.0, fmax=3400.0, norm=0.0),
        # Bins that contain only the last bits of the window.
        MfccConfig(power=0.5),
    ],
    ids=config_id,
)
def test_results_that_depend_on_the_last_bit(config):
    for samples in (np.ones(8000, np.float32), signal("noise", 8000, 16_000, 1.0, 0)):
        exact = librosa_mfcc(samples.astype(np.float64), config)
        np.testing.assert_allclose(mfcc(samples, config), exact, rtol=0, atol=PARITY)


def test_stages_equal_librosa(speech):
    config = MfccConfig(n_mels=64, top_db=60.0, amin=1e-8)
    front_end = Mfcc(config)
    for samples in speech:
        np.testing.assert_allclose(
            front_end.mel_spectrogram(samples), librosa_mel(samples, config), rtol=1e-4, atol=1e-7
        )
        np.testing.assert_allclose(
            front_end.log_mel_spectrogram(samples), librosa_log_mel(samples, config), atol=PARITY
        )


def test_stages_equal_python_speech_features(speech):
    config = MfccConfig.python_speech_features()
    front_end, samples = Mfcc(config), speech[0]
    bands, _ = python_speech_features.fbank(samples)
    np.testing.assert_allclose(front_end.mel_spectrogram(samples), bands, rtol=1e-5)
    expected = python_speech_features.logfbank(samples)
    np.testing.assert_allclose(front_end.log_mel_spectrogram(samples), expected, atol=1e-4)


def refined_share(config: MfccConfig, samples: np.ndarray, monkeypatch) -> float:
    """Return the share of the frames that are recomputed in float64."""
    front_end, rows = Mfcc(config), []
    energies = front_end._band_energies._energies

    def spy(windowed, mel, rfft, spectra=None):
        if mel.dtype == np.float64:
            rows.append(len(mel))
        return energies(windowed, mel, rfft, spectra)

    monkeypatch.setattr(front_end._band_energies, "_energies", spy)
    n_frames = len(front_end(samples))
    return sum(rows) / n_frames


@pytest.mark.parametrize("power", [1.0, 2.0, 3.0])
def test_only_imprecise_frames_are_refined(voice_clips, monkeypatch, power):
    config = MfccConfig(power=power, amin=1e-20)
    assert refined_share(config, signal("noise", 16_000, 16_000, 1.0, 0), monkeypatch) == 0
    assert 0.9 < refined_share(config, signal("sine", 16_000, 16_000, 1.0, 0), monkeypatch) <= 1
    assert refined_share(MfccConfig(power=power), np.zeros(16_000, np.float32), monkeypatch) == 0
    clip = voice_clips[0] + signal("noise", len(voice_clips[0]), 16_000, 0.01, 0)
    assert refined_share(config, clip.astype(np.float32), monkeypatch) < 0.1


@pytest.mark.parametrize("power", [1.0, 2.0, 3.0])
def test_refinement_depends_on_levels_only(monkeypatch, power):
    config, shares = MfccConfig(power=power, amin=1e-20), {}
    for db in (-60, -52, -44):  # of noise beneath a sine
        noise = signal("noise", 16_000, 16_000, 5 * 10 ** (db / 20), 1)
        samples = signal("sine", 16_000, 16_000, 1.0, 0) + noise
        shares[db] = refined_share(config, samples, monkeypatch)
    assert shares[-60] > 0.9 and 0.1 < shares[-52] < 0.55 and shares[-44] == 0


@pytest.mark.parametrize(("power", "db"), [(1.0, -65), (2.0, -55), (3.0, -45)])
def test_frames_at_amin_are_not_refined(monkeypatch, power, db):
    """The level of a sine's rounding errors is 10 dB higher where each bin weighs more."""
    samples = signal("sine", 16_000, 16_000, 1.0, 0)
    below, above = (
        refined_share(
            MfccConfig(power=power, amin=10 ** (power * level / 20)), samples, monkeypatch
        )
        for level in (db - 5, db + 5)
    )
    assert below > 0.9 and above == 0


def test_empty_bands_neither_warn_nor_hide_weak_bands(monkeypatch):
    config = MfccConfig(n_fft=256, n_mels=128, amin=1e-20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        front_end = Mfcc(config)
    assert (front_end.mel_spectrogram(signal("noise", 4000, 16_000, 1.0, 0)) == 0).any(axis=1).all()
    assert refined_share(config, signal("sine", 16_000, 16_000, 1.0, 0), monkeypatch) > 0.9


def test_scipy_is_loaded_after_many_whole_clips(monkeypatch):
    monkeypatch.delitem(sys.modules, "scipy.fft", raising=False)
    monkeypatch.setattr(band_energies, "_n_frames_done", 0)
    mfcc(np.zeros(8_000, np.float32))
    mfcc(np.zeros(8_000, np.float32))
    assert band_energies._n_frames_done == 2 * 51
    MfccStream().push(np.zeros(16_000, np.float32))  # streams do not count
    assert band_energies._n_frames_done == 2 * 51
    monkeypatch.setattr(band_energies, "_n_frames_done", band_energies.FRAMES_WORTH_SCIPY)
    assert band_energies.pick_rfft() is np.fft.rfft
    monkeypatch.setattr(band_energies, "_n_frames_done", band_energies.FRAMES_WORTH_SCIPY + 1)
    rfft = band_energies.pick_rfft()
    import scipy.fft

    assert rfft is scipy.fft.rfft
    monkeypatch.setattr(band_energies, "_n_frames_done", 0)
    assert band_energies.pick_rfft() is scipy.fft.rfft  # once it is loaded


def signal(kind: str, n: int, rate: int, scale: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.arange(n) / rate
    values = {
        "noise": rng.standard_normal(n) * 0.2,
        "sine": np.sin(2 * np.pi * rng.uniform(50, 0.45 * rate) * t),
        "impulse": (np.arange(n) == rng.integers(n)).astype(float),
        "silence": np.zeros(n),
        "dc": np.ones(n),
        "voice": np.sign(np.sin(2 * np.pi * 120 * t)) * np.exp(-3 * (t % 0.2)),
    }
    return values[kind] * scale


@st.composite
def configs(draw) -> MfccConfig:
    n_fft = draw(st.one_of(st.sampled_from([128, 256, 512, 1024, 2048]), st.integers(64, 1500)))
    n_mels = draw(st.integers(2, 128))
    rate = draw(st.sampled_from([8000, 11_025, 16_000, 22_050, 44_100, 48_000]))
    fmin = draw(st.sampled_from([0.0, 20.0, 133.3]))
    return MfccConfig(
        sample_rate=rate,
        n_fft=n_fft,
        win_length=draw(st.one_of(st.none(), st.integers(16, n_fft))),
        hop_length=draw(st.integers(1, 2000)),
        n_mels=n_mels,
        n_mfcc=draw(st.integers(1, min(n_mels, 40))),
        fmin=fmin,
        fmax=draw(st.sampled_from([None, rate / 2, rate / 3])),
        window=draw(
            st.sampled_from(
                ["hann", "hamming", "blackman", "boxcar", "bartlett", ("gaussian", 60.0)]
            )
        ),
        center=draw(st.booleans()),
        pad_mode=draw(st.sampled_from(PAD_MODES)),
        htk=draw(st.booleans()),
        norm=draw(st.sampled_from(["slaney", None, 1.0, 2.0, np.inf])),
        dct_type=draw(st.sampled_from([1, 2, 3])),
        dct_norm=draw(st.sampled_from(["ortho", None])),
        lifter=draw(st.sampled_from([0.0, 22.0])),
        power=draw(st.sampled_from([1.0, 2.0])),
        amin=draw(st.sampled_from([1e-10, 1e-6, 1e-3])),
        top_db=draw(st.sampled_from([None, 0.0, 40.0, 80.0])),
    )


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    config=configs(),
    kind=st.sampled_from(["noise", "sine", "impulse", "silence", "dc", "voice"]),
    n=st.one_of(st.integers(1, 600), st.integers(600, 6000)),
    scale=st.sampled_from([1.0, 0.1, 1e-6]),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 2**16),
)
def test_any_configuration_equals_librosa(config, kind, n, scale, dtype, seed):
    assume(n // config.hop_length < 3000)
    samples = signal(kind, n, config.sample_rate, scale, seed).astype(dtype)
    if not config.center and n < config.n_fft:
        with pytest.raises(librosa.ParameterError):
            librosa_mfcc(samples, config)
        with pytest.raises(AudioError, match="too large"):
            mfcc(samples, config)
        return
    exact = librosa_mfcc(samples.astype(np.float64), config)
    own = np.abs(librosa_mfcc(samples.astype(np.float32), config) - exact).max()
    coefficients = mfcc(samples, config)
    assert coefficients.shape == exact.shape
    error = np.abs(coefficients - exact).max()
    # The rounding of large coefficients to float32.
    rounding = np.finfo(np.float32).eps * np.abs(exact).max()
    assert error <= max(PARITY, own, rounding), f"{error} against librosa's own {own}"


@pytest.mark.parametrize("frequency", [250.0, 1000.0, 3333.0, 7001.5])
def test_weak_bands_of_a_sine_are_as_exact_as_librosa(frequency):
    samples = np.sin(2 * np.pi * frequency * np.arange(16_000) / 16_000)
    exact = librosa_mfcc(samples, MfccConfig())
    own = np.abs(librosa_mfcc(samples.astype(np.float32), MfccConfig()) - exact).max()
    for dtype in (np.float32, np.float64):
        error = np.abs(mfcc(samples.astype(dtype)) - exact).max()
        # If the rounding of the samples dominates, both have that error, up to the rounding of the
        # result.
        assert error <= max(1.01 * own, PARITY / 4)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"nfft": 256},
        {"nfft": 1024, "preemph": 0.0},
        {"winlen": 0.03, "winstep": 0.007},
        {"winstep": 0.1},
        {"nfilt": 40, "numcep": 20, "ceplifter": 0, "appendEnergy": False},
        {"lowfreq": 100, "highfreq": 6000},
        {"samplerate": 8000},
        {"samplerate": 44_100},
        {"winlen": 0.05},
    ],
    ids=str,
)
def test_equals_python_speech_features(speech, arguments):
    config = MfccConfig.python_speech_features(**arguments)
    for samples in [*speech, speech[0][:1], speech[0][:399], np.zeros(500, np.float32)]:
        for values in (samples, np.round(samples * 32767).astype(np.int16)):
            expected = python_speech_features.mfcc(values, **arguments)
            np.testing.assert_allclose(mfcc(values, config), expected, rtol=0, atol=1e-4)


def test_python_speech_features_windows_are_symmetric(speech):
    config = MfccConfig.python_speech_features(winfunc="hamming")
    expected = python_speech_features.mfcc(speech[0], winfunc=np.hamming)
    np.testing.assert_allclose(mfcc(speech[0], config), expected, rtol=0, atol=1e-4)


def test_scale_equals_int16_samples(speech):
    pcm = np.round(speech[0] * 32767).astype(np.int16)
    config = MfccConfig.python_speech_features(scale=32768)
    expected = python_speech_features.mfcc(pcm)
    np.testing.assert_allclose(mfcc(pcm / 32768, config), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(0, np.float32), "no samples"),
        (np.zeros((2, 800), np.float32), "mono"),
        (np.zeros(800, np.int16), "divide int16 by 32768"),
        (np.full(800, np.nan, np.float32), "not finite"),
        (np.r_[np.zeros(2_000_000), np.inf], "not finite"),
    ],
    ids=["empty", "stereo", "int16", "nan", "infinity at the end"],
)
def test_refuses_what_librosa_refuses(samples, message):
    with pytest.raises(AudioError, match=message):
        mfcc(samples)


def test_repr_has_the_settings():
    assert repr(Mfcc(MfccConfig(n_mels=23))) == f"Mfcc({MfccConfig(n_mels=23)})"


def test_frame_times_are_frame_centres():
    np.testing.assert_allclose(Framing(MfccConfig()).frame_times(3), [0.0, 0.01, 0.02])
    np.testing.assert_allclose(Framing(MfccConfig(center=False)).frame_times(2), [0.016, 0.026])


def test_memory_stays_within_a_small_multiple_of_the_output():
    samples = np.random.default_rng(0).standard_normal(16_000 * 600).astype(np.float32)
    front_end = Mfcc(MfccConfig())
    front_end(samples[:16_000])
    tracemalloc.start()
    out = front_end(samples)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * out.nbytes + (4 << 20)


@pytest.mark.slow
def test_threads_share_an_object(speech):
    front_end = Mfcc(MfccConfig())
    expected = [front_end(samples) for samples in speech]
    mismatches: list[int] = []

    def work() -> None:
        for _ in range(5):
            for k, samples in enumerate(speech):
                if not np.array_equal(front_end(samples), expected[k]):
                    mismatches.append(k)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not mismatches


@pytest.mark.parametrize("amin", [1.0, 1.5, 3.0])
def test_amin_above_the_reference_is_subtracted(amin):
    samples = 100 * np.random.default_rng(0).standard_normal(4000).astype(np.float32)
    samples[2000:] *= 1e-4
    front_end = Mfcc(MfccConfig(amin=amin))
    mel = front_end.mel_spectrogram(samples)
    expected = librosa.power_to_db(mel, amin=amin, top_db=None)
    assert abs(expected.min()) < 1e-5 and expected.max() > 1
    np.testing.assert_allclose(front_end.log_mel_spectrogram(samples), expected, atol=1e-3)
