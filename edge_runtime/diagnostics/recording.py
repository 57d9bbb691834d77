"""Measurements of a recording: levels, clipping, pauses, noise, bandwidth and channels."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..audio.decode import AudioFile
from ..audio.level import peak_dbfs
from ..audio.limits import NO_LIMITS, AudioLimits
from ..audio.resample import resample
from ..features.config import MfccConfig
from ..features.mfcc import Mfcc
from ..features.silence import SilenceConfig, SilenceGate
from ..inference.network import HasNetwork, Network, network_of
from .spectrum import highest_frequency, low_level, power_db, power_spectra, upper_level

# Seconds of a long recording that are measured. Problems show by then, and two minutes of stereo at
# 48 kHz take 46 MB.
MEASURED_SECONDS = 120.0

# Amplitude tolerance of a flat peak: one and a half steps of 16 bits, because the samples of a
# clipped peak can differ by a step after a copy.
QUANTIZATION_STEP = 1.5 / 32768

# A peak that is flat for this many samples is clipped. Single samples at full scale are common in
# normalised recordings.
MIN_FLAT_SAMPLES = 3

# Flat peaks below full scale, from a recording that was clipped and then attenuated: more than a
# melody has, and above -26 dBFS, where 16 bits resolve them.
MIN_FLAT_PEAKS = 10
MIN_CEILING = 0.05

# Noise level: the quietest frames that are not digital silence.
NOISE_PERCENTILE = 5
DIGITAL_SILENCE = 1e-9  # mean square: -90 dBFS, about one step of 16 bits

MIN_LEVEL_DB = -200.0
CANCELLED_DB = -10.0  # mean of the channels relative to their power, below which they cancel


@dataclass(frozen=True)
class Recording:
    """Measurements of a recording.

    Levels are in dB relative to full scale, and None for silence. All values except `format`,
    `sample_rate`, `channels` and `seconds` are those of the first `measured_seconds`.

    The signal is the mean of the channels, as the model uses it; if the channels cancel each other,
    it is the loudest channel.

    Attributes:
        format: Container and encoding, such as "WAV PCM_16".
        sample_rate: Sample rate of the file in Hz.
        channels: Number of channels.
        seconds: Duration of the file.
        measured_seconds: Duration of the measured beginning.
        peak_dbfs: Largest sample of all channels.
        rms_dbfs: RMS level of the signal.
        loudest_dbfs: RMS level of its loudest 30 ms.
        speech_dbfs: RMS level of its frames that are not silent.
        speech_seconds: Duration of its frames that are not silent.
        silence: Share of silent frames, 0 to 1.
        snr_db: Speech relative to the noise in its pauses.
        clipped: Share of the samples in flat peaks, 0 to 1, of the channel with the most.
        dc: Largest DC offset of a channel relative to full scale, -1 to 1.
        highest_hz: Upper limit of the spectrum.
        low_db: Power below 200 Hz relative to that up to 4 kHz.
        upper_db: Power density from 3.5 to 4 kHz relative to that from 2 to 3.3 kHz.
        channel_dbfs: RMS level of each channel.
        correlation: Correlation of the first two channels, -1 to 1; None for mono.
        mixed_db: Power of the mean of the channels relative to their mean power, at most 0.
    """

    format: str
    sample_rate: int
    channels: int
    seconds: float
    measured_seconds: float
    peak_dbfs: float | None
    rms_dbfs: float | None
    loudest_dbfs: float | None
    speech_dbfs: float | None
    speech_seconds: float
    silence: float
    snr_db: float | None
    clipped: float
    dc: float
    highest_hz: float | None
    low_db: float | None
    upper_db: float | None
    channel_dbfs: tuple[float | None, ...]
    correlation: float | None
    mixed_db: float


def measure_recording(
    path: str | os.PathLike[str],
    model: HasNetwork | Network | None = None,
    content: bytes | None = None,
    limits: AudioLimits = NO_LIMITS,
) -> Recording:
    """Measure an audio file.

    Args:
        path: The file.
        model: The model whose front end and silence gate are used. Default: the default settings.
        content: The bytes of the file; `path` is then only its name.
        limits: Maximum duration and size. Default: unlimited.

    Raises:
        AudioError: If the file cannot be read.
    """
    path = Path(path)
    file = AudioFile(path, content, limits)
    rate = file.sample_rate
    channels = _read_beginning(file)
    is_whole = len(channels) < int(MEASURED_SECONDS * rate) or file.n_samples is None
    seconds = (len(channels) if is_whole else file.n_samples or 0) / rate
    mean = channels.mean(axis=0, dtype=np.float64)  # (n_channels,)
    powers = (np.einsum("ij,ij->j", channels, channels, dtype=np.float64) / len(channels)) - mean**2
    mixed = channels.mean(axis=1) if channels.shape[1] > 1 else channels[:, 0]
    mixed_dbfs = power_db(float(np.mean((mixed - mean.mean()) ** 2, dtype=np.float64)))
    total_dbfs = power_db(float(powers.mean()))
    mixed_db = 0.0
    if total_dbfs is not None:
        mixed_db = MIN_LEVEL_DB if mixed_dbfs is None else min(0.0, mixed_dbfs - total_dbfs)
    is_cancelled = mixed_db < CANCELLED_DB and channels.shape[1] > 1
    signal = channels[:, int(powers.argmax())] if is_cancelled else mixed
    front_end, gate = _front_end(model)
    model_rate = front_end.config.sample_rate
    resampled = np.clip(resample(signal, rate, model_rate), -1, 1).astype(np.float32)
    kept, frame_powers = _gated_frames(resampled, front_end, gate)
    speech_power = float(frame_powers[kept].mean()) if kept.any() else 0.0
    loudest_dbfs = peak_dbfs(resampled, model_rate)
    spectra = np.concatenate(list(power_spectra(signal - signal.mean(), rate)))
    return Recording(
        format=file.kind,
        sample_rate=rate,
        channels=channels.shape[1],
        seconds=seconds,
        measured_seconds=len(channels) / rate,
        peak_dbfs=power_db(float(np.abs(channels).max()) ** 2),
        rms_dbfs=power_db(float(np.mean(signal**2, dtype=np.float64)) - float(signal.mean()) ** 2),
        loudest_dbfs=loudest_dbfs if np.isfinite(loudest_dbfs) else None,
        speech_dbfs=power_db(speech_power),
        speech_seconds=min(float(kept.sum()) * front_end.config.frame_period, len(channels) / rate),
        silence=1.0 - float(kept.mean()),
        snr_db=_signal_to_noise(frame_powers, speech_power),
        clipped=max(clipped_share(channel) for channel in channels.T),
        dc=float(mean[np.abs(mean).argmax()]),
        highest_hz=highest_frequency(spectra, rate),
        low_db=low_level(spectra, rate),
        upper_db=upper_level(spectra, rate),
        channel_dbfs=tuple(power_db(float(power)) for power in powers),
        correlation=_correlation(channels),
        mixed_db=mixed_db,
    )


def clipped_share(samples: np.ndarray) -> float:
    """Return the share of samples in flat peaks.

    Args:
        samples: One channel, `(n_samples,)`.

    Returns:
        The share, 0 to 1.

    Example:
        >>> sine = np.sin(2 * np.pi * 200 * np.arange(16_000) / 16_000)
        >>> clipped_share(0.9 * sine), round(clipped_share(np.clip(1.5 * sine, -1, 1)), 1)
        (0.0, 0.5)
    """
    n_clipped = 0
    for half in (samples, -samples):
        ceiling = min(float(half.max()), 1.0)
        if ceiling < MIN_CEILING:
            continue
        at_ceiling = np.concatenate([[False], half >= ceiling - QUANTIZATION_STEP, [False]])
        edges = np.flatnonzero(at_ceiling[1:] != at_ceiling[:-1])
        lengths = edges[1::2] - edges[::2]
        flat = lengths[lengths >= MIN_FLAT_SAMPLES]
        if ceiling >= 1 - 2 * QUANTIZATION_STEP or len(flat) >= MIN_FLAT_PEAKS:
            n_clipped += int(flat.sum())
    return n_clipped / len(samples)


def _read_beginning(file: AudioFile) -> np.ndarray:
    """Read the first `MEASURED_SECONDS`, float32 `(n_samples, n_channels)`, unclipped."""
    blocks, n_missing = [], int(MEASURED_SECONDS * file.sample_rate)
    for block in file.channels():
        blocks.append(block[:n_missing])
        n_missing -= len(blocks[-1])
        if not n_missing:
            break
    return np.concatenate(blocks)


def _front_end(model: HasNetwork | Network | None) -> tuple[Mfcc, SilenceGate]:
    """Return the front end and the silence gate of a model, or the default ones."""
    front_end, gate = _default_front_end(), None
    if model is not None:
        network = network_of(model)
        front_end, gate = network.front_end.mfcc, network.new_silence_gate()
    return front_end, gate or SilenceGate(SilenceConfig(), front_end.config)


@functools.lru_cache(maxsize=1)
def _default_front_end() -> Mfcc:
    return Mfcc(MfccConfig(hop_length=320))


def _gated_frames(
    samples: np.ndarray, front_end: Mfcc, gate: SilenceGate
) -> tuple[np.ndarray, np.ndarray]:
    """Return which frames the gate keeps, bool `(n_frames,)`, and the variance of each frame.

    The variance is that of one hop around the centre of the frame.
    """
    frames = front_end(samples)
    kept = gate.decide(frames, last=True)[1]
    hop = front_end.config.hop_length
    times = front_end.framing.frame_times(len(frames))
    centres = np.round(times * front_end.config.sample_rate)
    first = np.clip(centres.astype(int) - hop // 2, 0, len(samples))
    end = np.clip(first + hop, 1, len(samples))
    first = np.minimum(first, end - 1)
    sums = np.concatenate([[0.0], np.cumsum((samples - samples.mean(dtype=np.float64)) ** 2)])
    return kept, (sums[end] - sums[first]) / (end - first)


def _signal_to_noise(powers: np.ndarray, speech_power: float) -> float | None:
    """Return speech relative to the quietest frames in dB; None without speech.

    Frames of digital silence are excluded.
    """
    audible = powers[powers > DIGITAL_SILENCE]
    if speech_power <= DIGITAL_SILENCE or not len(audible):
        return None
    noise = max(float(np.percentile(audible, NOISE_PERCENTILE)), DIGITAL_SILENCE)
    return power_db(max(speech_power - noise, 1e-3 * speech_power) / noise)


def _correlation(channels: np.ndarray) -> float | None:
    if channels.shape[1] < 2:
        return None
    first, second = (channels[:, k] - channels[:, k].mean() for k in (0, 1))
    norm = float(np.sqrt(np.dot(first, first) * np.dot(second, second)))
    return float(np.dot(first, second)) / norm if norm > 0 else None
