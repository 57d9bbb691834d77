"""Timelines of long recordings: segments of one label, with pauses located to the frame.

The recording is divided into steps of one hop. The label of a step is that of a window centred on
it. Silence is detected frame by frame; pauses that are long enough end a segment. Memory does not
grow with the recording.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import numpy as np

from ..audio.level import BlockPowers, to_dbfs
from ..errors import AudioError, ConfigError
from ..features.silence import dilate
from ..inference.network import HasNetwork, Network, network_of
from ..inference.prediction import NO_SPEECH, UNCERTAIN, Prediction
from ..inference.profile import SpeakerProfile
from ..messages import brief_repr
from ..validation import check_number, is_number
from .front_end import StreamFrontEnd
from .running_prediction import RunningPrediction
from .segments import Segment, SegmentMerger

# Seconds of sound that a window must contain to be classified.
MIN_SOUND = 0.3
# Frames this far below the loudest of a window are background noise, such as a fan or traffic.
RANGE_DB = 30.0
# A new emotion must be this much more probable than the previous one to start a segment.
HYSTERESIS = 0.1

# Seconds. Shorter windows never contain enough sound; longer ones are held in memory as a whole.
MIN_WINDOW, MAX_WINDOW = 0.5, 60
MIN_HOP = 0.05  # seconds


class TimelineStream:
    """Segments of a recording that arrives in chunks.

    The segments follow each other without gaps from 0 to the end of the recording, and do not
    depend on the sizes of the chunks. `EmotionModel.timeline` uses one for files and arrays.

    Args:
        model: The model.
        sample_rate: Rate of the chunks in Hz. Default: the model's.
        window: Seconds per classification, 0.5 to 60.
        hop: Seconds from one window to the next, 0.05 to `window`.
        threshold: Confidence in [0, 1] below which a step is "uncertain". Default: the value
            stored in the model.
        profile: Profile of the speaker, if known.
        on_step: Called with every step before steps are merged into segments. Steps are divided
            where sound starts or ends.

    Attributes:
        sample_rate: Rate of the chunks in Hz.

    Raises:
        ConfigError: If an argument is out of range, or `profile` belongs to another model.

    Example:
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
        on_step: Callable[[Segment], None] | None = None,
    ) -> None:
        check_window(window, hop)
        self._on_step = on_step
        self._network = network = network_of(model)
        self._window, self._hop = window, hop
        self._threshold = network.check_threshold(threshold)
        self._voice = None if profile is None else profile.voice_for(network)
        self._front_end = StreamFrontEnd(network, sample_rate)
        self.sample_rate = self._front_end.sample_rate
        self._period = network.card.mfcc_config.frame_period
        self._n_mfcc = network.front_end.n_mfcc
        self._uniform = {label: 1 / len(network.labels) for label in network.labels}
        self.reset()

    def reset(self) -> None:
        """Discard all state: the next push starts a new recording."""
        network = self._network
        self._front_end.reset()
        # The gate compares frames with the loudest frame of the recording, but passes their levels
        # on unchanged: within a window, levels are relative to the loudest of that window, so that
        # distant speakers are not treated as silence.
        self._gate = network.new_silence_gate(relative=False)
        self._block_powers = BlockPowers(network.sample_rate)
        # Blocks and frames are kept as long as a window may still need them.
        self._powers = np.empty(0)
        self._first_block = 0  # index of the first held block
        self._undecided = np.empty((0, network.front_end.width), np.float32)  # rows, by the gate
        self._rows = np.empty((0, network.front_end.width), np.float32)
        self._kept = np.empty(0, bool)  # for each held frame, whether the gate keeps it
        self._first_frame = 0  # index of the first held frame
        self._n_samples = 0  # at the model's rate
        self._step = 0  # index of the next step
        self._label = ""  # of the previous step; empty if it had no speech
        self._merger = SegmentMerger()

    @property
    def seconds(self) -> float:
        """Seconds of audio pushed since the recording started."""
        return self._n_samples / self._network.sample_rate

    def push(self, samples: np.ndarray) -> list[Segment]:
        """Add a chunk and return the segments that it completes.

        Args:
            samples: Mono float samples `(n_samples,)` in [-1, 1]; may be empty.

        Returns:
            The segments that can no longer change, in order; often none.

        Raises:
            AudioError: If the samples cannot be used; the stream is then unchanged.
        """
        samples, rows = self._front_end.push(self._front_end.check(samples))
        return self._advance(samples, rows, last=False)

    def flush(self) -> list[Segment]:
        """Return the remaining segments; a new recording starts."""
        steps = self._advance(*self._front_end.flush(), last=True)
        segments = [*steps, *self._merger.flush()]
        self.reset()
        return segments

    def segments(self, chunks: Iterable[np.ndarray]) -> Iterator[Segment]:
        """Yield the segments of a whole recording, each as soon as it is complete.

        Args:
            chunks: The samples, as for `push`.

        Raises:
            AudioError: If the samples cannot be used, or if `chunks` raises it. The segments of the
                audio before the error come first.
        """
        failure = None
        try:
            for samples in chunks:
                yield from self.push(samples)
        except AudioError as error:
            failure = error
        yield from self.flush()
        if failure is not None:
            raise failure

    def _advance(self, samples: np.ndarray, rows: np.ndarray, last: bool) -> list[Segment]:
        self._n_samples += len(samples)
        self._powers = np.concatenate([self._powers, self._block_powers.push(samples)])
        if last:
            self._powers = np.concatenate([self._powers, self._block_powers.rest()])
        kept = np.ones(len(rows), bool)
        if self._gate is not None:
            kept = self._gate.decide(rows[:, : self._n_mfcc], last)[1]
            undecided = np.concatenate([self._undecided, rows])
            rows, self._undecided = undecided[: len(kept)], undecided[len(kept) :]
        self._rows = np.concatenate([self._rows, rows])
        self._kept = np.concatenate([self._kept, kept])
        segments: list[Segment] = []
        while self._is_ready(last):
            for part in self._classify_step():
                if self._on_step is not None:
                    self._on_step(part)
                segments += self._merger.add(part)
            self._step += 1
            self._discard()
        return segments

    def _window_of(self, step: int) -> tuple[float, float]:
        """Return start and end of the window of a step in seconds."""
        middle = (step + 0.5) * self._hop
        return middle - self._window / 2, middle + self._window / 2

    def _is_ready(self, last: bool) -> bool:
        """Return True if all audio of the next step's window has arrived."""
        if last:
            return self._step * self._hop < self.seconds
        n_frames = self._first_frame + len(self._rows)
        return self._window_of(self._step)[1] <= n_frames * self._period

    def _classify_step(self) -> Iterator[Segment]:
        """Yield the parts of the next step, divided where sound starts or ends."""
        window = self._frames_between(*self._window_of(self._step))
        is_sound = self._detect_sound(window)
        enough = int(is_sound.sum()) * self._period >= MIN_SOUND
        prediction = self._classify_window(self._rows[window]) if enough else None
        start, end = self._step * self._hop, min((self._step + 1) * self._hop, self.seconds)
        frames = self._frames_between(start, end)
        is_sound = is_sound[frames.start - window.start : frames.stop - window.start]
        changes = np.flatnonzero(np.diff(is_sound)) + 1
        change_times = ((self._first_frame + frames.start + changes) * self._period).tolist()
        times = [start, *change_times, end]
        part_is_sound = [*is_sound[:1].tolist(), *is_sound[changes].tolist()] or [False]
        for begin, stop, sound in zip(times, times[1:], part_is_sound):
            if sound and prediction is not None:
                yield Segment(
                    begin,
                    stop,
                    prediction.label,
                    prediction.confidence,
                    prediction.probabilities,
                    prediction.arousal,
                )
            else:
                confidence = 1 / len(self._uniform)
                yield Segment(begin, stop, NO_SPEECH, confidence, self._uniform)

    def _detect_sound(self, window: slice) -> np.ndarray:
        """Return which frames are neither silent nor far below the loudest, bool `(n_frames,)`."""
        kept = self._kept[window]
        if self._gate is None or not len(kept):
            return kept
        levels = self._rows[window, : self._n_mfcc] @ self._gate.to_level
        is_sound: np.ndarray = kept & dilate(levels > levels.max() - RANGE_DB, self._gate.margin)
        return is_sound

    def _classify_window(self, rows: np.ndarray) -> Prediction | None:
        """Return the prediction for the rows of the step's window; None without speech."""
        start, end = self._window_of(self._step)
        blocks_per_second = self._network.sample_rate / self._block_powers.block
        blocks = slice(
            max(0, math.floor(start * blocks_per_second) - self._first_block),
            max(0, math.floor(end * blocks_per_second) - self._first_block),
        )
        peak_dbfs = to_dbfs(float(self._powers[blocks].max(initial=0.0)))
        running = RunningPrediction(self._network, self._voice)
        running.push(rows)
        running.advance(last=True)
        prediction = running.prediction(self._threshold, peak_dbfs)
        assert prediction is not None  # a window that is classified has frames
        if prediction.label == NO_SPEECH:
            self._label = ""
            return None
        if self._label in prediction.probabilities and prediction.label != UNCERTAIN:
            previous = prediction.probabilities[self._label]
            if previous > prediction.confidence - HYSTERESIS and previous >= self._threshold:
                return replace(prediction, label=self._label, confidence=previous)
        self._label = prediction.label
        return prediction

    def _frames_between(self, start: float, end: float) -> slice:
        """Return the held frames from `start` to `end` in seconds, as indices of `_rows`."""
        first, stop = (
            max(0, math.ceil(round(time / self._period, 6)) - self._first_frame)
            for time in (start, end)
        )
        return slice(first, min(stop, len(self._rows)))

    def _discard(self) -> None:
        """Discard the frames and blocks before the next window."""
        start = max(0.0, self._window_of(self._step)[0])
        n_frames = self._frames_between(start, start).start
        self._rows, self._kept = self._rows[n_frames:], self._kept[n_frames:]
        self._first_frame += n_frames
        first_block = math.floor(start * self._network.sample_rate / self._block_powers.block)
        n_blocks = max(0, first_block - self._first_block)
        self._powers = self._powers[n_blocks:]
        self._first_block += n_blocks


def check_window(window: float, hop: float) -> None:
    """Raise ConfigError for a window or hop, in seconds, that is out of range."""
    check_number("window", window, MIN_WINDOW, MAX_WINDOW, unit="seconds")
    if not is_number(hop, MIN_HOP, window):
        raise ConfigError(
            f"hop={brief_repr(hop)} must be from {MIN_HOP} seconds to the window of {window:g} "
            "seconds"
        )
