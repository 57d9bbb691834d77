"""A model on onnxruntime: audio in, an emotion and its probability out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .audio import read_audio, resample
from .card import METADATA_KEY, ModelCard
from .errors import AudioError, ConfigError, ModelError, reason
from .mfcc import Mfcc

BUNDLED_MODEL = Path(__file__).with_name("models") / "edge_ser.onnx"

UNCERTAIN = "uncertain"
NO_SPEECH = "no speech"


@dataclass(frozen=True)
class Prediction:
    """What a clip sounds like.

    `label` is one of the model's labels, "uncertain" or "no speech"; `confidence` is the largest
    of the `probabilities`, which name every label of the model and sum to 1.
    """

    label: str
    confidence: float
    probabilities: dict[str, float]


class EmotionModel:
    """One .onnx file that holds the network and, as metadata, all that it takes to use it.

    >>> model = EmotionModel.load()
    >>> model.labels
    ('angry', 'happy', 'neutral', 'sad')
    """

    def __init__(self, session: Any, card: ModelCard, path: Path) -> None:
        self.card = card
        self.path = path
        self._session = session
        self._mfcc = Mfcc(card.mfcc)

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

    def __repr__(self) -> str:
        def shape(value: Any) -> str:
            return f"{value.name} ({', '.join(map(str, value.shape))})"

        return (
            f"EmotionModel({str(self.path)!r}, labels={', '.join(self.labels)}, "
            f"inputs: {', '.join(map(shape, self._session.get_inputs()))}, "
            f"outputs: {', '.join(map(shape, self._session.get_outputs()))})"
        )

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
    ) -> Prediction:
        """The emotion of one clip.

        Args:
            audio: a file, or mono float samples `(n_samples,)` within [-1, 1].
            sample_rate: the rate of the samples in Hz (None: the model's); not for a file.
            threshold: confidence, 0 to 1, below which the label is "uncertain" (None: what the
                model stores).
        Raises AudioError if there is nothing to classify, ConfigError for a wrong argument.
        """
        threshold = self.card.uncertain_below if threshold is None else threshold
        if not 0 <= threshold <= 1:
            raise ConfigError(f"threshold={threshold!r} must be between 0 and 1")
        samples = self._samples(audio, sample_rate)
        try:
            _, probabilities = self.run(self._mfcc(samples))
        except AudioError as error:
            where = "" if isinstance(audio, np.ndarray) else f"{audio}: "
            raise AudioError(f"{where}{error}") from error
        best = int(probabilities.argmax())
        label = self.labels[best]
        if _loudest_dbfs(samples, self.sample_rate) < self.card.speech_above_dbfs:
            label = NO_SPEECH
        elif probabilities[best] < threshold:
            label = UNCERTAIN
        return Prediction(
            label, float(probabilities[best]), dict(zip(self.labels, map(float, probabilities)))
        )

    def run(self, mfcc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The network alone: float32 `(n_frames, n_mfcc)` → logits and probabilities,
        `(n_labels,)` each."""
        try:
            logits, probabilities = self._session.run(
                ["logits", "probabilities"], {"mfcc": mfcc[np.newaxis]}
            )
        except Exception as error:  # onnxruntime's own exceptions share no public base class
            raise ModelError(f"{self.path}: cannot be run: {_one_line(error)}") from error
        if not np.isfinite(probabilities).all():
            raise ModelError(f"{self.path}: gives probabilities that are no numbers")
        return logits[0], probabilities[0]

    def _samples(
        self, audio: str | os.PathLike[str] | np.ndarray, rate: float | None
    ) -> np.ndarray:
        if not isinstance(audio, np.ndarray):
            if rate is not None:
                raise ConfigError("sample_rate is for arrays of samples; a file holds its own")
            return read_audio(audio, self.sample_rate)
        samples = self._mfcc.check(audio)
        return samples if rate is None else resample(samples, rate, self.sample_rate)


def _loudest_dbfs(samples: np.ndarray, sample_rate: int) -> float:
    """The RMS level of the loudest 30 ms, in dB relative to full scale; -inf for silence."""
    length = max(1, int(0.03 * sample_rate))
    whole = len(samples) // length * length
    blocks = samples[:whole].reshape(-1, length) if whole else samples[np.newaxis]
    power = float(np.einsum("ij,ij->i", blocks, blocks).max()) / blocks.shape[1]
    return 10.0 * np.log10(power) if power > 0 else -np.inf


def _session(path: Path, threads: int) -> Any:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{path}: no such model file") from None
    except IsADirectoryError:
        raise ModelError(f"{path}: is a directory; wanted an .onnx file") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read: {reason(error)}") from error
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
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
    wanted = {"mfcc": card.mfcc.n_mfcc, "logits": len(card.labels),
              "probabilities": len(card.labels)}
    inputs = {value.name: value for value in session.get_inputs()}
    found = {**inputs, **{value.name: value for value in session.get_outputs()}}
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
    if set(inputs) != {"mfcc"} or len(inputs["mfcc"].shape) != 3:
        raise ModelError(
            f"{path}: takes {', '.join(f'{n} {v.shape}' for n, v in inputs.items())}; "
            "wanted mfcc (batch, time, n_mfcc) alone"
        )
    if isinstance(inputs["mfcc"].shape[1], int):
        raise ModelError(
            f"{path}: takes clips of {inputs['mfcc'].shape[1]} frames only; wanted any number"
        )
