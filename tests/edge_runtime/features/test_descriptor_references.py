"""Pitch against Praat, and the other descriptors against openSMILE, on real speech."""

from __future__ import annotations

import numpy as np
import pytest
from support.paths import CORPORA, ROOT

from edge_runtime import read_audio
from edge_runtime.features.descriptor_config import COLUMN, DescriptorConfig
from edge_runtime.features.descriptors import Descriptors

CLIPS_PER_CORPUS = 4
pytestmark = pytest.mark.slow  # openSMILE and Praat take seconds

NAMES = ("emodb", "ravdess", "tess", "nemo", "cremad", "ased", "korean")
SPEECH_RMS = 10 ** (-26 / 20)
SPEECH_RANGE = 1e-3  # 30 dB; Praat calls frames below silent, its "silence threshold" of 0.03
GROSS_ERROR = 0.2  # relative error of F0

FRONT_END = Descriptors()
N_FFT, HOP = FRONT_END.config.n_fft, FRONT_END.config.hop_length


def levelled(samples: np.ndarray) -> np.ndarray:
    """Return samples whose frames within 40 dB of the loudest have the RMS `SPEECH_RMS`."""
    power = (samples[: len(samples) // 320 * 320].reshape(-1, 320) ** 2).mean(axis=1)
    rms = np.sqrt(power[power > power.max() * 1e-4].mean())
    return (samples * (SPEECH_RMS / rms)).astype(np.float32)


@pytest.fixture(scope="module", params=["samples", "corpora"])
def clips(request) -> list[np.ndarray]:
    """Return the sample clips of the project, or clips of every corpus."""
    if request.param == "samples":
        return [levelled(read_audio(path)) for path in sorted((ROOT / "samples").rglob("*.wav"))]
    found = []
    for name in NAMES:
        files = [
            path
            for path in sorted((CORPORA / name).rglob("*"))
            if path.suffix in (".wav", ".flac", ".ogg")
        ]
        found += files[7 :: len(files) // CLIPS_PER_CORPUS][:CLIPS_PER_CORPUS] if files else []
    if not found:
        pytest.skip(f"no corpora at {CORPORA}: set EDGE_SER_CORPORA to run this")
    return [levelled(read_audio(path)) for path in found]


def praat_f0(samples: np.ndarray, n_frames: int) -> np.ndarray:
    """Return Praat's F0 in the middle of each frame, 0 if it is unvoiced, `(n_frames,)`."""
    parselmouth = pytest.importorskip("parselmouth")
    step = 0.005
    sound = parselmouth.Sound(samples.astype(np.float64), 16_000)
    pitch = sound.to_pitch_ac(time_step=step, pitch_floor=60.0, pitch_ceiling=600.0)
    times, f0 = pitch.xs(), pitch.selected_array["frequency"]
    nearest = np.rint((np.arange(n_frames) * HOP / 16_000 - times[0]) / step).astype(int)
    inside = (nearest >= 0) & (nearest < len(f0))
    return np.where(inside, f0[np.clip(nearest, 0, len(f0) - 1)], 0.0)


def noise_10_db_below(kind: str, n_samples: int, rng: np.random.Generator) -> np.ndarray:
    """Return white or pink noise 10 dB below the speech."""
    samples = rng.standard_normal(n_samples)
    if kind == "pink":
        hz = np.fft.rfftfreq(n_samples, 1 / 16_000)
        samples = np.fft.irfft(np.fft.rfft(samples) / np.sqrt(np.maximum(hz, 20)), n_samples)
    return samples * (SPEECH_RMS * 10 ** (-10 / 20) / np.sqrt((samples**2).mean()))


def speech_frames(samples: np.ndarray, n_frames: int) -> np.ndarray:
    total = np.concatenate([[0], np.cumsum(np.pad(samples.astype(np.float64), N_FFT // 2) ** 2)])
    starts = np.arange(n_frames) * HOP
    power = total[starts + N_FFT] - total[starts]
    return power > power.max() * SPEECH_RANGE


@pytest.mark.parametrize(
    ("condition", "max_gross_errors", "min_agreement"),
    [("clean", 0.05, 0.90), ("white", 0.15, None), ("pink", 0.15, None)],
)
def test_pitch_agrees_with_praat(clips, condition, max_gross_errors, min_agreement):
    # The reference is Praat's pitch of the clean clip, in noise as well.
    rng = np.random.default_rng(1)
    gross_errors, both_voiced, same_voicing = [], [], []
    for samples in clips:
        degraded = samples
        if condition != "clean":
            noise = noise_10_db_below(condition, len(samples), rng)
            degraded = (samples + noise).astype(np.float32)
        semitones = FRONT_END(degraded)[:, COLUMN["f0"]]
        f0 = np.where(semitones > 0, 27.5 * 2 ** (semitones / 12), 0)
        reference = praat_f0(samples, len(f0))
        speech = speech_frames(samples, len(f0))
        f0, reference = f0[speech], reference[speech]
        voiced = (f0 > 0) & (reference > 0)
        gross_errors.append(np.abs(f0[voiced] / reference[voiced] - 1) > GROSS_ERROR)
        both_voiced.append(voiced)
        same_voicing.append((f0 > 0) == (reference > 0))
    assert np.concatenate(both_voiced).mean() > 0.3
    assert np.concatenate(gross_errors).mean() <= max_gross_errors
    if min_agreement is not None:
        assert np.concatenate(same_voicing).mean() >= min_agreement


# openSMILE's framing of the spectral descriptors: 20 ms every 10 ms, up to 5 kHz.
SHORT = DescriptorConfig(
    n_fft=512,
    win_length=320,
    hop_length=160,
    window="hamming",
    center=False,
    max_frequency=5000.0,
    n_bands=26,
    pitch_floor=200.0,
)


@pytest.fixture(scope="module")
def opensmile_frames(clips) -> list[tuple[np.ndarray, object, np.ndarray]]:
    """Return our descriptors and openSMILE's of each clip, and the speech frames."""
    opensmile = pytest.importorskip("opensmile")
    smile = opensmile.Smile(
        opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.LowLevelDescriptors, num_workers=1
    )
    front_end = Descriptors(SHORT)
    frames = []
    for samples in clips:
        theirs = smile.process_signal(samples, 16_000)
        offset = (SHORT.n_fft - 320) // 2  # our window is centred in the frame
        ours = front_end(np.pad(samples, (offset, SHORT.n_fft)))
        n_frames = min(len(ours), len(theirs))
        loudness = theirs["Loudness_sma3"].to_numpy()[:n_frames]
        frames.append((ours, theirs, loudness > np.percentile(loudness, 95) * 0.08))
    return frames


# openSMILE smooths over three frames. Its alpha ratio is the reciprocal of the published one, and
# its loudness is not in dB. Not compared are flux (of linear spectra, not normalised), HNR and
# harmonics (60 ms Gaussian window, another harmonic search). The slope of 500 to 1500 Hz reaches
# 0.946 on the corpora, for a reason that is not established.
@pytest.mark.parametrize(
    ("name", "column", "sign", "minimum"),
    [
        ("loudness", "Loudness_sma3", 1, 0.95),
        ("alpha_ratio", "alphaRatio_sma3", -1, 0.95),
        ("hammarberg", "hammarbergIndex_sma3", 1, 0.95),
        ("slope_0_500", "slope0-500_sma3", 1, 0.95),
        ("slope_500_1500", "slope500-1500_sma3", 1, 0.90),
    ],
)
def test_descriptors_correlate_with_opensmile(opensmile_frames, name, column, sign, minimum):
    ours, theirs = [], []
    for frames, table, speech in opensmile_frames:
        values = table[column].to_numpy()[: len(speech)]
        if name == "loudness":
            values = 10 * np.log10(np.maximum(values, 1e-3))
        padded = np.pad(frames[:, COLUMN[name]], 1, mode="edge")
        smooth = np.convolve(padded, np.ones(3) / 3, mode="valid")[: len(speech)]
        ours.append(smooth[speech])
        theirs.append(sign * values[speech])
    assert np.corrcoef(np.concatenate(ours), np.concatenate(theirs))[0, 1] >= minimum
