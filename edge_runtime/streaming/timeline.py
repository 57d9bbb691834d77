"""Timelines of long recordings: stretches of speech, divided by emotion, and the pauses.

A detector gives the probability of speech of every frame; stretches of speech and pauses follow
from them (`endpoints`). The emotions of a stretch are those of its own frames alone (`stretch`).
Memory does not grow with the recording.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np

from ..errors import AudioError, ConfigError
from ..inference.network import HasNetwork, Network, network_of
from ..inference.prediction import NO_SPEECH, UNCERTAIN
from ..inference.profile import SpeakerProfile
from ..messages import brief_repr
from ..validation import check_number, is_number
from .endpoints import BREAK, START, EndpointConfig, EndpointDetector
from .front_end import StreamFrontEnd
from .running_prediction import RunningPrediction
from .segments import Segment, SegmentMerger
from .smoothing import EmotionSmoother
from .speech_detectors import MODEL_VAD, check_vad, new_detector
from .stretch import MIN_PHRASE_SECONDS, Cell, Stretch, StretchConfig

# Seconds. Shorter windows hold too little speech; longer ones are held in memory as a whole.
MIN_WINDOW, MAX_WINDOW = 0.5, 60
MIN_HOP = 0.05  # seconds


class TimelineStream:
    """Segments of a recording that arrives in chunks.

    The segments follow each other without gaps from 0 to the end of the recording, and do not
    depend on the sizes of the chunks. `EmotionModel.timeline` uses one for files and arrays.

    Args:
        model: The model.
        sample_rate: Rate of the chunks in Hz. Default: the model's.
        window: Seconds per classification in long stretches of speech, 0.5 to 60. A stretch of up
            to one and a half windows is classified as a whole.
        hop: Seconds from one window to the next, 0.05 to `window`.
        min_segment: Seconds of the shortest emotion within a stretch of speech, 0 to 60. Shorter
            ones join the one before.
        min_pause: Seconds of the shortest pause, 0.1 to 60. Shorter ones belong to the speech.
        threshold: Confidence in [0, 1] below which a step is "uncertain". Default: the value
            stored in the model.
        speech_threshold: Probability from which a frame is speech, in [0, 1]. Default: 0.35, or
            0.5 for Silero VAD.
        profile: Profile of the speaker, if known.
        vad: Detector of speech, "model" or "silero" (extra `vad`).
        on_step: Called with every step before steps are merged into segments: a pause, or a part of
            a stretch of speech.

    Attributes:
        sample_rate: Rate of the chunks in Hz.

    Raises:
        ConfigError: If an argument is out of range, or `profile` belongs to another model.
        EdgeSerError: If the package of `vad` is missing.

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
        min_segment: float = 1.0,
        min_pause: float = 0.5,
        threshold: float | None = None,
        speech_threshold: float | None = None,
        profile: SpeakerProfile | None = None,
        vad: str = MODEL_VAD,
        on_step: Callable[[Segment], None] | None = None,
    ) -> None:
        check_window(window, hop)
        check_segmentation(min_segment, min_pause)
        self._endpoint_config = EndpointConfig(min_pause)
        self._min_segment = min_segment
        self._vad, self._speech_threshold = check_vad(vad), speech_threshold
        self._on_step = on_step
        self._network = network = network_of(model)
        self._threshold = network.check_threshold(threshold)
        self._voice = None if profile is None else profile.voice_for(network)
        self._front_end = StreamFrontEnd(network, sample_rate)
        self.sample_rate = self._front_end.sample_rate
        self._period = network.card.mfcc_config.frame_period
        window_frames = max(1, round(window / self._period))
        self._config = StretchConfig(
            window_frames,
            min(window_frames, max(1, round(hop / self._period))),
            round(MIN_PHRASE_SECONDS / self._period),
        )
        self._uniform = {label: 1 / len(network.labels) for label in network.labels}
        self.reset()

    def reset(self) -> None:
        """Discard all state: the next push starts a new recording."""
        network = self._network
        self._front_end.reset()
        self._detector = new_detector(network, self._vad, self._speech_threshold)
        self._endpoints = EndpointDetector(
            self._endpoint_config, self._detector.above, self._period
        )
        self._rows = np.empty((0, network.front_end.width), np.float32)
        self._first_frame = 0  # index of the first held row
        self._stretch: Stretch | None = None
        self._n_samples = 0  # at the model's rate
        self._time = 0.0  # end of the last step in seconds
        self._merger = SegmentMerger(self._min_segment)

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
        segments = self._advance(*self._front_end.flush(), last=True)
        if self._n_samples:
            segments += self._add_pause(self.seconds)
        segments += self._merger.flush()
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
        self._rows = np.concatenate([self._rows, rows])
        segments: list[Segment] = []
        endpoints = self._endpoints.push(self._detector.push(rows, samples, last))
        if last:
            endpoints += self._endpoints.flush()
        for kind, frame in endpoints:
            if kind == START:
                segments += self._add_pause(frame * self._period)
                self._stretch = self._new_stretch(frame)
                continue
            assert self._stretch is not None
            if kind == BREAK:
                segments += self._add_cells(self._stretch.divide(frame))
            else:
                segments += self._add_cells(self._stretch.finish(frame))
                self._stretch = None
        needed = self._endpoints.settled
        if self._stretch is not None:
            segments += self._add_cells(self._stretch.advance(needed))
            needed = self._stretch.first_needed
        self._rows = self._rows[needed - self._first_frame :].copy()
        self._first_frame = needed
        return segments

    def _new_stretch(self, start: int) -> Stretch:
        smoother: EmotionSmoother[Cell] = EmotionSmoother(
            len(self._network.labels), self._config.hop * self._period
        )
        return Stretch(start, self._config, smoother, self._classify)

    def _classify(self, window: Cell) -> np.ndarray:
        """Return the probability of each emotion in a window, `(n_labels,)`."""
        rows = self._rows[window.start - self._first_frame : window.end - self._first_frame]
        # The frames of a window are speech already.
        running = RunningPrediction(self._network, self._voice, with_speech=False)
        running.push(rows)
        running.advance(last=True)
        prediction = running.prediction(threshold=0.0, peak_dbfs=0.0)
        assert prediction is not None  # a window has frames
        return np.array(list(prediction.probabilities.values()))

    def _add_pause(self, end: float) -> list[Segment]:
        """Add a pause from the last step to `end` in seconds."""
        confidence = 1 / len(self._uniform)
        return self._add(Segment(self._time, end, NO_SPEECH, confidence, self._uniform))

    def _add_cells(self, cells: Iterator[tuple[Cell, np.ndarray]]) -> list[Segment]:
        """Add cells of speech."""
        segments: list[Segment] = []
        for cell, posterior in cells:
            best = int(posterior.argmax())
            confidence = float(posterior[best])
            label = self._network.labels[best] if confidence >= self._threshold else UNCERTAIN
            probabilities = dict(zip(self._network.labels, map(float, posterior)))
            arousal = None
            if self._network.card.arousal is not None:
                arousal = self._network.card.arousal.probability(posterior, self._network.labels)
            # The last frame is centred on the last sample or before it.
            end = min(cell.end * self._period, self.seconds)
            segments += self._add(
                Segment(self._time, end, label, confidence, probabilities, arousal)
            )
        return segments

    def _add(self, step: Segment) -> list[Segment]:
        if step.end <= step.start:
            return []
        if self._on_step is not None:
            self._on_step(step)
        self._time = step.end
        return self._merger.add(step)


def check_window(window: float, hop: float) -> None:
    """Raise ConfigError for a window or hop, in seconds, that is out of range."""
    check_number("window", window, MIN_WINDOW, MAX_WINDOW, unit="seconds")
    if not is_number(hop, MIN_HOP, window):
        raise ConfigError(
            f"hop={brief_repr(hop)} must be from {MIN_HOP} seconds to the window of {window:g} "
            "seconds"
        )


def check_segmentation(min_segment: float, min_pause: float) -> None:
    """Raise ConfigError for a shortest segment or pause, in seconds, that is out of range."""
    check_number("min_segment", min_segment, 0, 60, unit="seconds")
    EndpointConfig(min_pause)
