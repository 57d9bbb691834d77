"""The ONNX graph of a model: frames in, logits, embedding and state out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import ModelError
from ..messages import shorten_error
from .card import ModelCard
from .known_voice import KnownVoice, SpeakerStatistics
from .onnx_session import GATE_INPUTS, GATE_OUTPUTS, OUTPUTS, STATISTICS_INPUTS
from .output_checks import check_gate_outputs, check_outputs

# glibc keeps freed memory for the next clip once a block of this size was freed, up to twice its
# size. Without that it returns and requests the same pages clip by clip, a third of the run time.
# https://man7.org/linux/man-pages/man3/mallopt.3.html (M_TRIM_THRESHOLD, dynamic adjustment)
KEPT_BYTES = 4 << 20


class NetworkOutput(NamedTuple):
    """The outputs of the network for all frames since the state was zero.

    Attributes:
        logits: Float32 `(n_labels,)`.
        probabilities: Float32 `(n_labels,)`; they sum to 1.
        embedding: Input of the last layer, float32 `(n_embedding,)`. For a model with clip
            statistics, they follow, standardised.
        state: State to pass with the next frames, float32 `(state_size,)`.
        speech: Probability of speech, 0 to 1; 1 unless the speech gate has processed the frames.
    """

    logits: np.ndarray
    probabilities: np.ndarray
    embedding: np.ndarray
    state: np.ndarray
    speech: float = 1.0


class Graph:
    """An onnxruntime session, and the inputs that a call of the network or of the gate leaves out.

    Args:
        session: The onnxruntime session.
        card: The model card stored in the file.
        path: The file.
        row_width: Columns of the rows that the speech gate gets.

    Attributes:
        session: The onnxruntime session.
    """

    def __init__(self, session: Any, card: ModelCard, path: Path, row_width: int) -> None:
        self.session = session
        self._card, self._path, self._row_width = card, path, row_width
        inputs = self.inputs()
        self._initial_state = np.zeros(inputs["state"][1], np.float32)
        self._initial_gate_state = np.zeros(inputs.get("gate_state", [1, 0])[1], np.float32)
        # onnxruntime runs the whole graph whatever output is requested. The part that is not used
        # gets the shortest input.
        self._no_frames: dict[str, np.ndarray] = {}
        self._no_clip = {
            "mfcc": np.zeros((1, card.frames_per_step, card.mfcc_config.n_mfcc), np.float32),
            "state": self._initial_state[np.newaxis],
        }
        if card.min_speech is not None:
            frame = np.zeros((1, 1, row_width), np.float32)
            self._no_frames = dict(zip(GATE_INPUTS, (frame, self._initial_gate_state[np.newaxis])))
        if card.statistics is not None:
            self._no_clip |= _statistics_feeds(len(card.statistics), None, None)
        np.empty(KEPT_BYTES, np.uint8)  # freed at once; no page of it is ever touched

    def inputs(self) -> dict[str, list[Any]]:
        """Return the inputs by name, with their shapes; a name stands for any size."""
        return {value.name: list(value.shape) for value in self.session.get_inputs()}

    def outputs(self) -> dict[str, list[Any]]:
        """Return the outputs by name, with their shapes."""
        return {value.name: list(value.shape) for value in self.session.get_outputs()}

    def run_once(self) -> None:
        """Run network and gate on zeros.

        Raises:
            ModelError: If the graph fails or returns invalid outputs.
        """
        self.run(np.zeros(self._no_clip["mfcc"].shape[1:], np.float32))
        if self._card.min_speech is not None:
            self.run_gate(np.zeros((1, self._row_width), np.float32))

    def run(
        self,
        frames: np.ndarray,
        state: np.ndarray | None = None,
        statistics: np.ndarray | None = None,
        speaker: KnownVoice | None = None,
    ) -> NetworkOutput:
        """Run the network; see `Network.run`."""
        if state is None:
            state = self._initial_state
        feeds = {"mfcc": frames[np.newaxis], "state": state[np.newaxis], **self._no_frames}
        if self._card.statistics is not None:
            feeds |= _statistics_feeds(len(self._card.statistics), statistics, speaker)
        outputs = self._run(OUTPUTS, feeds, len(frames))
        try:
            check_outputs(outputs, len(self._card.labels), len(self._initial_state))
        except ModelError as error:
            raise ModelError(f"{self._path}: {error}") from error
        return NetworkOutput(*(output[0] for output in outputs))

    def run_gate(
        self, rows: np.ndarray, state: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Run the speech gate; see `Network.run_gate`."""
        if state is None:
            state = self._initial_gate_state
        feeds = {**self._no_clip, "rows": rows[np.newaxis], "gate_state": state[np.newaxis]}
        outputs = self._run(GATE_OUTPUTS, feeds, len(rows))
        try:
            check_gate_outputs(outputs, len(rows), len(self._initial_gate_state))
        except ModelError as error:
            raise ModelError(f"{self._path}: {error}") from error
        return outputs[0][0], outputs[1][0]

    def _run(
        self, names: tuple[str, ...], feeds: dict[str, np.ndarray], n_frames: int
    ) -> list[np.ndarray]:
        """Return outputs of the graph; raise ModelError if it fails."""
        try:
            outputs: list[np.ndarray] = self.session.run(list(names), feeds)
        except Exception as error:  # onnxruntime's exceptions have no public base class
            cause = shorten_error(error)
            if "smaller than requested" in cause:
                raise ModelError(
                    f"{self._path}: not enough memory for {n_frames} frames; process long "
                    "recordings as a timeline: `edge-ser classify --timeline`"
                ) from error
            raise ModelError(f"{self._path}: cannot be run: {cause}") from error
        return outputs


def _statistics_feeds(
    size: int, statistics: np.ndarray | None, speaker: KnownVoice | None
) -> dict[str, np.ndarray]:
    """Return the further inputs of a model with `size` clip statistics."""
    if statistics is None:
        statistics = np.full(size, np.nan)
    mean, weight = np.zeros(size), 0.0
    if isinstance(speaker, SpeakerStatistics):
        mean, weight = speaker.mean, speaker.weight
    values = (statistics, mean, np.array([weight]))
    return {
        name: value[np.newaxis].astype(np.float32) for name, value in zip(STATISTICS_INPUTS, values)
    }
