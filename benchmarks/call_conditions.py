"""Noise, codecs and channels of synthetic calls, and the scores in each of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from edge_runtime import EmotionModel, Listener, TimelineStream

from .call_audio import CODECS, RATE, STEP, Call, with_noise
from .call_scores import CallScores, EventScores

RATIOS = (30, 15, 5)  # signal-to-noise, dB
BABBLE = "babble"


class Condition(NamedTuple):
    """Noise, codec and channels of a call.

    Attributes:
        noise: The kind of noise.
        ratio: Signal-to-noise ratio in dB.
        codec: A key of `CODECS`.
        is_stereo: Each speaker has a channel, which is processed alone.
    """

    noise: str
    ratio: int
    codec: str = ""
    is_stereo: bool = False

    def __str__(self) -> str:
        extras = [self.codec] if self.codec else []
        extras += ["two channels"] if self.is_stereo else []
        return ", ".join([f"{self.noise}, {self.ratio} dB", *extras])


@dataclass
class Result:
    """The scores of one condition; the emotions also by calls of one emotion a turn or a clip."""

    all: CallScores
    whole: dict[bool, CallScores]
    timeline: dict[bool, CallScores]
    events: EventScores


def conditions(kinds: list[str]) -> list[Condition]:
    """Return every noise at every ratio, then the codecs and two channels in the first noise."""
    noisy = [Condition(kind, ratio) for kind in [*kinds, BABBLE] for ratio in RATIOS]
    coded = [Condition(kinds[0], 15, codec) for codec in CODECS if codec]
    return [*noisy, *coded, Condition(kinds[0], 15, is_stereo=True)]


def recordings(
    call: Call, condition: Condition, noise: np.ndarray
) -> Iterator[tuple[np.ndarray, int, int | None]]:
    """Yield the samples, their rate, and the speaker of each channel; None for both."""
    sides = with_noise(call, noise, condition.ratio)
    if condition.is_stereo:
        channels = [(sides[0], 0), (sides[1], 1)]
    else:
        # One microphone records the noise once.
        mixed = np.clip(sides[0] + call.sides[1], -1, 1)
        channels = [(mixed, None)]  # type: ignore[list-item]
    for samples, side in channels:
        yield *CODECS[condition.codec](samples), side


def answers_of_clips(
    model: EmotionModel, samples: np.ndarray, rate: int, call: Call, side: int | None
) -> np.ndarray:
    """Return the answer of `classify` for each whole clip, by step."""
    answers = np.full(call.is_speech.shape[1], "", dtype="U16")
    for clip in call.clips:
        if side in (None, clip.side):
            part = samples[clip.start * rate // RATE : clip.end * rate // RATE]
            label = model.classify(part, rate, threshold=0.0).label
            answers[clip.start // STEP : clip.end // STEP] = label
    return answers


def measure(
    model: EmotionModel, calls: list[Call], condition: Condition, noise: np.ndarray, vad: str
) -> Result:
    """Return the scores of all calls in a condition; calls of odd index have mixed turns."""
    new = lambda: CallScores(model.labels)  # noqa: E731
    result = Result(new(), defaultdict(new), defaultdict(new), EventScores())
    for index, call in enumerate(calls):
        is_by_turn = index % 2 == 0
        for samples, rate, side in recordings(call, condition, noise):
            truth = call.labels_of(side)
            stream = TimelineStream(model, rate, threshold=0.0, vad=vad)
            segments = stream.push(samples) + stream.flush()
            result.all.add(segments, truth)
            result.timeline[is_by_turn].add(segments, truth)
            whole = answers_of_clips(model, samples, rate, call, side)
            result.whole[is_by_turn].add_answers(whole, truth)
            listener = Listener(model, rate, threshold=0.0, vad=vad)
            result.events.add(listener.push(samples) + listener.flush())
    return result
