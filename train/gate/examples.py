"""Training examples of the speech gate: turns of speech with pauses, in rooms, noise and babble.

The levels, noises and microphones vary far beyond those of the recordings, because a gate is used
with microphones and in places that no corpus contains. The labels are those of the clean speech:
speech that noise partly masks remains speech.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edge_runtime.datasets.clip import Clip
from edge_runtime.features.front_end import FrontEnd

from ..data.degradation import channel_of, degraded
from .labels import by_sample
from .noise_variety import piece_of, varied_noise

MAX_CLIPS = 3  # of a turn
PAUSE_SHARE = 0.8  # of the clips that follow another one after a pause
MAX_PAUSES = (0.0, 0.5, 2.0)  # seconds, each equally often
MAX_SECONDS = 8.0
NOISE_SHARE = 0.4  # of the examples that are noise alone
VARIED_SHARE = 0.7  # of the noises alone that are variations of recordings
NOISY_SHARE = 0.8  # of the turns that have noise
CHANNEL_SHARE = 0.6  # of the turns that pass another microphone and room
# Ratio of speech to noise; half of the ratios are below the middle one.
MIN_RATIO_DB, MIDDLE_RATIO_DB, MAX_RATIO_DB = 0.0, 12.0, 40.0
MIN_BABBLE_RATIO_DB = 8.0  # a nearer voice is speech
MIN_PEAK_DB = -60.0  # of an example, below full scale
SYNTHETIC, BABBLE = "synthetic", "babble"
SYNTHETIC_SHARE = 0.2  # of the noises without babble; the kinds of recordings share the rest
BABBLE_SHARE = 0.2  # of the noises
MIN_VOICES, MAX_VOICES = 5, 12
# Noise floor of turns without noise, below their peak; half of them have digital silence instead.
FLOOR_DB = (-100.0, -45.0)


@dataclass(frozen=True)
class Noise:
    """A recording without speech, or the synthesis of one.

    Attributes:
        kind: Kind of noise, such as "rain".
        samples: Returns float32 samples `(n_samples,)` at the rate of the front end.
    """

    kind: str
    samples: Callable[[np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class GateExample:
    """A training example.

    Attributes:
        rows: Rows of the front end, float32 `(n_frames, width)`.
        targets: Probability of speech of each frame, float32 `(n_frames,)`.
        group: Group of its clips, or of none for noise alone.
        noise: Kind of its noise; "" without noise.
    """

    rows: np.ndarray
    targets: np.ndarray
    group: str
    noise: str


class ExampleMaker:
    """Makes examples of clips; every example has clips of one group, which is a speaker if known.

    Args:
        clips: The clips.
        read: Returns the samples of a clip at the rate of the front end and its speech labels by
            chunk, see `SpeechLabels`.
        noises: Noises to draw from.
        front_end: The front end.
    """

    def __init__(
        self,
        clips: Sequence[Clip],
        read: Callable[[Clip], tuple[np.ndarray, np.ndarray]],
        noises: Sequence[Noise],
        front_end: FrontEnd,
    ) -> None:
        self._clips, self._read, self._front_end = clips, read, front_end
        self._noises: dict[str, list[Noise]] = defaultdict(list)
        for noise in noises:
            self._noises[noise.kind].append(noise)
        n_recorded = len(self._noises) - (SYNTHETIC in self._noises)
        recorded = (1 - SYNTHETIC_SHARE) / max(1, n_recorded)
        shares = [SYNTHETIC_SHARE if kind == SYNTHETIC else recorded for kind in self._noises]
        self._shares = np.array(shares) / sum(shares)
        self._rate = front_end.config.sample_rate
        self._groups: dict[str, list[Clip]] = defaultdict(list)
        for clip in clips:
            self._groups[group_of(clip)].append(clip)

    def examples(self, count: int, seed: int) -> Iterator[GateExample]:
        """Yield examples; every clip occurs about equally often.

        Args:
            count: Number of examples.
            seed: Seed of all random choices.
        """
        rng = np.random.default_rng([seed, 28])
        order: list[int] = []
        for _ in range(count):
            if rng.random() < NOISE_SHARE:
                yield self._noise_alone(rng)
                continue
            if not order:
                order = rng.permutation(len(self._clips)).tolist()
            yield self._turn(self._clips[order.pop()], rng)

    def _noise_alone(self, rng: np.random.Generator) -> GateExample:
        n_samples = int(self._rate * rng.uniform(2, 6))
        if rng.random() < VARIED_SHARE:
            kind = self._draw_kind(rng)
            samples = varied_noise(
                functools.partial(self._draw_recording, kind, rng), n_samples, self._rate, rng
            )
        else:
            kind, samples = self._recorded_noise(n_samples, rng)
        rows = self._front_end(_at_random_level(samples, rng))
        return GateExample(rows, np.zeros(len(rows), np.float32), "", kind)

    def _turn(self, first: Clip, rng: np.random.Generator) -> GateExample:
        group = self._groups[group_of(first)]
        others = rng.integers(len(group), size=rng.integers(MAX_CLIPS))
        samples, speech = self._with_pauses([first, *(group[k] for k in others)], rng)
        if rng.random() < CHANNEL_SHARE:
            channel = replace(channel_of(str(rng.integers(1 << 60))), noise_ratio=np.inf)
            samples = degraded(samples, self._rate, channel, int(rng.integers(1 << 31)))
        peak, kind = float(np.abs(samples).max()), ""
        if rng.random() < NOISY_SHARE:
            kind, noise = self._draw_noise(group, len(samples), rng)
            lowest = MIN_BABBLE_RATIO_DB if kind == BABBLE else MIN_RATIO_DB
            low, high = (lowest, MIDDLE_RATIO_DB), (MIDDLE_RATIO_DB, MAX_RATIO_DB)
            ratio = rng.uniform(*(low if rng.random() < 0.5 else high))
            samples = mixed(samples, speech > 0.5, noise, ratio)
        elif rng.random() < 0.5:
            floor = peak * 10 ** (rng.uniform(*FLOOR_DB) / 20)
            samples = samples + floor * rng.standard_normal(len(samples)).astype(np.float32)
        rows = self._front_end(_at_random_level(samples, rng))
        middles = np.arange(len(rows)) * self._front_end.config.hop_length
        targets = speech[np.minimum(middles, len(speech) - 1)]
        return GateExample(rows, targets, group_of(first), kind)

    def _with_pauses(
        self, clips: list[Clip], rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the samples of clips with pauses between them, and the label of each sample."""
        parts, labels = [], []
        for k, clip in enumerate(clips):
            if k == 0 or rng.random() < PAUSE_SHARE:
                longest = MAX_PAUSES[rng.integers(len(MAX_PAUSES))]
                pause = np.zeros(int(self._rate * rng.uniform(0, longest)), np.float32)
                parts.append(pause)
                labels.append(pause)
            samples, probabilities = self._read(clip)
            gain = 10 ** (rng.uniform(-8, 0) / 20) / max(float(np.abs(samples).max()), 1e-4)
            parts.append(samples * np.float32(gain))
            labels.append(by_sample(probabilities, len(samples), self._rate))
        pause = np.zeros(int(self._rate * rng.uniform(0, 1.5)), np.float32)
        samples, speech = np.concatenate([*parts, pause]), np.concatenate([*labels, pause])
        n_samples = int(MAX_SECONDS * self._rate)
        start = int(rng.integers(max(1, len(samples) - n_samples + 1)))
        return samples[start : start + n_samples], speech[start : start + n_samples]

    def _draw_noise(
        self, group: list[Clip], n_samples: int, rng: np.random.Generator
    ) -> tuple[str, np.ndarray]:
        """Return the kind and the samples of a noise."""
        if rng.random() >= BABBLE_SHARE:
            return self._recorded_noise(n_samples, rng)
        babble = np.zeros(n_samples, np.float32)
        for _ in range(rng.integers(MIN_VOICES, MAX_VOICES)):
            voice = self._read(group[rng.integers(len(group))])[0]
            scale = rng.uniform(0.3, 1) / max(float(np.abs(voice).max()), 1e-4)
            babble += scale * piece_of(voice, n_samples, rng)
        return BABBLE, babble

    def _recorded_noise(self, n_samples: int, rng: np.random.Generator) -> tuple[str, np.ndarray]:
        """Return the kind and the samples of a noise; see `SYNTHETIC_SHARE`."""
        kind = self._draw_kind(rng)
        return kind, piece_of(self._draw_recording(kind, rng), n_samples, rng)

    def _draw_kind(self, rng: np.random.Generator) -> str:
        return list(self._noises)[rng.choice(len(self._noises), p=self._shares)]

    def _draw_recording(self, kind: str, rng: np.random.Generator) -> np.ndarray:
        noises = self._noises[kind]
        return noises[rng.integers(len(noises))].samples(rng)


def group_of(clip: Clip) -> str:
    """Return the group of a clip: its speaker, or its corpus if the speaker is not known."""
    return clip.speaker or f"{clip.corpus}/"


def mixed(
    samples: np.ndarray, is_speech: np.ndarray, noise: np.ndarray, ratio_db: float
) -> np.ndarray:
    """Add noise at a ratio to the mean power of the speech."""
    power = float((samples[is_speech] ** 2).mean() if is_speech.any() else (samples**2).mean())
    noise_power = max(float((noise**2).mean()), 1e-12)
    mixture = samples + noise * np.sqrt(power / noise_power) * 10 ** (-ratio_db / 20)
    return np.asarray(mixture, np.float32)


def _at_random_level(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    peak = max(float(np.abs(samples).max(initial=0.0)), 1e-6)
    scaled = samples * (10 ** (rng.uniform(MIN_PEAK_DB, 0) / 20) / peak)
    return np.asarray(scaled, np.float32)
