"""Synthetic calls: clips of two speakers in turns, with the true time of every word and pause."""

from __future__ import annotations

import hashlib
import io
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from edge_runtime import read_audio
from edge_runtime.audio.resample import resample
from edge_runtime.audio.silero import CHUNK, SileroVad
from edge_runtime.datasets.clip import Clip

RATE = 16_000
STEP = RATE // 50  # samples of a step of the truth, 0.02 s
SPEECH_DBFS = -26.0  # level of the speech of the louder speaker
SPEAKER_RANGE_DB = 6.0  # the other speaker is up to this much quieter
MIN_PAUSE, MAX_PAUSE = 0.2, 6.0  # seconds between turns
MAX_CLIPS = 4  # of a turn
# Silero VAD labels a clip reliably if its labels 20 dB below agree for this share of the time.
MIN_AGREEMENT, QUIETER = 0.8, 0.1
MAX_TRIES = 20

# Post-processing of Silero's probabilities, with the values of its authors:
# https://github.com/snakers4/silero-vad/blob/master/src/silero_vad/utils_vad.py
ONSET, OFFSET = 0.5, 0.35
MIN_SPEECH_CHUNKS, MIN_SILENCE_CHUNKS = 8, 3  # 0.25 and 0.1 s
PAD = round(0.03 * RATE)


@dataclass(frozen=True)
class CallClip:
    """A clip within a call.

    Attributes:
        start: Its first sample.
        end: The sample after its last.
        side: Index of the speaker, 0 or 1.
        label: The emotion.
    """

    start: int
    end: int
    side: int
    label: str


