"""A long recording as segments: who sounds how, from when to when, and where nobody speaks.

The recording is cut into steps of one `hop`. The network hears each step within a window around
it, and a step's emotion is its window's. Silence is found to the frame: pauses that are long enough
cut a segment in two. What is held does not grow with the recording.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from ..audio.level import Levels, to_dbfs
from ..errors import AudioError, ConfigError
from ..features.silence import dilated
from ..inference.network import HasNetwork, Network, network_of
from ..inference.prediction import NO_SPEECH, UNCERTAIN, Prediction
from ..inference.profile import SpeakerProfile
from .front_end import StreamFrontEnd
from .running_prediction import RunningPrediction
from .segments import Segment, SegmentMerger

# What a window must hold of sound for the network to be asked.
MIN_SOUND = 0.3
# What is so far below the loudest of a window is not what is said in it: a fan, the street.
RANGE_DB = 30.0
# By how much another emotion must be more probable than the one before to end its segment.
HYSTERESIS = 0.1

# Seconds. A shorter window never holds enough; a longer one is all held while it is waited for.
MIN_WINDOW, MAX_WINDOW = 0.5, 60.0


class TimelineStream:
    """Segments of audio that arrives in pieces, at `sample_rate` Hz (None: the model's).

    Args:
        window: seconds that the network hears at once, 0.5 to 60.
        hop: seconds from one window to the next, 0.05 to `window`.
        threshold: confidence, 0 to 1, below which a step is "uncertain" (None: the model's).
        profile: of the speaker, if it is known who speaks.
        watch: is called with every step, cut where sound begins or ends, before steps are joined
            to segments.

    The segments follow each other without a gap from 0 to the end of the recording, and do not
    depend on how it was cut into pieces.

    >>> from edge_runtime import EmotionModel
    >>> stream = TimelineStream(EmotionModel.load())
    >>> silence = np.zeros(160_000, np.float32)
    >>> [(s.start, s.end, s.label) for s in [*stream.push(silence), *stream.flush()]]
    [(0.0, 10.0, 'no speech')]
    """

    def __init__(
        self,
        model: HasNetwork | Network,
        sample_rate: float | None = None,
        *,
        window: float = 3.0,
        hop: float = 1.0,
        threshold: float | None = None,
        profile: SpeakerProfile | None = None,
        watch: Callable[[Segment], None] = lambda step: None,
    ) -> None:
        check_window(window, hop)
        self._watch = watch
        self._network = network = network_of(model)
        self._window, self._hop = window, hop
        self._threshold = network.check_threshold(threshold)
        self._bias = None if profile is None else profile.bias_for(network)
        self._front_end = StreamFrontEnd(network, sample_rate)
        self.sample_rate = self._front_end.sample_rate
        self._period = network.card.mfcc_config.frame_period
        self._uniform = {label: 1 / len(network.labels) for label in network.labels}
        self.reset()

    def reset(self) -> None:
        """Forget everything: the next push begins a new recording."""
        network = self._network
        self._front_end.reset()
        # Which frames are silent, by the loudest moment of the recording. What the network hears of
        # a window is relative to the loudest of that: somebody further away is not silent.
        self._gate = network.new_silence_gate(relative=False)
        self._levels = Levels(network.sample_rate)
        self._powers = np.empty(0)  # of the blocks that a window to come may touch
        self._first_block = 0
        self._frames = np.empty(
            (0, network.card.mfcc_config.n_mfcc), np.float32
        )  # the same of frames
        self._kept = np.empty(0, bool)
        self._first = 0  # index of the first held frame
        self._n_samples = 0  # at the model's rate
        self._step = 0  # the next to be answered
        self._label = ""  # of the step before
        self._merger = SegmentMerger()

    @property
    def seconds(self) -> float:
        """How much was pushed."""
        return self._n_samples / self._network.sample_rate

    def push(self, samples: np.ndarray) -> list[Segment]:
        """The segments that end in or before `samples`, mono float `(n,)` within [-1, 1].

        Raises AudioError for samples that cannot be used; the stream is then as it was before.
        """
        samples, frames = self._front_end.push(self._front_end.check(samples))
        return self._advance(samples, frames, last=False)

    def flush(self) -> list[Segment]:
        """The remaining segments; a new recording begins."""
        segments = [*self._advance(*self._front_end.flush(), last=True), *self._merger.rest()]
        self.reset()
        return segments

    def all(self, pieces: Iterable[np.ndarray]) -> Iterator[Segment]:
        """The segments of a recording that comes in pieces, each as soon as it has ended.

        An AudioError of `pieces` is raised after the segments of what came before it.
        """
        failed = None
        try:
            for samples in pieces:
                yield from self.push(samples)
        except AudioError as error:
            failed = error
        yield from self.flush()
        if failed is not None:
            raise failed

    def _advance(self, samples: np.ndarray, frames: np.ndarray, last: bool) -> list[Segment]:
        self._n_samples += len(samples)
        self._powers = np.concatenate([self._powers, self._levels.push(samples)])
        if last:
            self._powers = np.concatenate([self._powers, self._levels.rest()])
        kept = np.ones(len(frames), bool)
        if self._gate is not None:
            frames, kept = self._gate.decide(frames, last)
        self._frames = np.concatenate([self._frames, frames])
        self._kept = np.concatenate([self._kept, kept])
        ended: list[Segment] = []
        while self._ready(last):
            for piece in self._answer():
                self._watch(piece)
                ended += self._merger.add(piece)
            self._step += 1
            self._let_go()
        return ended

    def _window_of(self, step: int) -> tuple[float, float]:
        middle = (step + 0.5) * self._hop
        return middle - self._window / 2, middle + self._window / 2

    def _ready(self, last: bool) -> bool:
        if last:
            return self._step * self._hop < self.seconds
        return self._window_of(self._step)[1] <= (self._first + len(self._frames)) * self._period

    def _answer(self) -> Iterator[Segment]:
        """The next step, cut where sound begins or ends."""
        window = self._between(*self._window_of(self._step))
        sound = self._sound(window)
        enough = int(sound.sum()) * self._period >= MIN_SOUND
        prediction = self._judge(self._frames[window]) if enough else None
        start, end = self._step * self._hop, min((self._step + 1) * self._hop, self.seconds)
        frames = self._between(start, end)
        kept = sound[frames.start - window.start : frames.stop - window.start]
        changes = np.flatnonzero(np.diff(kept)) + 1
        times = [start, *((self._first + frames.start + changes) * self._period).tolist(), end]
        sounds = [*kept[:1].tolist(), *kept[changes].tolist()] or [False]
        for begin, stop, audible in zip(times, times[1:], sounds):
            if audible and prediction is not None:
                yield Segment(
                    begin, stop, prediction.label, prediction.confidence, prediction.probabilities
                )
            else:
                yield self._nobody(begin, stop)

    def _sound(self, window: slice) -> np.ndarray:
        """Which frames of a window are neither silent nor far below its loudest, bool `(n,)`."""
        kept = self._kept[window]
        if self._gate is None or not len(kept):
            return kept
        levels = self._frames[window] @ self._gate.to_level
        return kept & dilated(levels > levels.max() - RANGE_DB, self._gate.margin)

    def _judge(self, frames: np.ndarray) -> Prediction | None:
        """What the window of these frames sounds like; None if nobody speaks in it."""
        start, end = self._window_of(self._step)
        per_second = self._network.sample_rate / self._levels.block
        blocks = slice(
            max(0, math.floor(start * per_second) - self._first_block),
            max(0, math.floor(end * per_second) - self._first_block),
        )
        loudest = to_dbfs(float(self._powers[blocks].max(initial=0.0)))
        running = RunningPrediction(self._network, self._bias)
        running.push(frames)
        running.advance(last=True)
        prediction = running.prediction(self._threshold, loudest)
        assert prediction is not None  # the window holds frames
        if prediction.label == NO_SPEECH:
            self._label = ""
            return None
        if self._label in prediction.probabilities and prediction.label != UNCERTAIN:
            before = prediction.probabilities[self._label]
            if before > prediction.confidence - HYSTERESIS and before >= self._threshold:
                return replace(prediction, label=self._label, confidence=before)
        self._label = prediction.label
        return prediction

    def _nobody(self, start: float, end: float) -> Segment:
        return Segment(start, end, NO_SPEECH, 1 / len(self._uniform), self._uniform)

    def _between(self, start: float, end: float) -> slice:
        """The held frames from `start` to `end`."""
        first, last = (
            max(0, math.ceil(round(t / self._period, 6)) - self._first) for t in (start, end)
        )
        return slice(first, min(last, len(self._frames)))

    def _let_go(self) -> None:
        """Drop what no window to come touches."""
        start = max(0.0, self._window_of(self._step)[0])
        drop = self._between(start, start).start
        self._frames, self._kept = self._frames[drop:], self._kept[drop:]
        self._first += drop
        blocks = math.floor(start * self._network.sample_rate / self._levels.block)
        blocks = max(0, blocks - self._first_block)
        self._powers = self._powers[blocks:]
        self._first_block += blocks


def check_window(window: float, hop: float) -> None:
    """ConfigError for a window or a hop that cannot be used."""
    if not MIN_WINDOW <= window <= MAX_WINDOW:
        raise ConfigError(
            f"window={window!r} must be from {MIN_WINDOW:g} to {MAX_WINDOW:g} seconds"
        )
    if not 0.05 <= hop <= window:
        raise ConfigError(f"hop={hop!r} must be from 0.05 to the window's {window:g} seconds")
