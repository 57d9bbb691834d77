"""A model on onnxruntime: audio in, an emotion and its probability out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .audio.decode import AudioFile
from .audio.level import Loudness
from .audio.limits import TIMELINE_LIMITS, AudioLimits
from .audio.read import in_pieces, read_audio
from .audio.resample import resample
from .errors import AudioError, ConfigError, ModelError
from .features.mfcc import Mfcc
from .features.silence import SilenceGate
from .inference.card import ModelCard
from .inference.onnx_session import OUTPUTS, open_model
from .inference.pooling import LongSums
from .inference.prediction import NO_SPEECH, UNCERTAIN, Prediction
from .messages import shorten_error

if TYPE_CHECKING:
    from .inference.profile import KnownVoice, SpeakerProfile
    from .streaming.segments import Segment
    from .streaming.stream import EmotionStream

BUNDLED_MODEL = Path(__file__).with_name("models") / "edge_ser.onnx"

FILE_HAS_RATE = "sample_rate is for arrays of samples; a file holds its own"

# float32 sums to 1 within 1e-6; a graph whose probabilities are none is far from it.
SUM_TOLERANCE = 1e-3

# glibc keeps freed memory for the next clip once a block as large as this was freed, up to twice
# its size; else it returns and asks for the same pages clip by clip, a third of the whole time.
# https://man7.org/linux/man-pages/man3/mallopt.3.html (M_TRIM_THRESHOLD, dynamic adjustment)
KEPT_BYTES = 4 << 20


class Heard(NamedTuple):
    """What the network makes of the frames so far."""

    logits: np.ndarray  # float32 (n_labels,)
    probabilities: np.ndarray  # float32 (n_labels,), sum 1
    speech: float  # probability, 0 to 1, that somebody speaks
    state: np.ndarray  # float32 (state_size,), to go on from


class EmotionModel:
    """One .onnx file that holds the network and, as metadata, all that it takes to use it.

    One model may be used by several threads at once, and answers as it does to one. What it makes
    of audio in pieces (`stream`, `timeline`) is for one thread at a time, each for another.

    >>> model = EmotionModel.load()
    >>> model.labels
    ('angry', 'happy', 'neutral', 'sad')
    """

    def __init__(self, session: Any, card: ModelCard, path: Path, fingerprint: str) -> None:
        self.card = card
        self.path = path
        self.fingerprint = fingerprint  # of the file: what tells it from other models
        self._session = session
        self.mfcc = Mfcc(card.mfcc)
        self._silent_state = np.zeros(self.inputs()["state"][1], np.float32)
        np.empty(KEPT_BYTES, np.uint8)  # freed at once, and no page of it is ever there

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None = None, *, threads: int = 1) -> EmotionModel:
        """The model in `path`, or the bundled one.

        `threads`: how many onnxruntime may use for one clip; a network this small is fastest
        with one. Raises ModelError if the file is missing, damaged, or not made by edge-ser.
        """
        if threads < 1:
            raise ConfigError(f"threads={threads!r} must be 1 or more")
        path = Path(path) if path is not None else BUNDLED_MODEL
        session, card, fingerprint = open_model(path, threads)
        try:
            model = cls(session, card, path, fingerprint)
        except ConfigError as error:
            raise ModelError(f"{path}: the front end of its model card: {error}") from error
        # Weights that are no numbers and graphs that do not run are found here, not at a clip.
        model.run(np.zeros((card.frames_per_step, card.mfcc.n_mfcc), np.float32))
        return model

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy for another process is loaded from the same file."""
        return EmotionModel.load, (self.path,)

    def __repr__(self) -> str:
        def shapes(values: dict[str, list[Any]]) -> str:
            return ", ".join(f"{n} ({', '.join(map(str, shape))})" for n, shape in values.items())

        return (
            f"EmotionModel({str(self.path)!r}, labels={', '.join(self.labels)}, "
            f"inputs: {shapes(self.inputs())}, outputs: {shapes(self.outputs())})"
        )

    def inputs(self) -> dict[str, list[Any]]:
        """The inputs of the graph by name, with their shapes; names stand for any size."""
        return {value.name: list(value.shape) for value in self._session.get_inputs()}

    def outputs(self) -> dict[str, list[Any]]:
        """The same of its outputs."""
        return {value.name: list(value.shape) for value in self._session.get_outputs()}

    @property
    def labels(self) -> tuple[str, ...]:
        """The emotions that the model tells apart, in the order of its outputs."""
        return self.card.labels

    @property
    def sample_rate(self) -> int:
        """The rate in Hz that audio is resampled to."""
        return self.card.mfcc.sample_rate

    def classify(
        self,
        audio: str | os.PathLike[str] | np.ndarray,
        sample_rate: float | None = None,
        *,
        threshold: float | None = None,
        profile: SpeakerProfile | None = None,
        limits: AudioLimits | None = None,
        channel: int | None = None,
    ) -> Prediction:
        """The emotion of one clip.

        Args:
            audio: a file, or mono float samples `(n_samples,)` within [-1, 1].
            sample_rate: the rate of the samples in Hz (None: the model's); not for a file.
            threshold: confidence, 0 to 1, below which the label is "uncertain" (None: what the
                model stores).
            profile: of the speaker, if it is known who speaks.
            limits: how long and how large a file may be (None: the defaults of `AudioLimits`).
            channel: of a file, counted from 1, such as one side of a call (None: their mean).
        Raises AudioError if there is nothing to classify, ConfigError for a wrong argument.
        """
        threshold = self.check_threshold(threshold)
        voice = None if profile is None else profile.voice(self)
        samples = self._samples(audio, sample_rate, limits, channel)
        try:
            frames = self.audible(self.mfcc(samples))
            heard = LongSums(self).run(frames)
        except AudioError as error:
            where = "" if isinstance(audio, np.ndarray) else f"{audio}: "
            raise AudioError(f"{where}{error}") from error
        loudness = Loudness(self.sample_rate)
        loudness.push(samples)
        return self.judge(heard, loudness.dbfs(), threshold, voice)

    def stream(
        self,
        sample_rate: float | None = None,
        *,
        threshold: float | None = None,
        profile: SpeakerProfile | None = None,
    ) -> EmotionStream:
        """For audio that arrives in pieces, at `sample_rate` Hz (None: the model's).

        Each stream has a state of its own, so that one model serves many.

        >>> stream = EmotionModel.load().stream(sample_rate=48_000)
        >>> stream.push(np.zeros(48_000, np.float32))  # nothing to be heard yet
        []
        >>> stream.flush()[-1].prediction.label
        'no speech'
        """
        from .streaming.stream import EmotionStream

        return EmotionStream(self, sample_rate, threshold, profile)

    def timeline(
        self,
        audio: str | os.PathLike[str] | np.ndarray,
        sample_rate: float | None = None,
        *,
        window: float = 3.0,
        hop: float = 1.0,
        threshold: float | None = None,
        profile: SpeakerProfile | None = None,
        limits: AudioLimits = TIMELINE_LIMITS,
        channel: int | None = None,
    ) -> Iterator[Segment]:
        """A long recording as segments, each as soon as it has ended; see `TimelineStream`.

        `channel` is that of `classify`. A file is read piece by piece, so that its length costs no
        memory. If it cannot be read to
        its end, AudioError follows the segments of what was heard.

        >>> for segment in EmotionModel.load().timeline("samples/sad/speaker01-1.wav"):
        ...     assert segment.end > segment.start
        """
        from .streaming.timeline import TimelineStream

        pieces: Iterable[np.ndarray]
        if isinstance(audio, np.ndarray):
            _no_channel(channel)
            audio = self.mfcc.check(audio)
            pieces = in_pieces(audio)
        else:
            if sample_rate is not None:
                raise ConfigError(FILE_HAS_RATE)
            pieces = file = AudioFile(audio, limits=limits, channel=channel)
            sample_rate = file.sample_rate
        stream = TimelineStream(
            self, sample_rate, window=window, hop=hop, threshold=threshold, profile=profile
        )
        return stream.all(pieces)

    def check_threshold(self, threshold: float | None) -> float:
        """`threshold`, or the model's own for None; ConfigError if it is no probability."""
        threshold = self.card.uncertain_below if threshold is None else threshold
        if not 0 <= threshold <= 1:
            raise ConfigError(f"threshold={threshold!r} must be between 0 and 1")
        return threshold

    def judge(
        self, heard: Heard, dbfs: float, threshold: float, voice: KnownVoice | None = None
    ) -> Prediction:
        """The answer to what was heard, `dbfs` loud at its loudest, said by a `voice` that is
        known (see `SpeakerProfile.voice`) or by anybody."""
        shares = heard.probabilities
        if voice is not None:
            logits = voice.read(heard.logits) / self.card.temperature
            shares = np.exp(logits - logits.max())
            shares /= shares.sum()
        best = int(shares.argmax())
        label = self.labels[best]
        card = self.card
        if dbfs < card.speech_above_dbfs or heard.speech < card.speech_above:
            label = NO_SPEECH
        elif shares[best] < threshold:
            label = UNCERTAIN
        return Prediction(label, float(shares[best]), dict(zip(self.labels, map(float, shares))))

    def run(self, mfcc: np.ndarray, state: np.ndarray | None = None) -> Heard:
        """The network alone, on the frames of a clip or on the next frames of a stream.

        Args:
            mfcc: float32 `(n_frames, n_mfcc)`, one frame at least.
            state: what `Heard.state` was after the frames before; None: these are the first.
                All frames but the last of a stream come in multiples of `frames_per_step`.
        """
        if state is None:
            state = self._silent_state
        try:
            outputs = self._session.run(
                list(OUTPUTS), {"mfcc": mfcc[np.newaxis], "state": state[np.newaxis]}
            )
        except Exception as error:  # onnxruntime's own exceptions share no public base class
            said = shorten_error(error)
            if "smaller than requested" in said:
                raise ModelError(
                    f"{self.path}: wants more memory for {len(mfcc)} frames than there is; hear "
                    "a long recording in pieces: `edge-ser classify --timeline`"
                ) from error
            raise ModelError(f"{self.path}: cannot be run: {said}") from error
        self._check(outputs)
        logits, probabilities, speech, state = outputs
        return Heard(logits[0], probabilities[0], float(speech[0, 0]), state[0])

    def _check(self, outputs: list[np.ndarray]) -> None:
        """ModelError for what is no answer: a graph need not do what it declares."""
        n_labels = len(self.labels)
        widths = (n_labels, n_labels, 1, len(self._silent_state))
        for name, width, output in zip(OUTPUTS, widths, outputs):
            if output.shape != (1, width):
                raise ModelError(
                    f"{self.path}: gives {name} of shape {output.shape}; wanted (1, {width})"
                )
            if not np.isfinite(output).all():
                raise ModelError(f"{self.path}: gives {name} that are no numbers")
        _, probabilities, speech, _ = outputs
        if probabilities.min() < 0 or abs(float(probabilities.sum()) - 1) > SUM_TOLERANCE:
            raise ModelError(f"{self.path}: gives probabilities that do not sum to 1")
        if not 0 <= speech[0, 0] <= 1:
            raise ModelError(f"{self.path}: gives {speech[0, 0]:g} as the probability of speech")

    def frames(self, audio: str | os.PathLike[str] | np.ndarray) -> np.ndarray:
        """What the network would hear of a file or of samples at the model's rate: the MFCC of the
        frames that are not silent, float32 `(n_frames, n_mfcc)`, one at least."""
        return self.audible(self.mfcc(self._samples(audio, None)))

    def gate(self, relative: bool | None = None) -> SilenceGate | None:
        """A new gate that drops the frames of silence, if the model wants them dropped; `relative`
        as in `SilenceConfig` (None: as the model wants it)."""
        silence = self.card.silence
        if silence is None:
            return None
        if relative is not None:
            silence = replace(silence, relative=relative)
        return SilenceGate(silence, self.card.mfcc)

    def audible(self, frames: np.ndarray) -> np.ndarray:
        """The frames `(n, n_mfcc)` of a clip that the network hears: those that are not silent; of
        nothing but silence the first."""
        gate = self.gate()
        return frames if gate is None else gate.whole(frames)

    def _samples(
        self,
        audio: str | os.PathLike[str] | np.ndarray,
        rate: float | None,
        limits: AudioLimits | None = None,
        channel: int | None = None,
    ) -> np.ndarray:
        if not isinstance(audio, np.ndarray):
            if rate is not None:
                raise ConfigError(FILE_HAS_RATE)
            return read_audio(audio, self.sample_rate, limits=limits, channel=channel)
        _no_channel(channel)
        samples = self.mfcc.check(audio)
        return samples if rate is None else resample(samples, rate, self.sample_rate)


def _no_channel(channel: int | None) -> None:
    """ConfigError for a channel of samples, which have none."""
    if channel is not None:
        raise ConfigError(f"channel={channel!r} is of a file; samples are mono: give those of one")
