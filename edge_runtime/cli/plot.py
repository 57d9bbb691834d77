"""A picture of a recording: waveform, speech, probabilities and arousal over time."""

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
from ..messages import clock, missing_package

if TYPE_CHECKING:
    from ..model import EmotionModel
    from ..streaming.segments import Segment

SUFFIXES = (".png", ".svg", ".pdf")
MAX_COLUMNS = 2000  # more than the pixels of the picture
MAX_DRAWN_STEPS = 250  # a line with more steps is unreadable

# Longer recordings have an axis in minutes, with one of these distances between the ticks.
MAX_AXIS_SECONDS = 120
TICK_SECONDS = (30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14_400)
MAX_TICKS = 10

# Colour-blind safe palette of Okabe and Ito: https://jfly.uni-koeln.de/color/
COLOURS = {"angry": "#D55E00", "happy": "#E69F00", "neutral": "#009E73", "sad": "#0072B2"}
MORE_COLOURS = ("#CC79A7", "#56B4E9", "#F0E442", "#000000")
# Answers that are no label: a plain grey, and stripes for the pauses.
UNCERTAIN_STYLE = {"facecolor": "#999999", "edgecolor": "none"}
PAUSE_STYLE = {"facecolor": "#f4f4f4", "edgecolor": "#cccccc", "hatch": "////"}

# Relative heights of the panels, from top to bottom, and the height of a unit in inches.
HEIGHTS = {"waveform": 2.0, "MFCC": 2.0, "speech": 0.5, "probability": 3.0, "arousal": 1.0}
UNIT_INCHES = 0.9


