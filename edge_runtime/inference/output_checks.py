"""Validate the outputs of a graph, which may violate its declared shapes."""

from __future__ import annotations

import numpy as np

from ..errors import ModelError
from .onnx_session import GATE_OUTPUTS, OUTPUTS

# float32 probabilities sum to 1 within 1e-6; the bound only catches graphs without a softmax.
SUM_TOLERANCE = 1e-3


def check_outputs(outputs: list[np.ndarray], n_labels: int, state_size: int) -> None:
    """Raise ModelError unless outputs have the shapes and the ranges that a `Network` needs.

    Args:
        outputs: The outputs in the order of `OUTPUTS`, of one clip.
        n_labels: Number of labels of the model.
        state_size: Size of the recurrent state.
    """
    for name, width, output in zip(OUTPUTS, (n_labels, n_labels, None, state_size), outputs):
        if output.ndim != 2 or len(output) != 1 or output.shape[1] != (width or output.shape[1]):
            raise ModelError(
                f"returned {name} of shape {output.shape}; expected (1, {width or 'n'})"
            )
        if not np.isfinite(output).all():
            raise ModelError(f"returned non-finite {name}")
    _, probabilities, _, _ = outputs
    if probabilities.min() < 0 or abs(float(probabilities.sum()) - 1) > SUM_TOLERANCE:
        raise ModelError("returned probabilities that do not sum to 1")


def check_gate_outputs(outputs: list[np.ndarray], n_frames: int, state_size: int) -> None:
    """Raise ModelError unless outputs of the speech gate have the expected shapes and ranges.

    Args:
        outputs: The outputs in the order of `GATE_OUTPUTS`, of one clip.
        n_frames: Number of frames that the gate processed.
        state_size: Size of its recurrent state.
    """
    for name, size, output in zip(GATE_OUTPUTS, (n_frames, state_size), outputs):
        if output.shape != (1, size):
            raise ModelError(f"returned {name} of shape {output.shape}; expected (1, {size})")
        if not np.isfinite(output).all():
            raise ModelError(f"returned non-finite {name}")
    speech = outputs[0]
    if speech.size and not 0 <= speech.min() <= speech.max() <= 1:
        raise ModelError(
            f"returned {speech.min():g} to {speech.max():g} as probabilities of speech; expected "
            "0 to 1"
        )
