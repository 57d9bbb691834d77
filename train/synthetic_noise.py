"""Noise that is synthesised: what machines, weather, things and animals sound like.

Recordings of noise are few and of few kinds; a network that knew these alone would take a clock of
another kind for somebody who speaks.
"""

from __future__ import annotations

import numpy as np

RATE = 16_000  # Hz


def synthetic_noise(rng: np.random.Generator) -> np.ndarray:
    """One to five seconds of something that nobody says, float32 at 16 kHz, of any level."""
    n = int(rng.integers(RATE, 5 * RATE))
    kind = rng.choice(
        [_silence, _coloured, _hum, _clicks, _siren, _knocks, _calls],
        p=[0.05, 0.2, 0.15, 0.1, 0.15, 0.2, 0.15],
    )
    samples = kind(n, rng)
    if rng.random() < 0.4:  # swelling and falling, as waves and engines do
        beat = np.sin(np.pi * rng.uniform(0.2, 6) * np.arange(n) / RATE)
        samples = samples * (rng.uniform(0, 0.5) + np.abs(beat))
    level = 10 ** (rng.uniform(-60, 0) / 20)
    return (level * samples / max(np.abs(samples).max(), 1e-9)).astype(np.float32)


def _white(n: int, rng: np.random.Generator) -> np.ndarray:
    return rng.standard_normal(n)


def _silence(n: int, rng: np.random.Generator) -> np.ndarray:
    """Digital silence, but for one sample in a few."""
    samples = np.zeros(n)
    if rng.random() < 0.5:
        samples[rng.integers(n)] = 1.0
    return samples


def _coloured(n: int, rng: np.random.Generator) -> np.ndarray:
    """Noise with a falling spectrum: white, pink, brown and between."""
    spectrum = np.fft.rfft(_white(n, rng))
    slope = np.maximum(np.arange(len(spectrum)), 1) ** -rng.uniform(0, 1.2)
    return np.fft.irfft(spectrum * slope, n)


def _hum(n: int, rng: np.random.Generator) -> np.ndarray:
    """A steady tone with harmonics in some noise: mains, motors, alarms."""
    pitch = rng.uniform(50, 1000)
    time = np.arange(n) / RATE
    tone = sum(
        rng.random() * np.sin(2 * np.pi * pitch * k * time) / k**0.5
        for k in range(1, int(7000 / pitch))
    )
    return tone + rng.uniform(0, 0.5) * _white(n, rng)


def _clicks(n: int, rng: np.random.Generator) -> np.ndarray:
    """Knocks, ticks and crackling: impulses through a short decay, over faint noise."""
    impulses = np.zeros(n)
    impulses[rng.integers(0, n, int(rng.integers(1, 40)))] = 1.0
    decay = np.exp(-np.arange(800) / rng.uniform(5, 200)) * _white(800, rng)
    return np.convolve(impulses, decay)[:n] + 10 ** rng.uniform(-4, -2) * _white(n, rng)


def _siren(n: int, rng: np.random.Generator) -> np.ndarray:
    """A gliding tone: birds, sirens, whistles."""
    time = np.arange(n) / RATE
    swing = 1 + rng.uniform(0, 0.7) * np.sin(2 * np.pi * rng.uniform(0.2, 5) * time)
    phase = 2 * np.pi * np.cumsum(rng.uniform(200, 3000) * swing) / RATE
    overtones = sum(rng.random() ** 2 * np.sin(k * phase) for k in (2, 3))
    return np.sin(phase) + overtones + 10 ** rng.uniform(-4, -1) * _white(n, rng)


def _again(n: int, rng: np.random.Generator, sounds: list[np.ndarray]) -> np.ndarray:
    """Sounds one after the other, evenly as a clock has them or not."""
    samples = np.zeros(n)
    period = RATE / rng.uniform(0.7, 10)
    jitter = rng.choice([0.0, 0.02, 0.5])
    start = rng.uniform(0, min(period, n))
    k = 0
    while start < n:
        sound = sounds[k % len(sounds)] * rng.uniform(0.7, 1)
        begin = int(start)
        piece = sound[: n - begin]
        samples[begin : begin + len(piece)] += piece
        start += period * (1 + jitter * rng.uniform(-1, 1))
        k += 1
    return samples


def _room(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Its echoes in a room, decaying by 60 dB in up to a second."""
    seconds = rng.uniform(0.05, 1.0)
    time = np.arange(int(seconds * RATE)) / RATE
    tail = _coloured(len(time), rng) * 10 ** (-3 * time / seconds)
    tail *= rng.uniform(0.1, 1) / np.sqrt((tail**2).sum())
    tail[0] += 1
    return np.fft.irfft(
        np.fft.rfft(samples, 2 * len(samples)) * np.fft.rfft(tail, 2 * len(samples))
    )[: len(samples)]


def _knock(rng: np.random.Generator) -> np.ndarray:
    """Something hard is struck: a few resonances that die away."""
    time = np.arange(RATE // 3) / RATE
    sound = np.zeros(len(time))
    longest = 10 ** rng.uniform(-2.7, -1)
    for _ in range(rng.integers(2, 9)):
        hertz = np.exp(rng.uniform(np.log(150), np.log(7500)))
        decay = longest * rng.uniform(0.2, 1)
        sound += rng.random() * np.exp(-time / decay) * np.sin(
            2 * np.pi * hertz * time + rng.uniform(0, 2 * np.pi)
        )
    burst = np.exp(-time / (longest * rng.uniform(0.1, 1))) * _coloured(len(time), rng)
    return sound + rng.uniform(0, 2) * burst / np.abs(burst).max()


def _knocks(n: int, rng: np.random.Generator) -> np.ndarray:
    """Clocks, keyboards, steps, hammers, dishes."""
    samples = _again(n, rng, [_knock(rng) for _ in range(rng.integers(1, 4))])
    return _heard(samples, rng)


def _call(rng: np.random.Generator) -> np.ndarray:
    """A short harsh cry of an animal: a glide with many harmonics and noise under one arch."""
    n = int(RATE * rng.uniform(0.06, 0.7))
    t = np.linspace(0, 1, n)
    pitch = np.exp(rng.uniform(np.log(250), np.log(1600)))
    bend = rng.uniform(-0.6, 0.3)
    phase = 2 * np.pi * np.cumsum(pitch * (1 + bend * (t - t**2 * rng.uniform(0, 1)))) / RATE
    slope = rng.uniform(0.2, 1.5)
    sound = sum(
        rng.uniform(0.2, 1) * k**-slope * np.sin(k * phase)
        for k in range(1, max(2, int(7000 / pitch)))
    )
    rise = rng.uniform(0.02, 0.4)
    arch = np.minimum(t / rise, 1) * np.minimum((1 - t) / (1 - rise), 1) ** rng.uniform(0.5, 2)
    noise = _coloured(n, rng)
    return arch * (sound / np.abs(sound).max() + rng.uniform(0, 1) * noise / np.abs(noise).max())


def _calls(n: int, rng: np.random.Generator) -> np.ndarray:
    """Dogs, crows, cocks, geese."""
    samples = _again(n, rng, [_call(rng) for _ in range(rng.integers(1, 3))])
    return _heard(samples, rng)


def _heard(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """In a room mostly, over what else is to be heard, 15 to 70 dB below the loudest."""
    if rng.random() < 0.8:
        samples = _room(samples, rng)
    noise = _coloured(len(samples), rng)
    loudest = max(np.abs(samples).max(), 1e-9)
    return samples + loudest * 10 ** (rng.uniform(-70, -15) / 20) * noise / np.abs(noise).max()