class Sheet:
    """Collects a recording chunk by chunk and draws it; memory does not grow with its length.

    Args:
        model: The model.
        sample_rate: Rate of the recording in Hz.
        title: Title of the picture.
        mfcc: Add a panel of the MFCC that the front end of the model computes.

    Example:
        >>> from edge_runtime import EmotionModel, TimelineStream
        >>> model = EmotionModel.load()
        >>> sheet = Sheet(model, 16_000, "a second of silence")
        >>> stream = TimelineStream(model, on_step=sheet.add_step)
        >>> samples = np.zeros(16_000, np.float32)
        >>> sheet.push(samples)
        >>> segments = [*stream.push(samples), *stream.flush()]
    """

    def __init__(
        self, model: EmotionModel, sample_rate: float, title: str, *, mfcc: bool = False
    ) -> None:
        self._title = title
        self._labels = model.labels
        self._rate = sample_rate
        self._n_samples = 0
        self._envelope = ColumnReducer(extremes)
        self._cepstra = ColumnReducer(lambda columns: columns.mean(axis=1))
        front_end = network_of(model).front_end.mfcc
        self._mfcc = MfccStream(front_end, sample_rate=sample_rate) if mfcc else None
        self._steps: list[Segment] = []
        self._segments: list[Segment] = []

    def push(self, samples: np.ndarray) -> None:
        """Add the next samples, mono float `(n_samples,)`."""
        self._n_samples += len(samples)
        self._envelope.add(np.stack([samples, samples], axis=1))
        if self._mfcc is not None:
            self._cepstra.add(self._mfcc.push(samples))

    def add_step(self, step: Segment) -> None:
        """Add a step of the timeline, for the probabilities and the arousal."""
        self._steps.append(step)

    def add(self, segment: Segment) -> None:
        """Add a segment, for the panel of speech and the background."""
        self._segments.append(segment)

    def save(self, path: Path) -> None:
        """Draw to a .png, .svg or .pdf file; an existing file is replaced.

        Raises:
            ConfigError: If no samples were pushed.
            EdgeSerError: If the file cannot be written.
        """
        plt = load_pyplot()
        with plt.rc_context({"text.parse_math": False}):  # a "$" in a name begins no formula
            self._draw(plt, path)

    def _draw(self, plt: Any, path: Path) -> None:
        envelope = self._envelope.table()
        seconds = self._n_samples / self._rate
        names = [name for name in HEIGHTS if self._has_panel(name)]
        heights = [HEIGHTS[name] for name in names]
        figure, axes = plt.subplots(
            len(names),
            1,
            figsize=(11, UNIT_INCHES * sum(heights) + 0.7),
            sharex=True,
            height_ratios=heights,
            layout="constrained",
        )
        panels = dict(zip(names, axes))
        for name, panel in panels.items():
            panel.set_ylabel(name)
        low, high = envelope.T
        wave = panels["waveform"]
        times = np.linspace(0, seconds, len(low))
        wave.fill_between(times, low, high, color="#555555", linewidth=0.3)
        wave.set(ylim=(-1, 1), title=self._title)
        if "MFCC" in panels:
            self._draw_mfcc(panels["MFCC"], seconds)
        styles = self._draw_segments(panels["speech"], panels["probability"])
        self._draw_probabilities(panels["probability"])
        if "arousal" in panels:
            arousal = panels["arousal"]
            arousal.plot(*self.arousal_line(), color="#555555", linewidth=1.6)
            arousal.axhline(0.5, color="#aaaaaa", linewidth=0.8, linestyle=":")
            arousal.set(ylim=(0, 1.02))
        wave.set_xlim(0, seconds)
        _label_time_axis(axes[-1], seconds)
        lines, _ = panels["probability"].get_legend_handles_labels()
        patches = [plt.Rectangle((0, 0), 1, 1, label=name, **styles[name]) for name in styles]
        figure.legend(
            handles=[*lines, *patches], loc="outside lower center", ncols=6, frameon=False
        )
        with atomic_replace(path) as temporary:
            figure.savefig(temporary, format=path.suffix.lower()[1:], dpi=110)
        plt.close(figure)

    def _has_panel(self, name: str) -> bool:
        if name == "arousal":
            return any(step.arousal is not None for step in self._steps)
        return name != "MFCC" or self._mfcc is not None

    def _draw_mfcc(self, panel: Any, seconds: float) -> None:
        assert self._mfcc is not None
        self._cepstra.add(self._mfcc.flush())
        cepstra = self._cepstra.table()[:, 1:]  # c0 is the level, which the waveform shows
        cepstra = (cepstra - cepstra.mean(axis=0)) / (cepstra.std(axis=0) + 1e-6)
        panel.imshow(
            cepstra.T,
            aspect="auto",
            origin="lower",
            cmap="RdBu_r",
            vmin=-2.5,
            vmax=2.5,
            extent=(0, seconds, 0.5, cepstra.shape[1] + 0.5),
            interpolation="nearest",
        )
        panel.set(yticks=range(1, cepstra.shape[1] + 1, 3))

    def _draw_segments(self, strip: Any, background: Any) -> dict[str, dict[str, str]]:
        """Draw the segments and return the styles of the answers that are no label."""
        colour_of = colours(self._labels)
        others = {UNCERTAIN: UNCERTAIN_STYLE, NO_SPEECH: PAUSE_STYLE}
        for segment in self._segments:
            style = others.get(segment.label) or {"color": colour_of[segment.label]}
            strip.axvspan(segment.start, segment.end, linewidth=0, **style)
            if segment.label != NO_SPEECH:
                background.axvspan(segment.start, segment.end, alpha=0.18, linewidth=0, **style)
        strip.set(yticks=[], ylim=(0, 1))
        strip.yaxis.label.set(rotation=0, ha="right", va="center")
        answers = {segment.label for segment in self._segments}
        return {name: style for name, style in others.items() if name in answers}

    def _draw_probabilities(self, panel: Any) -> None:
        colour_of = colours(self._labels)
        for label in self._labels:
            x, y = self.probability_line(label)
            panel.plot(x, y, color=colour_of[label], label=label, linewidth=1.6)
        panel.set(ylim=(0, 1.02))

    def probability_line(self, label: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the line of a label.

        Returns:
            Times and probabilities `(n,)`. NaN during pauses breaks the line. Long recordings are
            averaged to `MAX_DRAWN_STEPS` steps.
        """
        return self._line(np.array([step.probabilities[label] for step in self._steps]))

    def arousal_line(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the line of the arousal, as `probability_line` does."""
        steps = self._steps
        return self._line(np.array([0.0 if s.arousal is None else s.arousal for s in steps]))

    def _line(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        starts = np.array([step.start for step in self._steps])
        ends = np.array([step.end for step in self._steps])
        is_speech = np.array([step.label != NO_SPEECH for step in self._steps])
        if len(values) > MAX_DRAWN_STEPS:
            n = MAX_DRAWN_STEPS
            edges = np.linspace(0, ends[-1], n + 1)
            bins = np.digitize((starts + ends) / 2, edges[1:-1])
            weights = (ends - starts) * is_speech
            total = np.bincount(bins, weights, n)
            values = np.bincount(bins, weights * values, n) / np.maximum(total, 1e-9)
            starts, ends, is_speech = edges[:-1], edges[1:], total > 0
        values = np.where(is_speech, values, np.nan)
        return np.stack([starts, ends], axis=1).ravel(), values.repeat(2)


def _label_time_axis(axis: Any, seconds: float) -> None:
    """Label an axis in seconds, or in minutes for long recordings."""
    axis.set_xlabel("seconds")
    if seconds <= MAX_AXIS_SECONDS:
        return
    step = next((s for s in TICK_SECONDS if seconds / s <= MAX_TICKS), TICK_SECONDS[-1])
    ticks = np.arange(0, seconds, step)
    axis.set_xticks(ticks, [clock(tick).partition(".")[0] for tick in ticks])
    axis.set_xlabel("minutes:seconds" if seconds < 3600 else "hours:minutes:seconds")


class ColumnReducer:
    """Reduces any number of rows to at most `MAX_COLUMNS` columns of equally many rows.

    Args:
        combine: Reduces rows `(n_columns, n_rows, k)` to columns `(n_columns, k)`.

    Attributes:
        rows_per_column: Rows that are combined to a column so far.
    """

    def __init__(self, combine: Callable[[np.ndarray], np.ndarray]) -> None:
        self.rows_per_column = 1
        self._combine = combine
        self._columns: np.ndarray | None = None
        self._rest: np.ndarray | None = None

    def add(self, rows: np.ndarray) -> None:
        """Add rows `(n_rows, k)`."""
        if self._columns is None or self._rest is None:
            self._columns = self._rest = np.empty((0, rows.shape[1]), np.float32)
        rows = np.concatenate([self._rest, rows])
        while len(rows) >= self.rows_per_column:
            per_column = self.rows_per_column
            count = min(len(rows) // per_column, MAX_COLUMNS - len(self._columns))
            blocks = rows[: count * per_column].reshape(count, per_column, -1)
            self._columns = np.concatenate([self._columns, self._combine(blocks)])
            rows = rows[count * per_column :]
            if len(self._columns) == MAX_COLUMNS:
                self._columns = self._combine(self._columns.reshape(MAX_COLUMNS // 2, 2, -1))
                self.rows_per_column *= 2
        self._rest = rows.copy()

    def table(self) -> np.ndarray:
        """Return the columns `(n_columns, k)`, at least one.

        Raises:
            ConfigError: If no rows were added.
        """
        if self._columns is None or self._rest is None:
            raise ConfigError("nothing to draw: the recording has no samples")
        rest = [self._combine(self._rest[np.newaxis])] if len(self._rest) else []
        return np.concatenate([self._columns, *rest])


def extremes(columns: np.ndarray) -> np.ndarray:
    """Return the minimum of the first and the maximum of the second value of each column.

    Args:
        columns: Values `(n_columns, n_rows, 2)`.

    Returns:
        Minima and maxima `(n_columns, 2)`.
    """
    return np.stack([columns[:, :, 0].min(axis=1), columns[:, :, 1].max(axis=1)], axis=1)


def colours(labels: tuple[str, ...]) -> dict[str, str]:
    """Return a colour for each label; the four labels of the bundled model have fixed ones."""
    others = [label for label in labels if label not in COLOURS]
    more = {label: MORE_COLOURS[k % len(MORE_COLOURS)] for k, label in enumerate(others)}
    return {label: COLOURS.get(label, more.get(label, "")) for label in labels}


def check_suffix(path: Path) -> None:
    """Raise ConfigError if the suffix of a picture is not supported."""
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"--plot {path}: expected a name that ends in {', '.join(SUFFIXES)}")


def load_pyplot() -> Any:
    """Return `matplotlib.pyplot`; EdgeSerError if it is not installed."""
    try:
        import matplotlib
    except ImportError:
        raise EdgeSerError(missing_package("--plot", "matplotlib", "plot")) from None
    matplotlib.use("Agg")  # needs no display
    import matplotlib.pyplot as plt

    return plt
