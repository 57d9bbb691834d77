"""The network of one .onnx file: MFCC frames in, logits and probabilities out.

`Network` is what the layers below `EmotionModel` share: the onnxruntime session, the front end that
the model card describes, and the rule that turns an output into a label.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from ..audio.read import read_audio
from ..audio.resample import resample
from ..errors import ConfigError, ModelError
from ..features.mfcc import Mfcc
from ..features.silence import SilenceGate
from ..messages import shorten_error
from ..validation import check_integer, check_number
from .card import ModelCard
from .known_voice import SpeakerBias
from .onnx_session import OUTPUTS, open_model
from .prediction import NO_SPEECH, UNCERTAIN, Prediction

FILE_HAS_RATE = "sample_rate applies to arrays; a file has its own"

# float32 probabilities sum to 1 within 1e-6; the bound only catches graphs without a softmax.
SUM_TOLERANCE = 1e-3

# glibc keeps freed memory for the next clip once a block of this size was freed, up to twice its
# size. Without that it returns and requests the same pages clip by clip, a third of the run time.
# https://man7.org/linux/man-pages/man3/mallopt.3.html (M_TRIM_THRESHOLD, dynamic adjustment)
KEPT_BYTES = 4 << 20


class NetworkOutput(NamedTuple):
    """The outputs of the network for all frames since the state was zero.

    Attributes:
        logits: Float32 `(n_labels,)`.
        probabilities: Float32 `(n_labels,)`; they sum to 1.
        speech: Probability of speech, 0 to 1.
        embedding: Input of the last layer, float32 `(n_embedding,)`.
        state: State to pass with the next frames, float32 `(state_size,)`.
    """

    logits: np.ndarray
    probabilities: np.ndarray
    speech: float
    embedding: np.ndarray
    state: np.ndarray


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
        front_end: Computes the MFCC that the card describes.
    """

    def __init__(self, session: Any, card: ModelCard, path: Path, fingerprint: str) -> None:
        self.card = card
        self.path = path
        self.fingerprint = fingerprint
        self.front_end = Mfcc(card.mfcc_config)
        self._session = session
        self._initial_state = np.zeros(self.inputs()["state"][1], np.float32)
        np.empty(KEPT_BYTES, np.uint8)  # freed at once; no page of it is ever touched

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
        network.run(np.zeros((card.frames_per_step, card.mfcc_config.n_mfcc), np.float32))
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
        return {value.name: list(value.shape) for value in self._session.get_inputs()}

    def outputs(self) -> dict[str, list[Any]]:
        """Return the outputs of the graph by name, with their shapes."""
        return {value.name: list(value.shape) for value in self._session.get_outputs()}

    def run(self, frames: np.ndarray, state: np.ndarray | None = None) -> NetworkOutput:
        """Run the graph on the frames of a clip, or on the next frames of a stream.

        Args:
            frames: MFCC, float32 `(n_frames, n_mfcc)`, at least one frame. Every call of a stream
                but the last must pass a multiple of `card.frames_per_step` frames.
            state: `NetworkOutput.state` of the previous call. Default: a new stream.

        Returns:
            The outputs over all frames since the start of the stream.

        Raises:
            ModelError: If the graph fails or returns invalid outputs.
        """
        if state is None:
            state = self._initial_state
        try:
            outputs = self._session.run(
                list(OUTPUTS), {"mfcc": frames[np.newaxis], "state": state[np.newaxis]}
            )
        except Exception as error:  # onnxruntime's exceptions have no public base class
            cause = shorten_error(error)
            if "smaller than requested" in cause:
                raise ModelError(
                    f"{self.path}: not enough memory for {len(frames)} frames; process long "
                    "recordings as a timeline: `edge-ser classify --timeline`"
                ) from error
            raise ModelError(f"{self.path}: cannot be run: {cause}") from error
        self._check(outputs)
        logits, probabilities, speech, embedding, state = (output[0] for output in outputs)
        return NetworkOutput(logits, probabilities, float(speech[0]), embedding, state)

    def _check(self, outputs: list[np.ndarray]) -> None:
        """Validate the outputs; a graph may violate its declared shapes."""
        n_labels = len(self.labels)
        widths = (n_labels, n_labels, 1, None, len(self._initial_state))
        for name, width, output in zip(OUTPUTS, widths, outputs):
            if (
                output.ndim != 2
                or len(output) != 1
                or output.shape[1] != (width or output.shape[1])
            ):
                raise ModelError(
                    f"{self.path}: returned {name} of shape {output.shape}; expected "
                    f"(1, {width or 'n'})"
                )
            if not np.isfinite(output).all():
                raise ModelError(f"{self.path}: returned non-finite {name}")
        _, probabilities, speech, _, _ = outputs
        if probabilities.min() < 0 or abs(float(probabilities.sum()) - 1) > SUM_TOLERANCE:
            raise ModelError(f"{self.path}: returned probabilities that do not sum to 1")
        if not 0 <= speech[0, 0] <= 1:
            raise ModelError(
                f"{self.path}: returned {speech[0, 0]:g} as the probability of speech; expected 0 "
                "to 1"
            )

    def check_threshold(self, threshold: float | None) -> float:
        """Return a threshold of the confidence, or that of the card for None.

        Raises:
            ConfigError: If it is not from 0 to 1.
        """
        threshold = self.card.uncertain_below if threshold is None else threshold
        check_number("threshold", threshold, 0, 1)
        return threshold

    def decide(
        self,
        output: NetworkOutput,
        peak_dbfs: float,
        threshold: float,
        bias: SpeakerBias | None = None,
    ) -> Prediction:
        """Turn an output into a label, its confidence and the probability of every label.

        Args:
            output: The output for the whole stretch of audio.
            peak_dbfs: Level of its loudest 30 ms in dBFS.
            threshold: Confidence below which the label is "uncertain", 0 to 1.
            bias: Correction of the logits for an enrolled speaker.

        Returns:
            The prediction, with "no speech" or "uncertain" as the label where it applies.
        """
        probabilities = output.probabilities
        if bias is not None:
            logits = bias.correct(output.logits) / self.card.temperature
            probabilities = np.exp(logits - logits.max())
            probabilities /= probabilities.sum()
        best = int(probabilities.argmax())
        label = self.labels[best]
        card = self.card
        if peak_dbfs < card.speech_above_dbfs or output.speech < card.speech_above:
            label = NO_SPEECH
        elif probabilities[best] < threshold:
            label = UNCERTAIN
        by_label = dict(zip(self.labels, map(float, probabilities)))
        return Prediction(label, float(probabilities[best]), by_label)

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
        frames = self.front_end(samples)
        gate = self.new_silence_gate()
        return frames if gate is None else gate.filter_clip(frames)

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
