"""What can be measured of a recording: levels, clipping, pauses, noise, bandwidth, channels."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..audio.decode import AudioFile
from ..audio.level import Loudness
from ..audio.resample import resample
from ..features.config import MfccConfig
from ..features.mfcc import Mfcc
from ..features.silence import SilenceConfig, SilenceGate
from ..inference.network import network_of

if TYPE_CHECKING:
    from ..model import EmotionModel

# So much of a long recording is measured: what is wrong with it shows by then, and two minutes of
# stereo at 48 kHz take 46 MB.
MEASURED_SECONDS = 120.0

# One step of 16 bits, which is how far apart two samples of a clipped peak can be after a copy.
QUANTIZATION_STEP = 1.5 / 32768

# A peak that is flat for this many samples is clipped; single samples at full scale are common in
# recordings that were normalised.
FLAT_SAMPLES = 3

# Tops that are flat below full scale, of a recording that was clipped and then turned down: so
# many that no melody has them, and above -26 dBFS, where 16 bits are fine enough to tell.
FLAT_TOPS = 10
MIN_CEILING = 0.05

# The quietest frames of speech without digital silence are the noise between its sounds.
NOISE_PERCENTILE = 5
DIGITAL_SILENCE = 1e-9  # mean square: -90 dBFS, about a step of 16 bits

# Below the strongest part of the long-term spectrum, in dB. Speech at 16 kHz reaches up to 7.6 kHz
# or more at this level in the clips of four corpora; through a telephone it ends below 4 kHz.
BAND_EDGE_DB = 50.0
SMOOTHING_HZ = 200.0

# Where telephones and low-cut filters let nothing through, and what it is compared with. The lowest
# voices begin at 60 Hz.
LOW_BAND_HZ = (60.0, 200.0)
VOICE_BAND_HZ = (60.0, 4000.0)
LOW_PERCENTILE = 90  # the frames with the most of it: a low voice need not speak all the time

# Where telephones end, and what that is compared with.
UPPER_BAND_HZ = (3500.0, 3950.0)
MIDDLE_BAND_HZ = (2000.0, 3300.0)


@dataclass(frozen=True)
class Recording:
    """What was measured. Levels are in dB relative to full scale, None where there is nothing."""

    format: str  # "WAV PCM_16"
    sample_rate: int  # of the file, Hz
    channels: int
    seconds: float  # of the file
    measured_seconds: float  # of its beginning, which everything below is about
    peak_dbfs: float | None  # of all channels
    # Of what a model hears, the mean of the channels; of the loudest where that cancels the voice.
    rms_dbfs: float | None
    loudest_dbfs: float | None  # of its loudest 30 ms
    speech_dbfs: float | None  # of its frames that are not silent
    speech_seconds: float  # that are not silent
    silence: float  # share of the frames, 0 to 1
    snr_db: float | None  # speech over the noise in its pauses
    clipped: float  # share of the samples that are in flat peaks, 0 to 1
    dc: float  # mean of the channel where it is largest, of full scale, -1 to 1
    highest_hz: float | None  # where the spectrum ends
    low_db: float | None  # what there is below 200 Hz, relative to all up to 4 kHz
    upper_db: float | None  # density at 3.5 to 4 kHz, relative to 2 to 3.3 kHz
    channel_dbfs: tuple[float | None, ...]  # RMS of each
    correlation: float | None  # of the first two channels, -1 to 1
    mixed_db: float  # what averaging leaves of the mean power of the channels, at most 0


def measure_recording(path: str | os.PathLike[str], model: EmotionModel | None = None) -> Recording:
    """Measure a file; pauses are what the model (None: the default gate) takes for silence.

    Raises AudioError if it cannot be read.
    """
    path = Path(path)
    file = AudioFile(path)
    rate = file.sample_rate
    channels = _beginning(file)
    whole = len(channels) < int(MEASURED_SECONDS * rate) or file.n_samples is None
    seconds = (len(channels) if whole else file.n_samples or 0) / rate
    mean = channels.mean(axis=0, dtype=np.float64)  # (n_channels,)
    powers = (np.einsum("ij,ij->j", channels, channels, dtype=np.float64) / len(channels)) - mean**2
    mixed = channels.mean(axis=1) if channels.shape[1] > 1 else channels[:, 0]
    remains = _decibels(float(np.mean((mixed - mean.mean()) ** 2, dtype=np.float64)))
    total = _decibels(float(powers.mean()))
    mixed_db = min(0.0, remains - total) if remains is not None and total is not None else 0.0
    if total is not None and remains is None:
        mixed_db = -200.0
    # Averaging may leave nothing of a voice; how it sounds is then told by its loudest channel.
    cancelled = mixed_db < -10 and channels.shape[1] > 1
    voice = channels[:, int(powers.argmax())] if cancelled else mixed
    front, gate = _front_end(model)
    heard = np.clip(resample(voice, rate, front.config.sample_rate), -1, 1).astype(np.float32)
    kept, frame_powers = _frames(heard, front, gate)
    speech = float(frame_powers[kept].mean()) if kept.any() else 0.0
    loudness = Loudness(front.config.sample_rate)
    loudness.push(heard)
    period = front.config.frame_period
    spectra = np.concatenate(list(_spectra(voice - voice.mean(), rate)))
    return Recording(
        format=file.kind,
        sample_rate=rate,
        channels=channels.shape[1],
        seconds=seconds,
        measured_seconds=len(channels) / rate,
        peak_dbfs=_decibels(float(np.abs(channels).max()) ** 2),
        rms_dbfs=_decibels(float(np.mean(voice**2, dtype=np.float64)) - float(voice.mean()) ** 2),
        loudest_dbfs=loudness.dbfs() if np.isfinite(loudness.dbfs()) else None,
        speech_dbfs=_decibels(speech),
        speech_seconds=min(float(kept.sum()) * period, len(channels) / rate),
        silence=1.0 - float(kept.mean()),
        snr_db=_signal_to_noise(frame_powers, speech),
        clipped=max(clipped_share(channel) for channel in channels.T),
        dc=float(mean[np.abs(mean).argmax()]),
        highest_hz=_highest(spectra, rate),
        low_db=_low(spectra, rate),
        upper_db=_upper(spectra, rate),
        channel_dbfs=tuple(_decibels(float(power)) for power in powers),
        correlation=_correlation(channels),
        mixed_db=mixed_db,
    )


def clipped_share(samples: np.ndarray) -> float:
    """The share of `samples (n,)` that lie in peaks cut flat, 0 to 1.

    >>> sine = np.sin(2 * np.pi * 200 * np.arange(16_000) / 16_000)
    >>> clipped_share(0.9 * sine), round(clipped_share(np.clip(1.5 * sine, -1, 1)), 1)
    (0.0, 0.5)
    """
    count = 0
    for side in (samples, -samples):
        ceiling = min(float(side.max()), 1.0)
        if ceiling < MIN_CEILING:
            continue
        top = np.concatenate([[False], side >= ceiling - QUANTIZATION_STEP, [False]])
        edges = np.flatnonzero(top[1:] != top[:-1])
        lengths = edges[1::2] - edges[::2]
        flat = lengths[lengths >= FLAT_SAMPLES]
        if ceiling >= 1 - 2 * QUANTIZATION_STEP or len(flat) >= FLAT_TOPS:
            count += int(flat.sum())
    return count / len(samples)


def _beginning(file: AudioFile) -> np.ndarray:
    """The first MEASURED_SECONDS, float32 `(n_samples, n_channels)`, not clipped."""
    pieces, left = [], int(MEASURED_SECONDS * file.sample_rate)
    for piece in file.channels():
        pieces.append(piece[:left])
        left -= len(pieces[-1])
        if not left:
            break
    return np.concatenate(pieces)


def _front_end(model: EmotionModel | None) -> tuple[Mfcc, SilenceGate]:
    if model is None:
        return _default_front(), SilenceGate(SilenceConfig(), _default_front().config)
    return network_of(model).front_end, network_of(model).new_silence_gate() or SilenceGate(
        SilenceConfig(), model.card.mfcc_config
    )


@functools.lru_cache(maxsize=1)
def _default_front() -> Mfcc:
    return Mfcc(MfccConfig(hop_length=320))


def _frames(heard: np.ndarray, front: Mfcc, gate: SilenceGate) -> tuple[np.ndarray, np.ndarray]:
    """Which frames the gate keeps, bool `(n_frames,)`, and the variance around each's centre."""
    frames = front(heard)
    kept = gate.decide(frames, last=True)[1]
    hop = front.config.hop_length
    centre = np.round(front.framing.frame_times(len(frames)) * front.config.sample_rate)
    first = np.clip(centre.astype(int) - hop // 2, 0, len(heard))
    end = np.clip(first + hop, 1, len(heard))
    first = np.minimum(first, end - 1)
    sums = np.concatenate([[0.0], np.cumsum((heard - heard.mean(dtype=np.float64)) ** 2)])
    return kept, (sums[end] - sums[first]) / (end - first)


def _signal_to_noise(powers: np.ndarray, speech: float) -> float | None:
    """Speech in dB over the quietest frames that are no digital silence; None without speech."""
    there = powers[powers > DIGITAL_SILENCE]
    if speech <= DIGITAL_SILENCE or not len(there):
        return None
    noise = max(float(np.percentile(there, NOISE_PERCENTILE)), DIGITAL_SILENCE)
    return _decibels(max(speech - noise, 1e-3 * speech) / noise)


def _spectra(samples: np.ndarray, rate: int) -> Iterator[np.ndarray]:
    """Power spectra `(n_frames, n_bins)` of blocks of frames of about 30 ms, by halves."""
    length = 1 << round(np.log2(rate / 32))
    samples = np.pad(samples, (0, max(0, length - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(samples, length)[:: length // 2]
    window = np.hanning(length)
    for start in range(0, len(frames), 256):  # by blocks: the windowed frames take memory
        spectrum = np.fft.rfft(frames[start : start + 256] * window, axis=1)
        yield (np.abs(spectrum) ** 2).astype(np.float32)


def _highest(spectra: np.ndarray, rate: int) -> float | None:
    """The frequency in Hz where the long-term spectrum falls by BAND_EDGE_DB for good."""
    powers = spectra.sum(axis=0, dtype=np.float64)
    width = rate / 2 / (len(powers) - 1)  # Hz of a bin
    if powers.max() <= 0:
        return None
    box = np.ones(max(1, round(SMOOTHING_HZ / width)))
    smooth = np.convolve(powers, box / len(box), "same")
    above = np.flatnonzero(smooth > smooth.max() * 10 ** (-BAND_EDGE_DB / 10))
    return float(above[-1] * width)


def _low(spectra: np.ndarray, rate: int) -> float | None:
    """How much of the loud frames' power is below 200 Hz, in dB, where there is the most of it."""
    voice = spectra[:, _bins(VOICE_BAND_HZ, spectra, rate)].sum(axis=1)
    low = spectra[:, _bins(LOW_BAND_HZ, spectra, rate)].sum(axis=1)
    loud = (voice > voice.max() * 1e-3) & (voice > 0)
    if not loud.any():
        return None
    return _decibels(float(np.percentile(low[loud] / voice[loud], LOW_PERCENTILE)))


def _upper(spectra: np.ndarray, rate: int) -> float | None:
    """How much weaker the spectrum is where telephones end, in dB; None for lower rates."""
    middle = spectra[:, _bins(MIDDLE_BAND_HZ, spectra, rate)].mean()
    if rate / 2 < UPPER_BAND_HZ[1] or middle <= 0:
        return None
    return _decibels(float(spectra[:, _bins(UPPER_BAND_HZ, spectra, rate)].mean() / middle))


def _bins(limits: tuple[float, float], spectra: np.ndarray, rate: int) -> np.ndarray:
    frequencies = np.linspace(0, rate / 2, spectra.shape[1])
    return (frequencies >= limits[0]) & (frequencies < limits[1])


def _correlation(channels: np.ndarray) -> float | None:
    if channels.shape[1] < 2:
        return None
    first, second = (channels[:, k] - channels[:, k].mean() for k in (0, 1))
    norm = float(np.sqrt(np.dot(first, first) * np.dot(second, second)))
    return float(np.dot(first, second)) / norm if norm > 0 else None


def _decibels(power: float) -> float | None:
    return float(10 * np.log10(power)) if power > 1e-20 else None
