"""Emotions of what is said in an endless stream: utterances are found, and each is judged."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, fields

import numpy as np

from ..errors import ConfigError
from ..features.noise_floor import NoiseFloor
from ..inference.adaptation import SpeakerAdaptation
from ..inference.network import HasNetwork, Network, network_of
from ..inference.prediction import NO_SPEECH, Prediction
from ..inference.profile import SpeakerProfile
from .front_end import StreamFrontEnd
from .running_prediction import RunningPrediction
from .utterance import Frame, Utterance

# Audio is heard in blocks of this length whatever was pushed, so that not even rounding depends on
# the pushes.
BLOCK_SECONDS = 0.1
MARGIN_SECONDS = 0.1  # of an utterance, before its first and after its last sound
# What is so far below the loudest of an utterance does not prolong it: a clock, the street.
RANGE_DB = 25.0
# After so much of nothing but noise begin anew, lest speech be judged with the noise before it.
NOISE_SECONDS = 2.0


@dataclass(frozen=True)
class ListenConfig:
    """What an utterance is. All in seconds."""

    pause: float = 0.8  # of no sound that ends an utterance
    max_duration: float = 10.0  # after which an utterance ends and the next begins
    min_duration: float = 0.5  # of sound, under which an utterance gives no event: a click, a door
    cooldown: float = 0.0  # after one with an emotion; those that begin in it are ignored
    update: float = 0.5  # from one estimate to the next, at least

    def __post_init__(self) -> None:
        limits = {
            "pause": (0.2, 10),
            "max_duration": (1, 600),
            "min_duration": (0, 60),
            "cooldown": (0, 86_400),
            "update": (0.1, 60),
        }
        for field in fields(self):
            value = getattr(self, field.name)
            low, high = limits[field.name]
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not math.isfinite(value) or not low <= value <= high:
                raise ConfigError(f"{field.name}={value!r} must be from {low} to {high} seconds")
        if self.min_duration > self.max_duration:
            raise ConfigError(
                f"min_duration={self.min_duration:g} must not exceed "
                f"max_duration={self.max_duration:g}"
            )


@dataclass(frozen=True)
class ListenEvent:
    """Something that happened, from `start` to `end` in seconds since the stream began.

    `kind`: "start" of an utterance (once it is long enough and sounds like speech), an "update" of
    what it sounds like so far, its "end" with the final answer, or an "overrun": audio was lost
    there. Noise has an "end" alone, whose label is "no speech".
    """

    kind: str
    start: float
    end: float
    prediction: Prediction | None  # None for an overrun


class Listener:
    """Finds the utterances in audio that is pushed in pieces, and tells the emotion of each.

    An utterance is what stands out from the background (see `NoiseFloor`) until there is a pause.
    What is said of it at its end is what the model says of its frames at once; frames of silence
    are dropped as in `EmotionModel.classify`. The events do not depend on the sizes of the pieces,
    and what is held does not grow.

    Args:
        sample_rate: of what is pushed, in Hz (None: the model's).
        threshold: confidence, 0 to 1, below which the label is "uncertain" (None: the model's).
        profile: of the speaker, if it is known who speaks.
        adapt: get used to the voice instead: see `VoiceAdaptation`.

    >>> from edge_runtime import EmotionModel
    >>> listener = Listener(EmotionModel.load())
    >>> listener.push(np.zeros(16_000, np.float32)) + listener.flush()
    []
    """

    def __init__(
        self,
        model: HasNetwork | Network,
        sample_rate: float | None = None,
        config: ListenConfig | None = None,
        *,
        threshold: float | None = None,
        profile: SpeakerProfile | None = None,
        adapt: bool = False,
    ) -> None:
        if profile is not None and adapt:
            raise ConfigError("adapt is for a voice that is not known: give a profile or adapt")
        self.config = config or ListenConfig()
        self._network = network = network_of(model)
        self._threshold = network.check_threshold(threshold)
        self._bias = None if profile is None else profile.bias_for(network)
        self._adapt = adapt
        self._front_end = StreamFrontEnd(network, sample_rate)
        self.sample_rate = self._front_end.sample_rate
        self._hop = network.card.mfcc_config.hop_length
        self._period = network.card.mfcc_config.frame_period
        self._block = max(1, round(BLOCK_SECONDS * self.sample_rate))
        self._margin = self._frames(MARGIN_SECONDS)
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next push begins a new stream."""
        self.adaptation = None
        if self._adapt:
            card = self._network.card
            self.adaptation = SpeakerAdaptation(len(card.labels), card.profile_gain)
        self._restart(0.0)
        self._quiet_until = 0.0

    def _restart(self, time: float) -> None:
        self._begin = time  # seconds from the beginning of the stream to frame 0
        self._heard = 0  # samples at `sample_rate`
        self._pending = np.empty(0, np.float32)  # less than a block
        self._front_end.reset()
        self._floor = NoiseFloor(self._network.card.mfcc_config, self._network.card.silence)
        self._samples = np.empty(0, np.float32)  # at the model's rate, of no frame yet
        self._n_frames = 0
        self._held: deque[Frame] = deque()  # not yet known to belong to an utterance
        self._utterance: Utterance | None = None
        self.level = -math.inf  # dBFS of the last block

    @property
    def time(self) -> float:
        """Seconds since the stream began."""
        return self._begin + self._heard / self.sample_rate

    def push(self, samples: np.ndarray) -> list[ListenEvent]:
        """Hear `samples`, mono float `(n,)` within [-1, 1]; n may be 0.

        Raises AudioError for samples that cannot be used; the listener is then as it was before.
        """
        samples = self._front_end.check(samples).astype(np.float32, copy=False)
        pending = np.concatenate([self._pending, samples])
        whole = len(pending) // self._block * self._block
        self._pending = pending[whole:].copy()
        self._heard += len(samples)
        events: list[ListenEvent] = []
        for start in range(0, whole, self._block):
            events += self._hear(pending[start : start + self._block])
        return events

    def flush(self) -> list[ListenEvent]:
        """The end of the stream, and of the utterance that is going on; a new stream begins. The
        voice that the listener adapted to is not forgotten."""
        events = self._end_stream()
        self._restart(0.0)
        self._quiet_until = 0.0
        return events

    def skip(self, seconds: float) -> list[ListenEvent]:
        """So much audio was lost here: ends the utterance, and reports an "overrun"."""
        events, start = self._end_stream(), self.time
        self._restart(start + seconds)
        return [*events, ListenEvent("overrun", start, self.time, None)]

    def _hear(self, block: np.ndarray) -> list[ListenEvent]:
        power = float(block @ block) / len(block)
        self.level = 10.0 * math.log10(power) if power > 0 else -math.inf
        return self._advance(*self._front_end.push(block))

    def _end_stream(self) -> list[ListenEvent]:
        events = self._hear(self._pending) if len(self._pending) else []
        events += self._advance(*self._front_end.flush())
        if self._utterance is not None:
            events += self._end(self._utterance)
        return events

    def _advance(self, samples: np.ndarray, frames: np.ndarray) -> list[ListenEvent]:
        """Turn samples at the model's rate and their frames into events."""
        self._samples = np.concatenate([self._samples, samples])
        events: list[ListenEvent] = []
        levels, sounds = self._floor.push(frames)
        for mfcc, level, sound in zip(frames, levels.tolist(), sounds.tolist()):
            share = self._hop if self._n_frames else 0
            frame = Frame(self._n_frames, mfcc, self._samples[:share], level, sound)
            self._samples = self._samples[share:]
            self._n_frames += 1
            events += self._place(frame)
        return events

    def _place(self, frame: Frame) -> list[ListenEvent]:
        """Give a frame to the utterance that is going on, or to one that begins, or to none."""
        self._held.append(frame)
        utterance = self._utterance
        if utterance is None:
            if not frame.sound:
                while len(self._held) > self._margin:
                    self._held.popleft()
                return []
            first = self._held[0].number
            utterance = self._utterance = Utterance(
                first, self._new_running_prediction(), ignored=self._at(first) < self._quiet_until
            )
        events: list[ListenEvent] = []
        if frame.sound and frame.level > utterance.peak - RANGE_DB:
            utterance.take(list(self._held))
            self._held.clear()
            events = self._estimate(utterance)
        longest = self.config.max_duration
        if not utterance.started and not utterance.ignored:
            longest = min(longest, max(NOISE_SECONDS, 2 * self.config.min_duration))
        if len(self._held) >= self._frames(
            self.config.pause
        ) or frame.number + 1 - utterance.first >= self._frames(longest):
            events += self._end(utterance)
        return events

    def _new_running_prediction(self) -> RunningPrediction:
        bias = self._bias
        if self.adaptation is not None and self.adaptation.seconds:
            bias = self.adaptation.bias()
        return RunningPrediction(self._network, bias)

    def _estimate(self, utterance: Utterance) -> list[ListenEvent]:
        """Whether it is time for an event, and that event."""
        if utterance.ignored or not self._is_long(utterance):
            return []
        if utterance.last < utterance.next_update:
            return []
        if not utterance.running.advance():
            return []
        wait = self.config.update if utterance.started else min(0.5, self.config.update)
        utterance.next_update = utterance.last + self._frames(wait)
        prediction = utterance.running.prediction(self._threshold)
        if prediction is None or (not utterance.started and prediction.label == NO_SPEECH):
            return []
        kind = "update" if utterance.started else "start"
        utterance.started = True
        return [self._event(kind, utterance, prediction)]

    def _end(self, utterance: Utterance) -> list[ListenEvent]:
        held = list(self._held)
        utterance.take(held[: self._margin])
        self._held = deque(held[self._margin :][-self._margin :])
        self._utterance = None
        if utterance.ignored or not self._is_long(utterance):
            return []
        running = utterance.running
        running.advance(last=True)
        prediction = running.prediction(self._threshold)
        if prediction is None:
            return []
        events: list[ListenEvent] = []
        if prediction.label != NO_SPEECH:
            if self.adaptation is not None:
                self.adaptation.update(running.logits, running.n_frames * self._period)
            if not utterance.started:
                events.append(self._event("start", utterance, prediction))
        if prediction.label in self._network.labels:
            self._quiet_until = self._at(utterance.last) + self.config.cooldown
        return [*events, self._event("end", utterance, prediction)]

    def _event(self, kind: str, utterance: Utterance, prediction: Prediction) -> ListenEvent:
        start, end = self._at(utterance.first - 1), self._at(utterance.last)
        return ListenEvent(kind, start, end, prediction)

    def _is_long(self, utterance: Utterance) -> bool:
        return utterance.n_sound >= self._frames(self.config.min_duration)

    def _frames(self, seconds: float) -> int:
        return round(seconds / self._period)

    def _at(self, frame: int) -> float:
        """The time in seconds of the middle of a frame."""
        return self._begin + max(0, frame) * self._period
