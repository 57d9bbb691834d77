"""Copies of clips as another microphone in another room records them.

A linear model on clip statistics that is trained on studio recordings alone falls to the level of
chance for a microphone with another frequency response. The channel of a copy is that of a speaker,
because a speaker's clips are mostly recorded with one device in one room.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import scipy.fft

MAX_GAIN_DB = 14.0  # of the tilt at any frequency
REFERENCE_HZ = 1000.0  # where the tilt has no effect
MIN_HZ = 50.0
N_BUMPS = 3  # resonances of a microphone, a case or a room
MAX_ROOM_SECONDS = 0.5  # of the impulse response


@dataclass(frozen=True)
class Channel:
    """A microphone, the room around it, and the noise in it.

    Attributes:
        tilt: Slope of the frequency response in dB per octave.
        bumps: Height in dB, position in octaves above `REFERENCE_HZ` and width in octaves of each
            resonance.
        low_cut: Lower end of the band in Hz; 0: none.
        high_cut: Upper end of the band in Hz; infinite: none.
        decay: Reverberation time in seconds: a decay of 60 dB. 0: none.
        direct_ratio: Level of the direct sound over that of the reverberation in dB.
        noise_ratio: Mean level of the speech over that of the noise in dB; infinite: none.
        noise_slope: Exponent of the noise's amplitude spectrum: 0 white, -0.5 pink, -1 brown.
    """

    tilt: float
    bumps: tuple[tuple[float, float, float], ...]
    low_cut: float
    high_cut: float
    decay: float
    direct_ratio: float
    noise_ratio: float
    noise_slope: float


def channel_of(speaker: str) -> Channel:
    """Draw the channel of a speaker; the same name has the same channel."""
    seed = int.from_bytes(hashlib.blake2b(speaker.encode(), digest_size=8).digest(), "big")
    rng = np.random.default_rng(seed)
    telephone = rng.random() < 0.2
    has_filter, has_room, has_noise = rng.random(3) < (0.7, 0.4, 0.6)
    height = rng.uniform(0, 5) if has_filter else 0.0
    return Channel(
        tilt=rng.uniform(-4, 4) if has_filter else 0.0,
        bumps=tuple(
            (rng.normal(0, height), rng.uniform(-3.5, 2.5), rng.uniform(0.2, 0.8))
            for _ in range(N_BUMPS)
        ),
        low_cut=300.0 if telephone else rng.choice([0.0, 100.0]),
        high_cut=3400.0 if telephone else rng.choice([np.inf, rng.uniform(3500, 8000)]),
        decay=rng.uniform(0.15, 0.8) if has_room else 0.0,
        direct_ratio=rng.uniform(0, 12),
        noise_ratio=rng.uniform(8, 30) if has_noise else np.inf,
        noise_slope=-rng.uniform(0, 1),
    )


def degraded(samples: np.ndarray, sample_rate: int, channel: Channel, seed: int) -> np.ndarray:
    """Return a clip as it is recorded through a channel.

    Args:
        samples: Float samples `(n_samples,)`.
        sample_rate: Their rate in Hz.
        channel: The channel.
        seed: Seed of the noise and of the reverberation.

    Returns:
        float32 `(n_samples,)`, with the peak of the original.
    """
    rng = np.random.default_rng(seed)
    n_samples = len(samples)
    size = scipy.fft.next_fast_len(n_samples + int(MAX_ROOM_SECONDS * sample_rate), real=True)
    spectrum = scipy.fft.rfft(samples.astype(np.float32), size)
    hz = np.arange(len(spectrum), dtype=np.float32) * (sample_rate / size)
    if channel.decay > 0:
        spectrum *= scipy.fft.rfft(_impulse_response(channel, sample_rate, rng), size)
    if np.isfinite(channel.noise_ratio):
        spectrum += _noise(spectrum, hz, channel, size / n_samples, rng)
    recorded = scipy.fft.irfft(spectrum * _response(hz, channel), size)[:n_samples]
    peak = float(np.abs(recorded).max(initial=0.0))
    if peak > 0:
        recorded *= float(np.abs(samples).max()) / peak
    return np.asarray(recorded, np.float32)


def _impulse_response(channel: Channel, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Return direct sound and exponentially decaying noise: Moorer 1979."""
    n_samples = int(rate * min(channel.decay, MAX_ROOM_SECONDS))
    time = np.arange(n_samples, dtype=np.float32) / rate
    tail = rng.standard_normal(n_samples, np.float32) * 10 ** (-3 * time / channel.decay)
    tail[: int(rate * rng.uniform(0.002, 0.008))] = 0  # the first reflection takes a few metres
    tail *= 10 ** (-channel.direct_ratio / 20) / np.sqrt((tail**2).sum())
    tail[0] = 1
    return np.asarray(tail, np.float32)


def _noise(
    spectrum: np.ndarray, hz: np.ndarray, channel: Channel, padding: float, rng: np.random.Generator
) -> np.ndarray:
    """Return the spectrum of steady noise, `padding` times as long as the clip."""
    values = rng.standard_normal((2, len(hz)), np.float32)
    noise = (values[0] + 1j * values[1]) * np.maximum(hz, MIN_HZ) ** channel.noise_slope
    power = (np.abs(spectrum) ** 2).sum() * padding
    scale = np.sqrt(power / (np.abs(noise) ** 2).sum()) * 10 ** (-channel.noise_ratio / 20)
    return np.asarray(noise * scale)


def _response(hz: np.ndarray, channel: Channel) -> np.ndarray:
    """Return the gain of the microphone at each frequency."""
    octaves = np.log2(np.maximum(hz, MIN_HZ) / REFERENCE_HZ)
    gain_db = np.clip(channel.tilt * octaves, -MAX_GAIN_DB, MAX_GAIN_DB)
    for height, position, width in channel.bumps:
        gain_db = gain_db + height * np.exp(-0.5 * ((octaves - position) / width) ** 2)
    gain = 10 ** (gain_db / 20)
    if channel.low_cut > 0:  # Butterworth filters of order 6 and 12
        gain = gain / np.sqrt(1 + (channel.low_cut / np.maximum(hz, 1)) ** 12)
    if np.isfinite(channel.high_cut):
        gain = gain / np.sqrt(1 + (hz / channel.high_cut) ** 24)
    return np.asarray(gain, np.float32)
