"""Utterances in an endless stream, with a prediction for each."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace

import numpy as np

from ..audio.level import to_dbfs
from ..errors import ConfigError
from ..inference.adaptation import SpeakerAdaptation
from ..inference.network import HasNetwork, Network, network_of
from ..inference.prediction import NO_SPEECH, UNCERTAIN, Prediction
from ..inference.profile import SpeakerProfile
from .endpoints import END, MIN_SPEECH_SECONDS, START, EndpointConfig, EndpointDetector
from .front_end import StreamFrontEnd
from .listen_events import ListenConfig, ListenEvent
from .running_prediction import RunningPrediction
from .speech_detectors import MODEL_VAD, check_vad, new_detector
from .utterance import Frame, Utterance

# Audio is processed in blocks of this length, so that even rounding does not depend on the chunks.
BLOCK_SECONDS = 0.1
# The first event of an utterance is due this often until there is one.
MAX_START_INTERVAL_SECONDS = 0.5


class Listener:
    """Detects utterances in an endless stream and predicts the emotion of each.

    An utterance is a stretch of speech between two pauses, found as in `TimelineStream`. Its final
    prediction is that of the network for all its frames at once. Silent frames are dropped as in
    `EmotionModel.classify`. The events do not depend on the sizes of the chunks, and memory does
    not grow with the stream.

    Args:
        model: The model.
        sample_rate: Rate of the chunks in Hz. Default: the model's.
        config: Settings of the utterance detection. Default: `ListenConfig()`.
        threshold: Confidence in [0, 1] below which the label is "uncertain". Default: the value
            stored in the model.
        speech_threshold: Probability from which a frame is speech, in [0, 1]. Default: 0.35, or
            0.5 for Silero VAD.
        profile: Profile of the speaker, if known.
        adapt: Adapt to the speaker over the utterances instead; see `SpeakerAdaptation`.
        vad: Detector of speech, "model" or "silero" (extra `vad`).

    Attributes:
        config: The settings.
        sample_rate: Rate of the chunks in Hz.
        level: RMS level of the last 0.1 s in dBFS; -inf for silence.
        adaptation: The adaptation; None without `adapt`.

    Raises:
        ConfigError: If an argument is out of range, `profile` belongs to another model, or both
            `profile` and `adapt` are given.
        EdgeSerError: If the package of `vad` is missing.

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
        speech_threshold: float | None = None,
        profile: SpeakerProfile | None = None,
        adapt: bool = False,
        vad: str = MODEL_VAD,
    ) -> None:
        if profile is not None and adapt:
            raise ConfigError("profile and adapt cannot be combined")
        self.config = config or ListenConfig()
        self._network = network = network_of(model)
        self._threshold = network.check_threshold(threshold)
        self._voice = None if profile is None else profile.voice_for(network)
        self._adapt = adapt
        self._vad, self._speech_threshold = check_vad(vad), speech_threshold
        self._front_end = StreamFrontEnd(network, sample_rate)
        self.sample_rate = self._front_end.sample_rate
        self._hop = network.card.mfcc_config.hop_length
        self._period = network.card.mfcc_config.frame_period
        self._block = max(1, round(BLOCK_SECONDS * self.sample_rate))
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
        self._detector = new_detector(self._network, self._vad, self._speech_threshold)
        min_speech = min(MIN_SPEECH_SECONDS, self.config.min_duration)
        config = EndpointConfig(self.config.pause, min_speech)
        self._endpoints = EndpointDetector(config, self._detector.above, self._period)
        self._samples = np.empty(0, np.float32)  # at the model's rate, not yet part of a frame
        self._rows = np.empty((0, self._network.front_end.width), np.float32)  # not yet decided
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
        events += self._advance(*self._front_end.flush(), last=True)
        for _, frame in self._endpoints.flush():
            events += self._end(frame)
        return events

    def _advance(
        self, samples: np.ndarray, rows: np.ndarray, last: bool = False
    ) -> list[ListenEvent]:
        """Turn samples at the model's rate and the rows of their frames into events."""
        probabilities = self._detector.push(rows, samples, last)
        self._samples = np.concatenate([self._samples, samples])
        self._rows = np.concatenate([self._rows, rows])
        events: list[ListenEvent] = []
        for row, p in zip(self._rows, probabilities):
            n_samples = self._hop if self._n_frames else 0
            is_speech = bool(p >= self._detector.above)
            self._undecided.append(Frame(self._n_frames, row, self._samples[:n_samples], is_speech))
            self._samples = self._samples[n_samples:]
            self._n_frames += 1
            events += self._assign(p)
        self._rows = self._rows[len(probabilities) :]
        return events

    def _assign(self, p: float) -> list[ListenEvent]:
        """Assign frames to the utterance in progress, to a new one, or to the background.

        Args:
            p: Probability of speech of the newest frame.
        """
        events: list[ListenEvent] = []
        for kind, frame in self._endpoints.push(np.array([p])):
            if kind == START:
                self._take(frame)
                self._utterance = self._new_utterance(frame)
            elif kind == END:
                events += self._end(frame)
        frames = self._take(self._endpoints.settled)
        if self._utterance is None or not frames:
            return events
        self._utterance.add(frames)
        events += self._update(self._utterance)
        end = self._utterance.last + 1
        if end - self._utterance.first >= self._to_frames(self.config.max_duration):
            events += self._end(end)
            self._utterance = self._new_utterance(end)
        return events

    def _take(self, end: int) -> list[Frame]:
        """Remove the undecided frames before the one of number `end`, and return them."""
        frames = []
        while self._undecided and self._undecided[0].number < end:
            frames.append(self._undecided.popleft())
        return frames

    def _new_utterance(self, first: int) -> Utterance:
        is_ignored = self._to_time(first) < self._cooldown_end
        return Utterance(first, self._new_running_prediction(), ignored=is_ignored)

    def _new_running_prediction(self) -> RunningPrediction:
        voice = self._voice
        if self.adaptation is not None and self.adaptation.seconds:
            voice = self.adaptation.voice()
        return RunningPrediction(self._network, voice)

    def _update(self, utterance: Utterance) -> list[ListenEvent]:
        """Return the "start" or "update" that is due, if any."""
        is_due = self._is_long_enough(utterance) and utterance.last >= utterance.next_update
        if utterance.ignored or not is_due or not utterance.running.advance():
            return []
        interval = self.config.update
        if not utterance.is_reported:
            interval = min(MAX_START_INTERVAL_SECONDS, interval)
        utterance.next_update = utterance.last + self._to_frames(interval)
        prediction = utterance.running.prediction(self._threshold, speech_threshold=0.0)
        if prediction is None or (not utterance.is_reported and prediction.label == NO_SPEECH):
            return []
        kind = "update" if utterance.is_reported else "start"
        utterance.is_reported = True
        if not utterance.has_evidence(prediction.confidence, self._period):
            prediction = replace(prediction, label=UNCERTAIN)
        return [self._event(kind, utterance, prediction)]

    def _end(self, end: int) -> list[ListenEvent]:
        """End the utterance in progress before a frame, and return its last events."""
        utterance, self._utterance = self._utterance, None
        assert utterance is not None
        utterance.add(self._take(end))
        if utterance.ignored or not self._is_long_enough(utterance):
            return []
        running = utterance.running
        running.advance(last=True)
        prediction = running.prediction(self._threshold, speech_threshold=0.0)
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
        return utterance.n_speech_frames >= self._to_frames(self.config.min_duration)

    def _to_frames(self, seconds: float) -> int:
        """Return the number of frames of a duration."""
        return round(seconds / self._period)

    def _to_time(self, frame: int) -> float:
        """Return the time of the middle of a frame in seconds since the stream started."""
        return self._origin + max(0, frame) * self._period
