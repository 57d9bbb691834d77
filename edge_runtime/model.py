"""A model on onnxruntime: audio in, an emotion and its probability out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .audio import AudioFile, in_pieces, read_audio, resample
from .card import METADATA_KEY, ModelCard
from .errors import AudioError, ConfigError, ModelError, reason
from .level import Loudness
from .long_sums import LongSums
from .mfcc import Mfcc
from .prediction import NO_SPEECH, UNCERTAIN, Prediction
from .silence import SilenceGate

if TYPE_CHECKING:
    from .emotion_stream import EmotionStream
    from .profile import SpeakerProfile
    from .segments import Segment

BUNDLED_MODEL = Path(__file__).with_name("models") / "edge_ser.onnx"

# Numbers in the state of a stream; more than this is a damaged file, not a network for devices.
LARGEST_STATE = 1 << 20

FILE_HAS_RATE = "sample_rate is for arrays of samples; a file holds its own"

OUTPUTS = ("logits", "probabilities", "speech", "new_state")

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

    def __init__(self, session: Any, card: ModelCard, path: Path) -> None:
        self.card = card
        self.path = path
        self._session = session
        self.mfcc = Mfcc(card.mfcc)
        self._silent_state = np.zeros(self.inputs()["state"][1], np.float32)
        np.empty(KEPT_BYTES, np.uint8)  # freed at once, and no page of it is ever there

    @classmethod
    def load(
        cls, path: str | os.PathLike[str] | None = None, *, threads: int = 1
    ) -> EmotionModel:
        """The model in `path`, or the bundled one.

        `threads`: how many onnxruntime may use for one clip; a network this small is fastest
        with one. Raises ModelError if the file is missing, damaged, or not made by edge-ser.
        """
        if threads < 1:
            raise ConfigError(f"threads={threads!r} must be 1 or more")
        path = Path(path) if path is not None else BUNDLED_MODEL
        session = _session(path, threads)
        text = _metadata(session, path).get(METADATA_KEY)
        if text is None:
            raise ModelError(
                f"{path}: has no {METADATA_KEY!r} metadata: it is not a model that edge-ser "
                "exported; make one with `python -m export onnx`"
            )
        card = ModelCard.from_json(text, str(path))
        _check_graph(session, card, path)
        try:
            return cls(session, card, path)
        except ConfigError as error:
            raise ModelError(f"{path}: the front end of its model card: {error}") from error

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
    ) -> Prediction:
        """The emotion of one clip.

        Args:
            audio: a file, or mono float samples `(n_samples,)` within [-1, 1].
            sample_rate: the rate of the samples in Hz (None: the model's); not for a file.
            threshold: confidence, 0 to 1, below which the label is "uncertain" (None: what the
                model stores).
            profile: of the speaker, if it is known who speaks.
        Raises AudioError if there is nothing to classify, ConfigError for a wrong argument.
        """
        threshold = self.check_threshold(threshold)
        samples = self._samples(audio, sample_rate)
        try:
            frames = self._audible(self.mfcc(samples))
            heard = LongSums(self).run(frames if profile is None else frames + profile.shift(self))
        except AudioError as error:
            where = "" if isinstance(audio, np.ndarray) else f"{audio}: "
            raise AudioError(f"{where}{error}") from error
        loudness = Loudness(self.sample_rate)
        loudness.push(samples)
        return self.judge(heard, loudness.dbfs(), threshold)

    def stream(
        self, sample_rate: float | None = None, *, threshold: float | None = None,
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
        from .emotion_stream import EmotionStream

        return EmotionStream(self, sample_rate, threshold, profile)

    def timeline(
        self, audio: str | os.PathLike[str] | np.ndarray, sample_rate: float | None = None, *,
        window: float = 3.0, hop: float = 1.0, threshold: float | None = None,
        profile: SpeakerProfile | None = None,
    ) -> Iterator[Segment]:
        """A long recording as segments, each as soon as it has ended; see `TimelineStream`.

        A file is read piece by piece, so that its length costs no memory.

        >>> for segment in EmotionModel.load().timeline("samples/sad/speaker01-1.wav"):
        ...     assert segment.end > segment.start
        """
        from .timeline import TimelineStream

        pieces: Iterable[np.ndarray]
        if isinstance(audio, np.ndarray):
            audio = self.mfcc.check(audio)
            pieces = in_pieces(audio)
        else:
            pieces = file = AudioFile(audio)
            if sample_rate is not None:
                raise ConfigError(FILE_HAS_RATE)
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

    def judge(self, heard: Heard, dbfs: float, threshold: float) -> Prediction:
        """The answer to what was heard, `dbfs` loud at its loudest."""
        best = int(heard.probabilities.argmax())
        label = self.labels[best]
        card = self.card
        if dbfs < card.speech_above_dbfs or heard.speech < card.speech_above:
            label = NO_SPEECH
        elif heard.probabilities[best] < threshold:
            label = UNCERTAIN
        probabilities = map(float, heard.probabilities)
        return Prediction(
            label, float(heard.probabilities[best]), dict(zip(self.labels, probabilities))
        )

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
            logits, probabilities, speech, state = self._session.run(
                list(OUTPUTS), {"mfcc": mfcc[np.newaxis], "state": state[np.newaxis]}
            )
        except Exception as error:  # onnxruntime's own exceptions share no public base class
            raise ModelError(f"{self.path}: cannot be run: {_one_line(error)}") from error
        if not np.isfinite(probabilities).all():
            raise ModelError(f"{self.path}: gives probabilities that are no numbers")
        return Heard(logits[0], probabilities[0], float(speech[0, 0]), state[0])

    def frames(self, audio: str | os.PathLike[str] | np.ndarray) -> np.ndarray:
        """What the network would hear of a file or of samples at the model's rate: the MFCC of the
        frames that are not silent, float32 `(n_frames, n_mfcc)`, one at least."""
        return self._audible(self.mfcc(self._samples(audio, None)))

    def gate(self) -> SilenceGate | None:
        """A new gate that drops the frames of silence, if the model wants them dropped."""
        card = self.card
        return None if card.silence is None else SilenceGate(card.silence, card.mfcc)

    def _audible(self, frames: np.ndarray) -> np.ndarray:
        """The frames that the network hears; of a clip of nothing but silence its first."""
        gate = self.gate()
        if gate is None:
            return frames
        kept = gate.whole(frames)
        return kept if len(kept) else frames[:1]

    def _samples(
        self, audio: str | os.PathLike[str] | np.ndarray, rate: float | None
    ) -> np.ndarray:
        if not isinstance(audio, np.ndarray):
            if rate is not None:
                raise ConfigError(FILE_HAS_RATE)
            return read_audio(audio, self.sample_rate)
        samples = self.mfcc.check(audio)
        return samples if rate is None else resample(samples, rate, self.sample_rate)


def _session(path: Path, threads: int) -> Any:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{path}: no such model file") from None
    except IsADirectoryError:
        raise ModelError(f"{path}: is a directory; wanted an .onnx file") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read: {reason(error)}") from error
    try:
        import onnxruntime
    except ImportError as error:
        from .supported import why_no_onnxruntime

        raise ModelError(f"{path}: cannot be run: {why_no_onnxruntime(error)}") from error

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_mem_pattern = False  # keeps 2 KB for every length of clip that there ever was
    options.log_severity_level = 4  # what goes wrong comes back as an exception
    try:
        # From bytes, not by path: a graph then cannot name other files to be read.
        return onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"], enable_fallback=False
        )
    except Exception as error:  # onnxruntime's own exceptions share no public base class
        raise ModelError(f"{path}: onnxruntime cannot load it: {_one_line(error)}") from error


def _metadata(session: Any, path: Path) -> dict[str, str]:
    try:
        return session.get_modelmeta().custom_metadata_map
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: is damaged: its metadata are no text ({error})") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _check_graph(session: Any, card: ModelCard, path: Path) -> None:
    """The inputs and outputs that `run` relies on."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    found = {value.name: value for value in [*inputs, *outputs]}
    size = found["state"].shape[-1] if "state" in found and found["state"].shape else None
    n_labels = len(card.labels)
    wanted = {"mfcc": card.mfcc.n_mfcc, "state": size, "new_state": size, "logits": n_labels,
              "probabilities": n_labels, "speech": 1}
    for name, width in wanted.items():
        if name not in found:
            raise ModelError(f"{path}: has no {name!r}; it has {', '.join(found)}")
        shape, kind = found[name].shape, found[name].type
        if not shape or shape[-1] != width:
            raise ModelError(
                f"{path}: {name} has shape {shape}; its model card says {width} last"
            )
        if kind != "tensor(float)":
            raise ModelError(f"{path}: {name} is a {kind}; wanted tensor(float)")
    shapes = {value.name: value.shape for value in inputs}
    if set(shapes) != {"mfcc", "state"} or [len(shapes[n]) for n in ("mfcc", "state")] != [3, 2]:
        raise ModelError(
            f"{path}: takes {', '.join(f'{n} {shape}' for n, shape in shapes.items())}; "
            "wanted mfcc (batch, time, n_mfcc) and state (batch, state_size) alone"
        )
    if not isinstance(size, int) or not 0 < size <= LARGEST_STATE:
        raise ModelError(f"{path}: its state holds {size} numbers; wanted 1 to {LARGEST_STATE}")
    if isinstance(shapes["mfcc"][1], int):
        raise ModelError(
            f"{path}: takes clips of {shapes['mfcc'][1]} frames only; wanted any number"
        )
