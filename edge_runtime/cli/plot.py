"""A recording on one sheet: its waveform, its MFCC, and what it sounds like over time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ConfigError, EdgeSerError
from ..features.stream import MfccStream
from ..files import atomic_replace
from ..inference.network import network_of
from ..inference.prediction import NO_SPEECH, UNCERTAIN
from .terminal import clock

if TYPE_CHECKING:
    from ..model import EmotionModel
    from ..streaming.segments import Segment

SUFFIXES = (".png", ".svg", ".pdf")
COLUMNS = 2000  # more than a sheet has pixels for
DRAWN_STEPS = 250  # steps of a line that the eye can follow

# Beyond this many seconds the axis has the times as the text has them, at one of these steps.
MAX_IN_SECONDS = 120
TICKS, MAX_TICKS = (30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400), 10

# Okabe and Ito's colours, which the colour-blind tell apart: https://jfly.uni-koeln.de/color/
COLOURS = {"angry": "#D55E00", "happy": "#E69F00", "neutral": "#009E73", "sad": "#0072B2"}
MORE_COLOURS = ("#CC79A7", "#56B4E9", "#F0E442", "#000000")


class Sheet:
    """Collects what is drawn while a recording goes by; its length costs no memory.

    >>> from edge_runtime import EmotionModel, TimelineStream
    >>> model = EmotionModel.load()
    >>> sheet = Sheet(model, 16_000, "a second of silence")
    >>> stream = TimelineStream(model, watch=sheet.add_step)
    >>> samples = np.zeros(16_000, np.float32)
    >>> sheet.hear(samples)
    >>> segments = [*stream.push(samples), *stream.flush()]
    """

    def __init__(self, model: EmotionModel, sample_rate: float, title: str) -> None:
        self._title = title
        self._labels = model.labels
        self._rate = sample_rate
        self._heard = 0
        self._extremes = _Columns(_extremes)
        self._cepstra = _Columns(lambda columns: columns.mean(axis=1))
        self._mfcc = MfccStream(network_of(model).front_end, sample_rate=sample_rate)
        self._steps: list[Segment] = []
        self._segments: list[Segment] = []

    def hear(self, samples: np.ndarray) -> None:
        """The next samples of the recording, mono float `(n,)`."""
        self._heard += len(samples)
        self._extremes.add(np.stack([samples, samples], axis=1))
        self._cepstra.add(self._mfcc.push(samples))

    def add_step(self, step: Segment) -> None:
        self._steps.append(step)

    def add(self, segment: Segment) -> None:
        self._segments.append(segment)

    def save(self, path: Path) -> None:
        """Draw to a .png, .svg or .pdf file, which is replaced."""
        plt = _pyplot()
        with plt.rc_context({"text.parse_math": False}):  # a name with dollars in it is no formula
            self._draw(plt, path)

    def _draw(self, plt: Any, path: Path) -> None:
        self._cepstra.add(self._mfcc.flush())
        seconds = self._heard / self._rate
        figure, (wave, mfcc, lines) = plt.subplots(
            3, 1, figsize=(11, 6.5), sharex=True, height_ratios=(2, 2, 3), layout="constrained"
        )
        colour_of = colours(self._labels)
        low, high = self._extremes.table().T
        times = np.linspace(0, seconds, len(low))
        wave.fill_between(times, low, high, color="#555555", linewidth=0.3)
        wave.set(ylabel="waveform", ylim=(-1, 1), title=self._title)
        cepstra = self._cepstra.table()[:, 1:]  # c0 is the level, which the waveform shows
        cepstra = (cepstra - cepstra.mean(axis=0)) / (cepstra.std(axis=0) + 1e-6)
        mfcc.imshow(
            cepstra.T,
            aspect="auto",
            origin="lower",
            cmap="RdBu_r",
            vmin=-2.5,
            vmax=2.5,
            extent=(0, seconds, 0.5, cepstra.shape[1] + 0.5),
            interpolation="nearest",
        )
        mfcc.set(ylabel="MFCC", yticks=range(1, cepstra.shape[1] + 1, 3))
        for segment in self._segments:
            if segment.label != NO_SPEECH:
                lines.axvspan(
                    segment.start,
                    segment.end,
                    alpha=0.18,
                    linewidth=0,
                    color=colour_of.get(segment.label, "#999999"),
                )
        for label in self._labels:
            x, y = self._course(label)
            lines.plot(x, y, color=colour_of[label], label=label, linewidth=1.6)
        if any(segment.label == UNCERTAIN for segment in self._segments):
            lines.fill_between([], [], alpha=0.18, color="#999999", label=UNCERTAIN)
        if all(segment.label == NO_SPEECH for segment in self._segments):
            lines.text(0.5, 0.5, NO_SPEECH, transform=lines.transAxes, ha="center", va="center")
        lines.set(ylabel="probability", ylim=(0, 1.02), xlim=(0, seconds), xlabel="seconds")
        if seconds > MAX_IN_SECONDS:
            step = next((s for s in TICKS if seconds / s <= MAX_TICKS), TICKS[-1])
            ticks = np.arange(0, seconds, step)
            names = [clock(tick).partition(".")[0] for tick in ticks]
            lines.set_xticks(ticks, names)
            lines.set_xlabel("minutes:seconds" if seconds < 3600 else "hours:minutes:seconds")
        lines.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=6, frameon=False)
        with atomic_replace(path) as temporary:
            figure.savefig(temporary, format=path.suffix.lower()[1:], dpi=110)
        plt.close(figure)

    def _course(self, label: str) -> tuple[np.ndarray, np.ndarray]:
        """Times and probabilities of a label; not a number where nobody speaks, which breaks the
        line. Of a long recording, means over as many pieces as can be told apart."""
        starts = np.array([step.start for step in self._steps])
        ends = np.array([step.end for step in self._steps])
        spoken = np.array([step.label != NO_SPEECH for step in self._steps])
        values = np.array([step.probabilities[label] for step in self._steps])
        if len(values) > DRAWN_STEPS:
            edges = np.linspace(0, ends[-1], DRAWN_STEPS + 1)
            which = np.digitize((starts + ends) / 2, edges[1:-1])
            weights = (ends - starts) * spoken
            total = np.bincount(which, weights, DRAWN_STEPS)
            values = np.bincount(which, weights * values, DRAWN_STEPS) / np.maximum(total, 1e-9)
            starts, ends, spoken = edges[:-1], edges[1:], total > 0
        values = np.where(spoken, values, np.nan)
        return np.stack([starts, ends], axis=1).ravel(), values.repeat(2)


class _Columns:
    """Rows `(n, k)` summed up to at most `COLUMNS` columns, each of equally many rows."""

    def __init__(self, combine: Callable[[np.ndarray], np.ndarray]) -> None:
        self._combine = combine  # (n, rows, k) -> (n, k)
        self._per = 1
        self._columns: np.ndarray | None = None
        self._rest: np.ndarray | None = None

    def add(self, rows: np.ndarray) -> None:
        if self._columns is None or self._rest is None:
            self._columns = self._rest = np.empty((0, rows.shape[1]), np.float32)
        rows = np.concatenate([self._rest, rows])
        while len(rows) >= self._per:
            room = COLUMNS - len(self._columns)
            count = min(len(rows) // self._per, room)
            some = rows[: count * self._per].reshape(count, self._per, -1)
            self._columns = np.concatenate([self._columns, self._combine(some)])
            rows = rows[count * self._per :]
            if len(self._columns) == COLUMNS:
                self._columns = self._combine(self._columns.reshape(COLUMNS // 2, 2, -1))
                self._per *= 2
        self._rest = rows.copy()

    def table(self) -> np.ndarray:
        """The columns `(n, k)`, one at least."""
        if self._columns is None or self._rest is None:
            raise ConfigError("there is nothing to draw: no samples were heard")
        rest = [self._combine(self._rest[np.newaxis])] if len(self._rest) else []
        return np.concatenate([self._columns, *rest])


def _extremes(columns: np.ndarray) -> np.ndarray:
    """The lowest of the first and the highest of the second, of `(n, rows, 2)`."""
    return np.stack([columns[:, :, 0].min(axis=1), columns[:, :, 1].max(axis=1)], axis=1)


def colours(labels: tuple[str, ...]) -> dict[str, str]:
    """A colour for each label, the same for the same labels."""
    others = [label for label in labels if label not in COLOURS]
    more = {label: MORE_COLOURS[k % len(MORE_COLOURS)] for k, label in enumerate(others)}
    return {label: COLOURS.get(label, more.get(label, "")) for label in labels}


def check_plot(path: Path) -> None:
    """ConfigError for a name that nothing can be drawn to; EdgeSerError without matplotlib."""
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"--plot {path}: wanted a name that ends in {', '.join(SUFFIXES)}")
    _pyplot()


def _pyplot() -> Any:
    try:
        import matplotlib
    except ImportError:
        raise EdgeSerError("drawing needs matplotlib: pip install matplotlib") from None
    matplotlib.use("Agg")  # no display is needed, or looked for
    import matplotlib.pyplot as plt

    return plt
