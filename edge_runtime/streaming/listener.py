"""Utterance detection in an endless stream, with a prediction for each utterance."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from ..audio.level import to_dbfs
from ..errors import ConfigError
from ..features.noise_floor import NoiseFloor
from ..inference.adaptation import SpeakerAdaptation
from ..inference.network import HasNetwork, Network, network_of
from ..inference.prediction import NO_SPEECH, Prediction
from ..inference.profile import SpeakerProfile
from .front_end import StreamFrontEnd
from .listen_events import ListenConfig, ListenEvent
from .running_prediction import RunningPrediction
from .utterance import Frame, Utterance

# Audio is processed in blocks of this length, so that even rounding does not depend on the chunks.
BLOCK_SECONDS = 0.1
# Hangover: added before the first and after the last sound of an utterance.
MARGIN_SECONDS = 0.1
# Sound this far below the peak of an utterance does not extend it, such as a clock or traffic.
RANGE_DB = 25.0
# An utterance without speech ends after this long, so that it does not mask the speech after it.
MAX_NOISE_SECONDS = 2.0
# The first event of an utterance is due this often until there is one.
MAX_START_INTERVAL_SECONDS = 0.5


class Listener:
    """Detects utterances in an endless stream and predicts the emotion of each.

    An utterance is sound that stands out from the background noise (see `NoiseFloor`), up to the
    next pause. Its final prediction is that of the network for all its frames at once. Silent
    frames are dropped as in `EmotionModel.classify`. The events do not depend on the sizes of the
    chunks, and memory does not grow with the stream.

    Args:
        model: The model.
        sample_rate: Rate of the chunks in Hz. Default: the model's.
        config: Settings of the utterance detection. Default: `ListenConfig()`.
        threshold: Confidence in [0, 1] below which the label is "uncertain". Default: the value
            stored in the model.
        profile: Profile of the speaker, if known.
        adapt: Adapt to the speaker over the utterances instead; see `SpeakerAdaptation`.

    Attributes:
        config: The settings.
        sample_rate: Rate of the chunks in Hz.
        level: RMS level of the last 0.1 s in dBFS; -inf for silence.
        adaptation: The adaptation; None without `adapt`.

    Raises:
        ConfigError: If an argument is out of range, `profile` belongs to another model, or both
            `profile` and `adapt` are given.

    Example:
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
            raise ConfigError("profile and adapt cannot be combined")
        self.config = config or ListenConfig()
        self._network = network = network_of(model)
        self._threshold = network.check_threshold(threshold)
        self._voice = None if profile is None else profile.voice_for(network)
        self._adapt = adapt
        self._front_end = StreamFrontEnd(network, sample_rate)
        self.sample_rate = self._front_end.sample_rate
        self._hop = network.card.mfcc_config.hop_length
        self._period = network.card.mfcc_config.frame_period
        self._block = max(1, round(BLOCK_SECONDS * self.sample_rate))
        self._margin = self._to_frames(MARGIN_SECONDS)
        self.reset()

    def reset(self) -> None:
        """Discard all state, including the adaptation: the next push starts a new stream."""
        self.adaptation = None
        if self._adapt:
            self.adaptation = SpeakerAdaptation.for_card(self._network.card)
        self._start_stream(0.0)

    def _start_stream(self, time: float) -> None:
        """Start a stream at `time` seconds, without a cooldown."""
        self._restart(time)
        self._cooldown_end = 0.0  # seconds since the stream started

    def _restart(self, time: float) -> None:
        """Discard audio and frames; the next sample is at `time` seconds."""
        self._origin = time  # seconds from the start of the stream to frame 0
        self._n_samples = 0  # at `sample_rate`
        self._pending = np.empty(0, np.float32)  # less than a block
        self._front_end.reset()
        self._noise_floor = NoiseFloor(self._network.card.mfcc_config, self._network.card.silence)
        self._samples = np.empty(0, np.float32)  # at the model's rate, not yet part of a frame
        self._n_frames = 0
        self._undecided: deque[Frame] = deque()  # not yet assigned to an utterance
        self._utterance: Utterance | None = None
        self.level = -math.inf

    @property
    def time(self) -> float:
        """Seconds since the stream started."""
        return self._origin + self._n_samples / self.sample_rate

    def push(self, samples: np.ndarray) -> list[ListenEvent]:
        """Add a chunk and return the events that it causes.

        Args:
            samples: Mono float samples `(n_samples,)` in [-1, 1]; may be empty.

        Returns:
            The events, in order; often none.

        Raises:
            AudioError: If the samples cannot be used; the listener is then unchanged.
        """
        samples = self._front_end.check(samples).astype(np.float32, copy=False)
        pending = np.concatenate([self._pending, samples])
        n_complete = len(pending) // self._block * self._block
        self._pending = pending[n_complete:].copy()
        self._n_samples += len(samples)
        events: list[ListenEvent] = []
        for start in range(0, n_complete, self._block):
            events += self._process(pending[start : start + self._block])
        return events

    def flush(self) -> list[ListenEvent]:
        """End the stream and the utterance in progress; a new stream starts.

        The adaptation is kept.

        Returns:
            The remaining events.
        """
        events = self._end_stream()
        self._start_stream(0.0)
        return events

    def skip(self, seconds: float) -> list[ListenEvent]:
        """Report a gap in the stream, which ends the utterance in progress.

        Args:
            seconds: Duration of the lost audio.

        Returns:
            The remaining events, followed by an "overrun".
        """
        events, start = self._end_stream(), self.time
        self._restart(start + seconds)
        return [*events, ListenEvent("overrun", start, self.time, None)]

    def _process(self, block: np.ndarray) -> list[ListenEvent]:
        """Process one block of audio, or the rest of the stream."""
        self.level = to_dbfs(float(block @ block) / len(block))
        return self._advance(*self._front_end.push(block))

    def _end_stream(self) -> list[ListenEvent]:
        events = self._process(self._pending) if len(self._pending) else []
        events += self._advance(*self._front_end.flush())
        if self._utterance is not None:
            events += self._end(self._utterance)
        return events

    def _advance(self, samples: np.ndarray, rows: np.ndarray) -> list[ListenEvent]:
        """Turn samples at the model's rate and the rows of their frames into events."""
        self._samples = np.concatenate([self._samples, samples])
        events: list[ListenEvent] = []
        levels, is_sound = self._noise_floor.push(rows[:, : self._network.front_end.n_mfcc])
        for row, level, sound in zip(rows, levels.tolist(), is_sound.tolist()):
            n_samples = self._hop if self._n_frames else 0
            frame = Frame(self._n_frames, row, self._samples[:n_samples], level, sound)
            self._samples = self._samples[n_samples:]
            self._n_frames += 1
            events += self._assign(frame)
        return events

    def _assign(self, frame: Frame) -> list[ListenEvent]:
        """Assign a frame to the utterance in progress, to a new one, or to the background."""
        self._undecided.append(frame)
        utterance = self._utterance
        if utterance is None:
            if not frame.is_sound:
                while len(self._undecided) > self._margin:
                    self._undecided.popleft()
                return []
            first = self._undecided[0].number
            utterance = self._utterance = Utterance(
                first,
                self._new_running_prediction(),
                ignored=self._to_time(first) < self._cooldown_end,
            )
        events: list[ListenEvent] = []
        if frame.is_sound and frame.level > utterance.peak - RANGE_DB:
            utterance.add(list(self._undecided))
            self._undecided.clear()
            events = self._update(utterance)
        max_duration = self.config.max_duration
        if not utterance.is_reported and not utterance.ignored:
            noise_duration = max(MAX_NOISE_SECONDS, 2 * self.config.min_duration)
            max_duration = min(max_duration, noise_duration)
        n_frames = frame.number + 1 - utterance.first
        is_pause = len(self._undecided) >= self._to_frames(self.config.pause)
        if is_pause or n_frames >= self._to_frames(max_duration):
            events += self._end(utterance)
        return events

    def _new_running_prediction(self) -> RunningPrediction:
        voice = self._voice
        if self.adaptation is not None and self.adaptation.seconds:
            voice = self.adaptation.voice()
        return RunningPrediction(self._network, voice)

    def _update(self, utterance: Utterance) -> list[ListenEvent]:
        """Return the "start" or "update" that is due, if any."""
        if utterance.ignored or not self._is_long_enough(utterance):
            return []
        if utterance.last < utterance.next_update:
            return []
        if not utterance.running.advance():
            return []
        interval = self.config.update
        if not utterance.is_reported:
            interval = min(MAX_START_INTERVAL_SECONDS, interval)
        utterance.next_update = utterance.last + self._to_frames(interval)
        prediction = utterance.running.prediction(self._threshold)
        if prediction is None or (not utterance.is_reported and prediction.label == NO_SPEECH):
            return []
        kind = "update" if utterance.is_reported else "start"
        utterance.is_reported = True
        return [self._event(kind, utterance, prediction)]

    def _end(self, utterance: Utterance) -> list[ListenEvent]:
        """End the utterance in progress and return its last events."""
        undecided = list(self._undecided)
        utterance.add(undecided[: self._margin])
        self._undecided = deque(undecided[self._margin :][-self._margin :])
        self._utterance = None
        if utterance.ignored or not self._is_long_enough(utterance):
            return []
        running = utterance.running
        running.advance(last=True)
        prediction = running.prediction(self._threshold)
        if prediction is None:
            return []
        events: list[ListenEvent] = []
        if prediction.label != NO_SPEECH:
            if self.adaptation is not None:
                seconds = running.n_frames * self._period
                self.adaptation.update(running.logits, seconds, running.embedding)
            if not utterance.is_reported:
                events.append(self._event("start", utterance, prediction))
        if prediction.label in self._network.labels:
            self._cooldown_end = self._to_time(utterance.last) + self.config.cooldown
        return [*events, self._event("end", utterance, prediction)]

    def _event(self, kind: str, utterance: Utterance, prediction: Prediction) -> ListenEvent:
        start, end = self._to_time(utterance.first - 1), self._to_time(utterance.last)
        return ListenEvent(kind, start, end, prediction)

    def _is_long_enough(self, utterance: Utterance) -> bool:
        return utterance.n_sound_frames >= self._to_frames(self.config.min_duration)

    def _to_frames(self, seconds: float) -> int:
        """Return the number of frames of a duration."""
        return round(seconds / self._period)

    def _to_time(self, frame: int) -> float:
        """Return the time of the middle of a frame in seconds since the stream started."""
        return self._origin + max(0, frame) * self._period
