"""A demo corpus of synthesised voices, to try every command without recordings.

A source-filter model (glottal pulses → formant resonators, after Klatt 1980,
https://doi.org/10.1121/1.383940) produces random vowels with one prosody per label. The task is far
easier than real speech; scores on it do not transfer to people.
"""

from __future__ import annotations

import csv
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import lfilter

from edge_runtime.datasets.clip import DatasetError
from edge_runtime.diagnostics.synthetic_voice import BANDWIDTHS, VOWELS

SAMPLE_RATE = 16_000


@dataclass(frozen=True)
class Prosody:
    """The prosody of a label, relative to the voice of the speaker.

    Attributes:
        pitch: Factor of the speaker's fundamental frequency.
        span: Depth of the pitch movement in octaves.
        slope: Rise of the pitch over the utterance in octaves.
        rate: Syllables per second.
        level: Peak level in dBFS.
        tilt: Pole of a low-pass on the source: 0 is a pressed voice, 0.95 a soft one.
        breath: Amplitude of the noise in the source.
    """

    pitch: float
    span: float
    slope: float
    rate: float
    level: float
    tilt: float
    breath: float


PROSODIES = {
    "angry": Prosody(1.35, 0.45, -0.10, 5.5, -6.0, 0.30, 0.02),
    "happy": Prosody(1.50, 0.60, 0.25, 5.0, -10.0, 0.60, 0.04),
    "neutral": Prosody(1.00, 0.20, -0.10, 4.2, -14.0, 0.75, 0.04),
    "sad": Prosody(0.90, 0.10, -0.20, 2.8, -20.0, 0.92, 0.15),
}


@dataclass(frozen=True)
class Voice:
    """The voice of a speaker.

    Attributes:
        pitch: Fundamental frequency in Hz.
        formant_scale: Factor of the formants of a male voice.
    """

    pitch: float
    formant_scale: float


def voices(count: int) -> list[Voice]:
    """Return `count` voices, evenly spaced from low to high."""
    positions = np.linspace(0.0, 1.0, count)
    return [Voice(float(95 * 2 ** (1.2 * t)), float(1.0 + 0.18 * t)) for t in positions]


def synthesise(voice: Voice, prosody: Prosody, rng: np.random.Generator) -> np.ndarray:
    """Synthesise an utterance of 1 to 2 s with silence around it.

    Returns:
        Samples at `SAMPLE_RATE`, float32 `(n_samples,)`.
    """
    syllables = int(rng.integers(4, 7))
    rate = prosody.rate * rng.uniform(0.9, 1.1)
    length = int(SAMPLE_RATE / rate)
    n = syllables * length
    position = np.arange(n) / n
    wave = np.sin(2 * np.pi * (np.arange(n) / length / 2 + rng.random()))
    octaves = prosody.slope * (position - 0.5) + 0.5 * prosody.span * rng.uniform(0.8, 1.2) * wave
    pitch = voice.pitch * prosody.pitch * rng.uniform(0.95, 1.05) * 2.0**octaves
    pitch = pitch * (1 + 0.01 * rng.standard_normal(n).cumsum() / np.sqrt(np.arange(1, n + 1)))
    phase = np.cumsum(pitch / SAMPLE_RATE)
    pulses = np.diff(np.floor(phase), prepend=0.0)  # an impulse at every glottal closure
    source = pulses + prosody.breath * 0.3 * rng.standard_normal(n)
    source = lfilter([1 - prosody.tilt], [1, -prosody.tilt], source)
    out = np.zeros(n)
    for k in range(syllables):
        part = slice(k * length, (k + 1) * length)
        formants = VOWELS[rng.integers(len(VOWELS))]
        out[part] = (
            _resonate(source[part], formants, voice.formant_scale) * np.hanning(length) ** 0.5
        )
    out *= 10 ** (prosody.level / 20) / np.abs(out).max()
    quiet = int(0.15 * SAMPLE_RATE)
    out = np.pad(out, quiet) + 3e-4 * rng.standard_normal(n + 2 * quiet)
    return np.clip(out, -1, 1).astype(np.float32)


def _resonate(source: np.ndarray, formants: tuple[float, ...], scale: float) -> np.ndarray:
    """Filter with a cascade of two-pole resonators of unit gain at 0 Hz."""
    for frequency, bandwidth in zip(formants, BANDWIDTHS):
        radius = np.exp(-np.pi * bandwidth / SAMPLE_RATE)
        cosine = np.cos(2 * np.pi * frequency * scale / SAMPLE_RATE)
        poles = [1.0, -2 * radius * cosine, radius**2]
        source = lfilter([sum(poles)], poles, source)
    return source


def write_corpus(folder: Path, speakers: int, clips: int, seed: int) -> int:
    """Write `folder/{label}/*.wav` and `folder/manifest.csv`, completely or not at all.

    Args:
        folder: Folder to create.
        speakers: Number of speakers.
        clips: Clips per speaker and label.
        seed: Seed of the synthesis.

    Returns:
        The number of clips.

    Raises:
        DatasetError: If the folder exists, or a number is below 1.
    """
    if folder.exists():
        raise DatasetError(f"{folder}: already exists; remove it or choose another folder")
    for name, count in (("speakers", speakers), ("clips", clips)):
        if count < 1:
            raise DatasetError(f"{name}={count} must be 1 or more")
    rng = np.random.default_rng(seed)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        rows = []
        for s, voice in enumerate(voices(speakers), start=1):
            for label, prosody in PROSODIES.items():
                for k in range(1, clips + 1):
                    path = Path(label) / f"speaker{s:02d}-{k}.wav"
                    target = Path(temporary, "corpus") / path
                    target.parent.mkdir(parents=True, exist_ok=True)
                    soundfile.write(target, synthesise(voice, prosody, rng), SAMPLE_RATE)
                    rows.append([path.as_posix(), label, f"speaker{s:02d}", "", "demo"])
        with Path(temporary, "corpus", "manifest.csv").open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["path", "label", "speaker", "split", "corpus"])
            writer.writerows(rows)
        os.replace(Path(temporary, "corpus"), folder)
    return len(rows)
