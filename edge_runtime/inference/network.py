"""The network of one .onnx file: frames in, logits and probabilities out.

`Network` is what the layers below `EmotionModel` share: the ONNX graph, the front end of the model
card, and the rule that turns an output into a label.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ..audio.read import read_audio
from ..audio.resample import resample
from ..errors import ConfigError, ModelError
from ..features.front_end import FrontEnd
from ..features.silence import SilenceGate
from ..validation import check_integer, check_number
from .card import ModelCard
from .graph import Graph, NetworkOutput
from .known_voice import KnownVoice
from .onnx_session import open_model
from .prediction import NO_SPEECH, UNCERTAIN, Prediction
from .speech_gate import ClipSpeech, SpeechGate, min_speech_frames

if TYPE_CHECKING:
    from ..features.running_functionals import RunningFunctionals

FILE_HAS_RATE = "sample_rate applies to arrays; a file has its own"


class Network:
    """One .onnx file on onnxruntime, with its front end and its decision rule.

    Threads may share a network. The state of a stream is passed in and returned, so that one
    network serves any number of streams.

    Args:
        session: The onnxruntime session of the file.
        card: The model card stored in the file.
        path: The file.
        fingerprint: Checksum of the file; identifies the model in profiles.

    Attributes:
        card: The model card stored in the file.
        path: The file.
        fingerprint: Checksum of the file; identifies the model in profiles.
        graph: Runs the ONNX graph.
        front_end: Computes the MFCC that the card describes, and voice descriptors if the model
            takes clip statistics.
    """

    def __init__(self, session: Any, card: ModelCard, path: Path, fingerprint: str) -> None:
        self.card = card
        self.path = path
        self.fingerprint = fingerprint
        self.front_end = FrontEnd(card.mfcc_config, card.statistics is not None)
        self.graph = Graph(session, card, path, self.front_end.width)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, threads: int = 1) -> Network:
        """Load a model file and run it once.

        Args:
            path: An .onnx file that edge-ser exported.
            threads: Threads of onnxruntime for one clip. One is the fastest for networks of this
                size.

        Raises:
            ConfigError: If `threads` is not an integer of 1 or more.
            ModelError: If the file is missing, damaged, or was not exported by edge-ser.
        """
        check_integer("threads", threads, 1)
        path = Path(path)
        session, card, fingerprint = open_model(path, threads)
        try:
            network = cls(session, card, path, fingerprint)
        except ConfigError as error:
            raise ModelError(f"{path}: invalid front end in the model card: {error}") from error
        # Non-finite weights and graphs that fail at run time raise here, not at the first clip.
        network.graph.run_once()
        return network

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the outputs."""
        return self.card.labels

    @property
    def sample_rate(self) -> int:
        """The sample rate of the front end in Hz."""
        return self.card.mfcc_config.sample_rate

    def inputs(self) -> dict[str, list[Any]]:
        """Return the inputs of the graph by name, with their shapes; a name stands for any size."""
        return self.graph.inputs()

    def outputs(self) -> dict[str, list[Any]]:
        """Return the outputs of the graph by name, with their shapes."""
        return self.graph.outputs()

    def run(
        self,
        frames: np.ndarray,
        state: np.ndarray | None = None,
        statistics: np.ndarray | None = None,
        speaker: KnownVoice | None = None,
    ) -> NetworkOutput:
        """Run the graph on the frames of a clip, or on the next frames of a stream.

        Args:
            frames: MFCC, float32 `(n_frames, n_mfcc)`, at least one frame. Every call of a stream
                but the last must pass a multiple of `card.frames_per_step` frames.
            state: `NetworkOutput.state` of the previous call. Default: a new stream.
            statistics: Statistics of the clip or stream so far, float32 `(n_statistics,)`, NaN
                where they are not known; see `new_statistics`. Default: none is known. Not used if
                the model takes none.
            speaker: The speaker, whose `SpeakerStatistics` the graph takes. Default: unknown.

        Returns:
            The outputs over all frames since the start of the stream.

        Raises:
            ModelError: If the graph fails or returns invalid outputs.
        """
        return self.graph.run(frames, state, statistics, speaker)

    def run_gate(
        self, rows: np.ndarray, state: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Run the speech gate on the rows of a clip, or on the next rows of a stream.

        Args:
            rows: Rows of the front end, silent frames included, float32 `(n_frames, width)`, at
                least one.
            state: State after the previous frames. Default: a new stream.

        Returns:
            Probability of speech of each frame, float32 `(n_frames,)`, and the state to pass with
            the next frames.

        Raises:
            ModelError: If the graph fails or returns invalid outputs.
        """
        return self.graph.run_gate(rows, state)

    def run_clip(self, samples: np.ndarray, speaker: KnownVoice | None = None) -> NetworkOutput:
        """Run front end, silence gate and graph on a whole clip.

        Args:
            samples: Mono float samples `(n_samples,)` at the model's rate.
            speaker: The speaker. Default: unknown.

        Returns:
            The outputs for the clip.

        Raises:
            AudioError: If the samples are not valid.
            ModelError: If the graph fails or returns invalid outputs.
        """
        rows = self.front_end(samples)
        output = self.run(self._gated(rows), None, self.clip_statistics(rows), speaker)
        return output._replace(speech=self.clip_speech(rows))

    def check_threshold(self, threshold: float | None) -> float:
        """Return a threshold of the confidence, or that of the card for None.

        Raises:
            ConfigError: If it is not from 0 to 1.
        """
        threshold = self.card.uncertain_below if threshold is None else threshold
        check_number("threshold", threshold, 0, 1)
        return threshold

    def check_speech_threshold(self, threshold: float | None) -> float:
        """Return a threshold of the probability of speech, or that of the card for None.

        Raises:
            ConfigError: If it is not from 0 to 1.
        """
        threshold = self.card.speech_above if threshold is None else threshold
        check_number("speech_threshold", threshold, 0, 1)
        return threshold

    def decide(
        self,
        output: NetworkOutput,
        peak_dbfs: float,
        threshold: float,
        voice: KnownVoice | None = None,
        speech_threshold: float | None = None,
    ) -> Prediction:
        """Turn an output into a label, its confidence, probabilities and arousal.

        Args:
            output: The output for the whole stretch of audio.
            peak_dbfs: Level of its loudest 30 ms in dBFS.
            threshold: Confidence below which the label is "uncertain", 0 to 1.
            voice: The speaker, if known. `output` must be that of `run` with this speaker.
            speech_threshold: Probability of speech below which the label is "no speech". Default:
                `ModelCard.speech_above`.

        Returns:
            The prediction, with "no speech" or "uncertain" as the label where it applies.
        """
        probabilities = output.probabilities
        logits = output.logits
        if voice is not None:
            logits = voice.correct(logits, output.embedding)
        if logits is not output.logits:
            logits = logits / self.card.temperature
            probabilities = np.exp(logits - logits.max())
            probabilities /= probabilities.sum()
        best = int(probabilities.argmax())
        label = self.labels[best]
        card = self.card
        if speech_threshold is None:
            speech_threshold = card.speech_above
        if peak_dbfs < card.speech_above_dbfs or output.speech < speech_threshold:
            label = NO_SPEECH
        elif probabilities[best] < threshold:
            label = UNCERTAIN
        by_label = dict(zip(self.labels, map(float, probabilities)))
        arousal = None
        if card.arousal is not None:
            arousal = card.arousal.probability(probabilities, self.labels)
        return Prediction(label, float(probabilities[best]), by_label, arousal)

    def new_speech_gate(self) -> SpeechGate | None:
        """Return a new speech gate, or None if the model has none."""
        return None if self.card.min_speech is None else SpeechGate(self.run_gate)

    def new_clip_speech(self) -> ClipSpeech:
        """Return the probability of speech of a stretch without frames so far."""
        seconds = self.card.min_speech or 0.0
        return ClipSpeech(min_speech_frames(seconds, self.card.mfcc_config.frame_period))

    def clip_speech(self, rows: np.ndarray) -> float:
        """Compute the probability of speech of a whole clip.

        Args:
            rows: Rows of the front end, silent frames included, float32 `(n_frames, width)`.

        Returns:
            The probability, see `ClipSpeech`; 1 if the model has no speech gate.
        """
        gate = self.new_speech_gate()
        if gate is None:
            return 1.0
        speech = self.new_clip_speech()
        speech.add(gate.push(rows))
        return speech.probability

    def new_silence_gate(self, relative: bool | None = None) -> SilenceGate | None:
        """Return a new gate that drops silent frames, or None if the model keeps them.

        Args:
            relative: Overrides `SilenceConfig.relative`. Default: the model's.
        """
        silence = self.card.silence
        if silence is None:
            return None
        if relative is not None:
            silence = replace(silence, relative=relative)
        return SilenceGate(silence, self.card.mfcc_config)

    def speech_frames(self, samples: np.ndarray) -> np.ndarray:
        """Compute the frames of a clip that the network gets.

        Args:
            samples: Mono float samples `(n_samples,)` at the model's rate.

        Returns:
            MFCC without the silent frames, float32 `(n_frames, n_mfcc)`; at least one frame.
        """
        return self._gated(self.front_end.mfcc(samples))

    def _gated(self, rows: np.ndarray) -> np.ndarray:
        """Return the MFCC of the rows of a clip without the silent frames."""
        frames, gate = rows[:, : self.front_end.n_mfcc], self.new_silence_gate()
        return frames if gate is None else gate.filter_clip(frames)

    def new_statistics(self) -> RunningFunctionals | None:
        """Return new statistics of a clip or stream, or None if the model takes none."""
        if self.card.statistics is None:
            return None
        from ..features.running_functionals import RunningFunctionals

        config = self.card.mfcc_config
        return RunningFunctionals(config.n_mfcc, config.frame_period, self.card.statistics)

    def clip_statistics(self, rows: np.ndarray) -> np.ndarray | None:
        """Compute the statistics of a whole clip.

        Args:
            rows: Rows of the front end, silent frames included, float32 `(n_frames, width)`.

        Returns:
            float32 `(n_statistics,)`; None if the model takes none.
        """
        statistics = self.new_statistics()
        if statistics is None:
            return None
        statistics.push(rows)
        return statistics.values()

    def read_samples(
        self,
        audio: str | os.PathLike[str] | np.ndarray,
        sample_rate: float | None = None,
        **options: Any,
    ) -> np.ndarray:
        """Return the samples of a file or of an array at the model's rate.

        Args:
            audio: A file, or mono float samples `(n_samples,)` in [-1, 1].
            sample_rate: Rate of an array in Hz. Default: the model's.
            options: `limits` and `channel` of `read_audio`, for a file only.

        Returns:
            Mono samples, `(n_samples,)`.

        Raises:
            AudioError: If the audio cannot be used.
            ConfigError: If an argument does not apply to `audio`.
        """
        if not isinstance(audio, np.ndarray):
            if sample_rate is not None:
                raise ConfigError(FILE_HAS_RATE)
            return read_audio(audio, self.sample_rate, **options)
        check_no_channel(options.get("channel"))
        samples = self.front_end.check(audio)
        return samples if sample_rate is None else resample(samples, sample_rate, self.sample_rate)


class HasNetwork(Protocol):
    """A model that holds a network, such as `EmotionModel` of a layer above."""

    _network: Network


def network_of(model: HasNetwork | Network) -> Network:
    """Return the network of an `EmotionModel`; a `Network` is returned as it is."""
    return model if isinstance(model, Network) else model._network


def check_no_channel(channel: int | None) -> None:
    """Raise ConfigError for a channel of an array, which is mono."""
    if channel is not None:
        raise ConfigError(f"channel={channel!r} applies to files; an array must be mono")
