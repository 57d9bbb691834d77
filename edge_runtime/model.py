"""The emotion model: a facade over the network of one .onnx file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .audio.level import peak_dbfs
from .errors import AudioError, ConfigError
from .inference.network import FILE_HAS_RATE, Network, check_no_channel
from .inference.prediction import Prediction
from .streaming.running_prediction import RunningPrediction

if TYPE_CHECKING:
    from .audio.limits import AudioLimits
    from .inference.card import ModelCard
    from .inference.profile import SpeakerProfile
    from .streaming.segments import Segment
    from .streaming.stream import EmotionStream

BUNDLED_MODEL = Path(__file__).with_name("models") / "edge_ser.onnx"
# Trained on corpora with licences that allow commercial use.
OPEN_MODEL = BUNDLED_MODEL.with_name("edge_ser_open.onnx")


def model_path(model: str | os.PathLike[str] | None) -> Path:
    """Return the file of a model.

    Args:
        model: A file, the name of a bundled model ("edge_ser" or "edge_ser_open"), or None for
            edge_ser. A file of that name comes first.
    """
    if model is None:
        return BUNDLED_MODEL
    path = Path(model)
    by_name = {bundled.stem: bundled for bundled in (BUNDLED_MODEL, OPEN_MODEL)}
    if str(model) in by_name and not path.exists():
        return by_name[str(model)]
    return path


class EmotionModel:
    """One .onnx file that holds a network and, as metadata, everything needed to use it.

    Threads may share a model. The objects that `stream` and `timeline` return belong
    to one thread at a time.

    Example:
        >>> model = EmotionModel.load()
        >>> model.labels
        ('angry', 'happy', 'neutral', 'sad')
    """

    def __init__(self, network: Network) -> None:
        self._network = network

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None = None, *, threads: int = 1) -> EmotionModel:
        """Load a model.

        Args:
            path: An .onnx file that edge-ser exported, or the name of a bundled model: "edge_ser"
                or "edge_ser_open". Default: edge_ser.
            threads: Threads of onnxruntime for one clip. One is the fastest for networks of this
                size.

        Returns:
            The model.

        Raises:
            ConfigError: If `threads` is not an integer of 1 or more.
            ModelError: If the file is missing, damaged, or was not exported by edge-ser.

        Example:
            >>> EmotionModel.load().sample_rate
            16000
        """
        return cls(Network.load(model_path(path), threads=threads))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the path: another process loads the same file."""
        return EmotionModel.load, (self._network.path,)

    def __repr__(self) -> str:
        def shapes(values: dict[str, list[Any]]) -> str:
            return ", ".join(f"{n} ({', '.join(map(str, shape))})" for n, shape in values.items())

        network = self._network
        return (
            f"EmotionModel({str(network.path)!r}, labels={', '.join(self.labels)}, "
            f"inputs: {shapes(network.inputs())}, outputs: {shapes(network.outputs())})"
        )

    @property
    def labels(self) -> tuple[str, ...]:
        """The emotions that the model distinguishes, in the order of its outputs."""
        return self._network.labels

    @property
    def sample_rate(self) -> int:
        """The rate in Hz to which audio is resampled."""
        return self._network.sample_rate

    @property
    def card(self) -> ModelCard:
        """The model card: labels, front end, corpora, scores and licence."""
        return self._network.card

    def classify(
        self,
        audio: str | os.PathLike[str] | np.ndarray,
        sample_rate: float | None = None,
        *,
        threshold: float | None = None,
        speech_threshold: float | None = None,
        profile: SpeakerProfile | None = None,
        limits: AudioLimits | None = None,
        channel: int | None = None,
    ) -> Prediction:
        """Classify the emotion of one clip.

        Args:
            audio: Path of an audio file, or mono float samples `(n_samples,)` in [-1, 1].
            sample_rate: Rate of `audio` in Hz, for samples only. Default: the model's rate.
            threshold: Confidence in [0, 1] below which the label is "uncertain". Default: the
                value stored in the model; 0 disables it.
            speech_threshold: Probability from which a frame is speech, in [0, 1]. Default: the
                value stored in the model.
            profile: Profile of the speaker, if known.
            limits: Maximum duration and size of a file. Default: 30 minutes and 1 GiB.
            channel: Channel of a file to use, counted from 1. Default: average all channels.

        Returns:
            The label (an emotion, "no speech" or "uncertain"), its confidence, and the
            probability of every emotion.

        Raises:
            AudioError: If the audio cannot be read, is empty or exceeds `limits`.
            ConfigError: If an argument is out of range, or `profile` belongs to another model.

        Example:
            >>> model = EmotionModel.load()
            >>> sorted(model.classify("samples/sad/1013_ITH_SAD_XX.wav").probabilities)
            ['angry', 'happy', 'neutral', 'sad']
        """
        network = self._network
        threshold = network.check_threshold(threshold)
        speech_threshold = network.check_speech_threshold(speech_threshold)
        voice = None if profile is None else profile.voice_for(network)
        running = RunningPrediction(network, voice)
        samples = network.read_samples(audio, sample_rate, limits=limits, channel=channel)
        self._run(running, samples, audio)
        prediction = running.prediction(
            threshold, peak_dbfs(samples, self.sample_rate), speech_threshold
        )
        assert prediction is not None  # a clip has one frame or more
        return prediction

    def embed(
        self,
        audio: str | os.PathLike[str] | np.ndarray,
        sample_rate: float | None = None,
        *,
        limits: AudioLimits | None = None,
        channel: int | None = None,
    ) -> np.ndarray:
        """Compute the embedding of one clip: the input of the network's last layer.

        Args:
            audio: Path of an audio file, or mono float samples `(n_samples,)` in [-1, 1].
            sample_rate: Rate of `audio` in Hz, for samples only. Default: the model's rate.
            limits: Maximum duration and size of a file. Default: 30 minutes and 1 GiB.
            channel: Channel of a file to use, counted from 1. Default: average all channels.

        Returns:
            The embedding, float32 `(n_embedding,)`. Those of an ensemble's members are
            concatenated; clip statistics of a model that takes them follow, standardised.

        Raises:
            AudioError: If the audio cannot be read, is empty or exceeds `limits`.
            ConfigError: If an argument is out of range.

        Example:
            >>> EmotionModel.load().embed("samples/sad/1013_ITH_SAD_XX.wav").shape
            (245,)
        """
        running = RunningPrediction(self._network, with_speech=False)
        samples = self._network.read_samples(audio, sample_rate, limits=limits, channel=channel)
        self._run(running, samples, audio)
        assert running.embedding is not None  # a clip has one frame or more
        return running.embedding

    def stream(
        self,
        sample_rate: float | None = None,
        *,
        threshold: float | None = None,
        speech_threshold: float | None = None,
        profile: SpeakerProfile | None = None,
    ) -> EmotionStream:
        """Return a stream for audio that arrives in chunks.

        One model serves any number of streams; each has its own state.

        Args:
            sample_rate: Rate of the chunks in Hz. Default: the model's.
            threshold: Confidence in [0, 1] below which the label is "uncertain". Default: the
                value stored in the model.
            speech_threshold: Probability from which a frame is speech, in [0, 1]. Default: the
                value stored in the model.
            profile: Profile of the speaker, if known.

        Returns:
            A stream that ends with the prediction of `classify` for the whole clip.

        Raises:
            ConfigError: If an argument is out of range, or `profile` belongs to another model.

        Example:
            >>> stream = EmotionModel.load().stream(sample_rate=48_000)
            >>> stream.push(np.zeros(48_000, np.float32))
            []
            >>> stream.flush()[-1].prediction.label
            'no speech'
        """
        from .streaming.stream import EmotionStream

        return EmotionStream(
            self._network,
            sample_rate,
            threshold=threshold,
            speech_threshold=speech_threshold,
            profile=profile,
        )

    def timeline(
        self,
        audio: str | os.PathLike[str] | np.ndarray,
        sample_rate: float | None = None,
        *,
        window: float = 3.0,
        hop: float = 1.0,
        min_segment: float = 1.0,
        min_pause: float = 0.5,
        threshold: float | None = None,
        speech_threshold: float | None = None,
        profile: SpeakerProfile | None = None,
        limits: AudioLimits | None = None,
        channel: int | None = None,
        vad: str = "model",
    ) -> Iterator[Segment]:
        """Split a long recording into segments, each returned as soon as it has ended.

        A file is read in blocks, so that its length costs no memory. If it cannot be read to its
        end, AudioError is raised after the segments of the readable part.

        Args:
            audio: Path of an audio file, or mono float samples `(n_samples,)` in [-1, 1].
            sample_rate: Rate of `audio` in Hz, for samples only. Default: the model's rate.
            window: Seconds per classification in long stretches of speech, 0.5 to 60. Short
                stretches are classified as a whole.
            hop: Seconds from one window to the next, 0.05 to `window`.
            min_segment: Seconds of the shortest emotion within a stretch of speech, 0 to 60.
            min_pause: Seconds of the shortest pause, 0.1 to 60.
            threshold: Confidence in [0, 1] below which the label is "uncertain". Default: the
                value stored in the model.
            speech_threshold: Probability from which a frame is speech, in [0, 1]. Default: 0.35, or
                0.5 for Silero VAD.
            profile: Profile of the speaker, if known.
            limits: Maximum duration and size of a file. Default: 24 hours and 32 GiB.
            channel: Channel of a file to use, counted from 1. Default: average all channels.
            vad: Detector of speech: "model", or "silero" for Silero VAD (extra `vad`).

        Returns:
            The segments, without gaps from 0 to the end of the recording.

        Raises:
            AudioError: If the audio cannot be read or exceeds `limits`.
            ConfigError: If an argument is out of range, or `profile` belongs to another model.

        Example:
            >>> for segment in EmotionModel.load().timeline("samples/sad/1013_ITH_SAD_XX.wav"):
            ...     assert segment.end > segment.start
        """
        from .audio.decode import AudioFile
        from .audio.limits import TIMELINE_LIMITS
        from .audio.read import split_into_blocks
        from .streaming.timeline import TimelineStream

        blocks: Iterable[np.ndarray]
        if isinstance(audio, np.ndarray):
            check_no_channel(channel)
            blocks = split_into_blocks(self._network.front_end.check(audio))
        else:
            if sample_rate is not None:
                raise ConfigError(FILE_HAS_RATE)
            blocks = file = AudioFile(audio, limits=limits or TIMELINE_LIMITS, channel=channel)
            sample_rate = file.sample_rate
        stream = TimelineStream(
            self._network,
            sample_rate,
            window=window,
            hop=hop,
            min_segment=min_segment,
            min_pause=min_pause,
            threshold=threshold,
            speech_threshold=speech_threshold,
            profile=profile,
            vad=vad,
        )
        return stream.segments(blocks)

    def _run(
        self,
        running: RunningPrediction,
        samples: np.ndarray,
        audio: str | os.PathLike[str] | np.ndarray,
    ) -> None:
        """Push a whole clip; errors name the file."""
        try:
            running.push(self._network.front_end(samples))
            running.advance(last=True)
        except AudioError as error:
            where = "" if isinstance(audio, np.ndarray) else f"{audio}: "
            raise AudioError(f"{where}{error}") from error