@dataclass(frozen=True)
class Call:
    """A call without noise.

    Attributes:
        sides: Samples of each speaker, float32 `(2, n_samples)`.
        is_speech: True where a speaker speaks, bool `(2, n_steps)`.
        clips: The clips, in order.
        n_rejected: Draws of a clip without a reliable truth.
    """

    sides: np.ndarray
    is_speech: np.ndarray
    clips: tuple[CallClip, ...]
    n_rejected: int = 0

    def labels_of(self, side: int | None) -> np.ndarray:
        """Return the true emotion of every step, `(n_steps,)`; an empty text in pauses.

        Args:
            side: The speaker. None: both.
        """
        labels = np.full(self.is_speech.shape[1], "", dtype="U16")
        for clip in self.clips:
            if side in (None, clip.side):
                steps = slice(clip.start // STEP, clip.end // STEP)
                labels[steps] = np.where(self.is_speech[clip.side, steps], clip.label, "")
        return labels


def speech_regions(samples: np.ndarray, cache: Path) -> list[tuple[int, int]]:
    """Return where Silero VAD finds speech in a clean clip, as pairs of samples.

    Args:
        samples: Samples `(n_samples,)` at 16 kHz.
        cache: Folder that keeps the probabilities.
    """
    file = cache / f"{hashlib.sha256(samples.tobytes()).hexdigest()[:24]}.npy"
    if not file.exists():
        cache.mkdir(parents=True, exist_ok=True)
        np.save(file, SileroVad().push(samples, last=True))
    return regions(np.load(file), len(samples))


def regions(probabilities: np.ndarray, n_samples: int) -> list[tuple[int, int]]:
    """Return the regions of speech of the probabilities of chunks."""
    pairs: list[list[int]] = []
    start, silent = -1, 0
    for k, p in enumerate([*probabilities.tolist(), *[0.0] * MIN_SILENCE_CHUNKS]):
        if start < 0:
            if p >= ONSET:
                start, silent = k, 0
            continue
        silent = 0 if p >= ONSET else silent + (p < OFFSET or silent > 0)
        if silent >= MIN_SILENCE_CHUNKS:
            pairs.append([start, k + 1 - silent])
            start = -1
    return [
        (max(0, a * CHUNK - PAD), min(n_samples, b * CHUNK + PAD))
        for a, b in pairs
        if b - a >= MIN_SPEECH_CHUNKS
    ]


def build_call(
    clips: Sequence[Clip],
    seconds: float,
    *,
    by_turn: bool,
    rng: random.Random,
    cache: Path,
    reliable: bool = False,
) -> Call:
    """Return a call of two random speakers of one corpus.

    Args:
        clips: Clips to draw from, with a speaker; at least one corpus must have two.
        seconds: Least duration.
        by_turn: True for one emotion in a turn; False: an emotion for each clip.
        rng: Source of randomness.
        cache: Folder that keeps the probabilities of Silero VAD.
        reliable: Use only clips that Silero VAD labels reliably.
    """
    by_speaker: dict[tuple[str, str], dict[str, list[Clip]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for clip in clips:
        by_speaker[clip.corpus, str(clip.speaker)][clip.label].append(clip)
    n_speakers = Counter(corpus for corpus, _ in by_speaker)
    corpus = rng.choice(sorted(corpus for corpus, n in n_speakers.items() if n > 1))
    speakers = rng.sample(sorted(key for key in by_speaker if key[0] == corpus), 2)
    levels = [SPEECH_DBFS, SPEECH_DBFS - rng.uniform(0, SPEAKER_RANGE_DB)]
    rng.shuffle(levels)
    placed: list[tuple[CallClip, np.ndarray, list[tuple[int, int]]]] = []
    position, side, n_rejected = round(rng.uniform(1, 3) * RATE), 0, 0
    while position < seconds * RATE:
        of_label = by_speaker[speakers[side]]
        turn_label = rng.choice(sorted(of_label))
        for _ in range(rng.randint(1, MAX_CLIPS)):
            label = turn_label if by_turn else rng.choice(sorted(of_label))
            for _ in range(MAX_TRIES):
                path = rng.choice(of_label[label]).path
                if not reliable or is_reliable(path, cache):
                    break
                n_rejected += 1
            samples, spoken = read_clip(path, levels[side], cache)
            end = position + len(samples)
            placed.append((CallClip(position, end, side, label), samples, spoken))
            position = end
        low, high = np.log([MIN_PAUSE, MAX_PAUSE])
        position += round(float(np.exp(rng.uniform(low, high))) * RATE)
        side = 1 - side
    n_steps = position // STEP + 1
    sides = np.zeros((2, n_steps * STEP), np.float32)
    is_speech = np.zeros((2, n_steps), bool)
    for clip, samples, spoken in placed:
        sides[clip.side, clip.start : clip.end] = samples
        for start, end in spoken:
            is_speech[clip.side, (clip.start + start) // STEP : (clip.start + end) // STEP] = True
    return Call(sides, is_speech, tuple(clip for clip, _, _ in placed), n_rejected)


def read_clip(path: Path, dbfs: float, cache: Path) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Return a clip with its speech at a level, float32 `(n_samples,)`, and where there is speech.

    Args:
        path: The file.
        dbfs: RMS level of the speech; a clip is not made louder than full scale.
        cache: Folder that keeps the probabilities of Silero VAD.
    """
    samples = read_audio(path, RATE)
    samples = (samples * (0.5 / max(float(np.abs(samples).max()), 1e-9))).astype(np.float32)
    spoken = speech_regions(samples, cache)
    speech = np.concatenate([samples[a:b] for a, b in spoken]) if spoken else samples
    gain = 10 ** (dbfs / 20) / max(float(np.sqrt(np.mean(speech**2))), 1e-9)
    return (samples * min(gain, 2.0)).astype(np.float32), spoken


def is_reliable(path: Path, cache: Path) -> bool:
    """Return True if the labels of Silero VAD hardly depend on the level of a clip."""
    samples = read_audio(path, RATE)
    samples = (samples * (0.5 / max(float(np.abs(samples).max()), 1e-9))).astype(np.float32)
    masks = np.zeros((2, len(samples)), bool)
    for mask, gain in zip(masks, (1.0, QUIETER)):
        for start, end in speech_regions((samples * gain).astype(np.float32), cache):
            mask[start:end] = True
    return bool((masks[0] == masks[1]).mean() >= MIN_AGREEMENT)


def with_noise(call: Call, noise: np.ndarray, ratio: float) -> np.ndarray:
    """Return both sides with noise, float32 `(2, n_samples)`.

    Args:
        call: The call.
        noise: Noise `(n,)`; each side gets another part of it.
        ratio: Level of `SPEECH_DBFS` to that of the noise in dB.
    """
    n = call.sides.shape[1]
    level = 10 ** ((SPEECH_DBFS - ratio) / 20) / max(float(np.sqrt(np.mean(noise**2))), 1e-9)
    both = np.stack([np.resize(noise, n), np.resize(np.roll(noise, len(noise) // 2), n)])
    return np.clip(call.sides + both * level, -1, 1).astype(np.float32)


def babble(clips: Sequence[Clip], n_voices: int, rng: random.Random) -> np.ndarray:
    """Return a minute of several voices at once, `(n_samples,)`."""
    total = np.zeros(60 * RATE)
    for _ in range(n_voices):
        position = 0
        while position < len(total):
            samples = read_audio(rng.choice(clips).path, RATE)
            samples = samples / max(float(np.sqrt(np.mean(samples**2))), 1e-9)
            part = samples[: len(total) - position]
            total[position : position + len(part)] += part
            position += len(samples)
    return total


def mulaw(samples: np.ndarray) -> tuple[np.ndarray, int]:
    """Return samples as a telephone line carries them, and their rate."""
    return _encoded(resample(samples, RATE, 8000), 8000, "WAV", "ULAW"), 8000


def mp3(samples: np.ndarray) -> tuple[np.ndarray, int]:
    """Return samples as an MP3 file holds them, and their rate."""
    return _encoded(samples, RATE, "MP3", "MPEG_LAYER_III"), RATE


def plain(samples: np.ndarray) -> tuple[np.ndarray, int]:
    """Return samples as they are, and their rate."""
    return samples, RATE


CODECS: dict[str, Callable[[np.ndarray], tuple[np.ndarray, int]]] = {
    "": plain,
    "mu-law, 8 kHz": mulaw,
    "MP3": mp3,
}


def _encoded(samples: np.ndarray, rate: int, format: str, subtype: str) -> np.ndarray:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=format, subtype=subtype)
    file.seek(0)
    decoded: np.ndarray = soundfile.read(file, dtype="float32")[0]
    return decoded
