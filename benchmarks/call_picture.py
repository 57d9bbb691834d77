"""A picture of the timeline of a call next to its truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edge_runtime import Segment
from edge_runtime.inference.prediction import NO_SPEECH

from .call_audio import RATE, STEP, Call
from .call_scores import STEP_SECONDS, runs, step_labels

SECONDS = 90.0  # of the call
# Colour-blind safe palette of Okabe and Ito: https://jfly.uni-koeln.de/color/
COLOURS = {"angry": "#D55E00", "happy": "#E69F00", "neutral": "#009E73", "sad": "#0072B2"}
OTHER = "#999999"


def draw(
    call: Call, samples: np.ndarray, segments: Sequence[Segment], condition: str, path: Path
) -> None:
    """Draw the beginning of a call.

    Args:
        call: The call.
        samples: The recording at 16 kHz, `(n_samples,)`.
        segments: Its timeline.
        condition: Description of the noise.
        path: The .png file.
    """
    import matplotlib.pyplot as plt

    n_steps = min(call.is_speech.shape[1], round(SECONDS / STEP_SECONDS))
    truth = call.labels_of(None)[:n_steps]
    answers = step_labels(segments, n_steps)
    figure, (wave, bars) = plt.subplots(
        2, 1, figsize=(12, 4), sharex=True, height_ratios=(1, 1), layout="constrained"
    )
    # The extremes of every step of the truth.
    columns = samples[: n_steps * STEP].reshape(n_steps, STEP)
    times = np.arange(n_steps) * STEP / RATE
    wave.fill_between(times, columns.min(axis=1), columns.max(axis=1), color="#555555")
    wave.set(ylabel="waveform", title=f"A call of two speakers: {condition}")
    for row, labels in ((1.0, truth), (0.0, answers)):
        for label in sorted(set(labels.tolist()) - {"", NO_SPEECH}):
            spans = [(a * STEP_SECONDS, (b - a) * STEP_SECONDS) for a, b in runs(labels == label)]
            colour = COLOURS.get(label, OTHER)
            bars.broken_barh(spans, (row + 0.1, 0.8), color=colour, label=label)
    bars.set(xlabel="seconds", xlim=(0, n_steps * STEP_SECONDS), ylim=(0, 2))
    bars.set_yticks([0.5, 1.5], ["timeline", "truth"])
    handles = dict(zip(*reversed(bars.get_legend_handles_labels())))
    bars.legend(
        handles.values(),
        handles.keys(),
        loc="upper center",
        bbox_to_anchor=(0.5, -0.35),
        ncols=6,
        frameon=False,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)
