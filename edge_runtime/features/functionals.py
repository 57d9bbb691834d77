"""Statistics of a clip, from the frames of its voice descriptors and of its MFCC.

The choice follows the functionals of eGeMAPS (Eyben et al. 2016,
https://doi.org/10.1109/TAFFC.2015.2457417): means, variation and percentiles, slopes of rising and
falling pitch and loudness, rates per second, voiced and unvoiced frames apart. Standard deviations
replace its coefficients of variation where the unit is dB or semitones, for which a ratio to the
mean has no meaning.

Every statistic is a moment, a percentile or a count over a set of frames. None depends on the gain.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from ..errors import AudioError
from .descriptor_config import COLUMN, DESCRIPTORS

# Frames within this range of the loudest twentieth are speech: 33 dB of power, compressed by 0.33.
SPEECH_RANGE_DB = 11.0

PERCENTILES = (20, 50, 80)
MAX_CHANGE = 8.0  # semitones or dB over two frames; larger ones are octave errors and clicks
MAX_JITTER = 4.0  # semitones

# Descriptors with statistics over voiced and unvoiced frames, and over voiced frames only.
ALL_FRAMES = (
    "voicing",
    "hnr",
    "slope_0_500",
    "slope_500_1500",
    "alpha_ratio",
    "hammarberg",
    "flux",
)
VOICED_ONLY = ("h1_h2", "h1_a1", "h1_a3")
REGRESSIONS = (  # of the second on the first
    ("f0", "loudness"),
    ("loudness", "alpha_ratio"),
    ("f0", "alpha_ratio"),
    ("loudness", "slope_500_1500"),
    ("f0", "h1_a1"),
)
# Added to the variance of the first: the slope of a nearly constant descriptor tends to 0.
REGRESSION_VARIANCE = 0.5

Values = dict[str, float]


def functionals(
    descriptors: np.ndarray, mfcc: np.ndarray, *, frame_period: float = 0.02
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Compute the statistics of a clip.

    Args:
        descriptors: Frames of voice descriptors, float32 `(n_frames, n_descriptors)`.
        mfcc: Frames of MFCC of the same framing, float32 `(n_frames, n_mfcc)`.
        frame_period: Seconds from one frame to the next.

    Returns:
        The values, float64 `(n_functionals,)`, and their names. A value is NaN if the clip has no
        frames for it, such as the mean HNR of voiced frames of a whisper. See
        `descriptor_functionals` and `mfcc_functionals` for the definitions.

    Raises:
        AudioError: If there are no frames, or their numbers differ.

    Example:
        >>> values, names = functionals(np.zeros((10, 12), np.float32), np.zeros((10, 13)))
        >>> values.shape, names[:3]
        ((181,), ('f0/mean', 'f0/dev', 'f0/p20'))
    """
    if len(descriptors) != len(mfcc) or not len(mfcc):
        raise AudioError(
            f"functionals require the same number of frames, at least one; got {len(descriptors)} "
            f"of descriptors and {len(mfcc)} of MFCC"
        )
    speech = speech_frames(descriptors[:, COLUMN["loudness"]])
    values = _descriptor_values(descriptors, speech, frame_period)
    values |= mfcc_functionals(mfcc, speech)
    return np.array(list(values.values())), tuple(values)


@functools.lru_cache(maxsize=8)
def functional_names(n_mfcc: int) -> tuple[str, ...]:
    """Return the names of the statistics of clips with `n_mfcc` coefficients.

    >>> functional_names(2)[-1]
    'c1/delta'
    """
    frames = np.zeros((1, len(DESCRIPTORS))), np.zeros((1, n_mfcc))
    return functionals(*frames)[1]


def speech_frames(loudness: np.ndarray) -> np.ndarray:
    """Return which frames contain speech: those within `SPEECH_RANGE_DB` of the loudest twentieth.

    Args:
        loudness: Loudness in dB, `(n_frames,)`.

    Returns:
        bool `(n_frames,)`, at least one of them True.
    """
    loud = _percentiles(loudness[np.newaxis].astype(np.float64), (95,))[0, 0]
    return np.asarray(loudness > loud - SPEECH_RANGE_DB)


def descriptor_functionals(descriptors: np.ndarray, frame_period: float) -> Values:
    """Return the statistics of the voice descriptors of a clip by name.

    Frames before the first and after the last speech frame are excluded.

    - `NAME/mean`, `dev`, `p20`, `p50`, `p80`, `range`: mean, standard deviation, percentiles, and
      the difference of the outer two. Named `NAME/voiced/mean` and so on if only voiced or
      unvoiced speech frames count.
    - `NAME/rise`, `fall`, `rise_dev`, `fall_dev`: mean and deviation of the positive and of the
      negative slopes, in units per second, over two frame periods each.
    - `f0/jitter`, `loudness/shimmer`: mean absolute second difference over voiced frames, in
      semitones and dB: the irregularity from frame to frame, not from period to period.
    - `loudness/cov`: standard deviation of the linear loudness over its mean; the other statistics
      of the loudness are relative to its mean over speech frames.
    - `slope/X/Y`: slope of the regression of descriptor Y on X over voiced frames.
    - `rate/peaks`: loudness maxima per second.
    - `rate/KIND`, `length/KIND`, `length/KIND_dev`, `fraction/KIND` of voiced runs, unvoiced runs
      and pauses: number per second, mean and deviation of the length in seconds, share of time.

    Args:
        descriptors: float32 `(n_frames, n_descriptors)`.
        frame_period: Seconds from one frame to the next.
    """
    speech = speech_frames(descriptors[:, COLUMN["loudness"]])
    return _descriptor_values(descriptors, speech, frame_period)


def _descriptor_values(descriptors: np.ndarray, speech: np.ndarray, frame_period: float) -> Values:
    first, last = np.flatnonzero(speech)[[0, -1]]
    speech = speech[first : last + 1]
    frames = np.array(descriptors[first : last + 1].T, np.float64, order="C")  # columns first
    f0, loudness = frames[COLUMN["f0"]], frames[COLUMN["loudness"]]
    loudness -= loudness[speech].mean()
    is_voiced = speech & (f0 > 0)
    voiced = _Summary(frames[:, is_voiced])
    unvoiced = _Summary(frames[:, speech & ~is_voiced])
    three_voiced = is_voiced[2:] & is_voiced[1:-1] & is_voiced[:-2]

    values: Values = {}
    voiced.add_moments(values, "f0", "f0")
    voiced.add_percentiles(values, "f0", "f0")
    _add_slopes(values, "f0", (f0[2:] - f0[:-2])[three_voiced], frame_period)
    jitter = np.minimum(np.abs(_second_difference(f0)[three_voiced]), MAX_JITTER)
    values["f0/jitter"] = _mean(jitter)
    _add_loudness(values, loudness, speech, three_voiced, frame_period)
    values["loudness/voiced"], values["loudness/voiced_dev"] = (
        float(of_voiced[COLUMN["loudness"]]) if voiced.n_frames else 0.0
        for of_voiced in (voiced.mean, voiced.deviation)
    )
    for name in ALL_FRAMES:
        voiced.add_moments(values, f"{name}/voiced", name)
        voiced.add_percentiles(values, f"{name}/voiced", name)
        unvoiced.add_moments(values, f"{name}/unvoiced", name)
    for name in VOICED_ONLY:
        voiced.add_moments(values, f"{name}/voiced", name)
    for x, y in REGRESSIONS:
        values[f"slope/{x}/{y}"] = voiced.regression_slope(COLUMN[x], COLUMN[y])
    _add_rates(values, loudness, speech, is_voiced, frame_period)
    return values


class _Summary:
    """Moments and percentiles of a set of frames, for all descriptors at once.

    Args:
        frames: float64 `(n_descriptors, n_frames)`.

    Attributes:
        n_frames: Number of frames.
        mean: `(n_descriptors,)`, NaN if there are no frames.
        deviation: Standard deviation, `(n_descriptors,)`.
    """

    def __init__(self, frames: np.ndarray) -> None:
        self.n_frames = frames.shape[1]
        self.mean, centred = _centred(frames)
        self._products = centred @ centred.T  # (n_descriptors, n_descriptors)
        variance = self._products.diagonal() / max(1, self.n_frames)
        self.deviation = np.sqrt(variance) if self.n_frames else self.mean
        self._frames = frames
        self._percentiles: np.ndarray | None = None

    def add_moments(self, values: Values, prefix: str, name: str) -> None:
        """Add mean and standard deviation of a descriptor."""
        values[f"{prefix}/mean"] = float(self.mean[COLUMN[name]])
        values[f"{prefix}/dev"] = float(self.deviation[COLUMN[name]])

    def add_percentiles(self, values: Values, prefix: str, name: str) -> None:
        """Add the percentiles of a descriptor."""
        if self._percentiles is None:
            self._percentiles = _percentiles(self._frames)
        _add_percentiles(values, prefix, self._percentiles[:, COLUMN[name]])

    def regression_slope(self, x: int, y: int) -> float:
        """Return the slope of the regression of descriptor `y` on `x`."""
        if self.n_frames < 3:
            return 0.0
        variance = self._products[x, x] + REGRESSION_VARIANCE * self.n_frames
        return float(self._products[x, y] / variance)


def _add_loudness(
    values: Values,
    loudness: np.ndarray,
    speech: np.ndarray,
    three_voiced: np.ndarray,
    frame_period: float,
) -> None:
    of_speech = loudness[speech]
    values["loudness/dev"] = _deviation(of_speech)
    linear = 10 ** (of_speech / 10)
    values["loudness/cov"] = _deviation(linear) / _mean(linear)
    _add_percentiles(values, "loudness", _percentiles(of_speech[np.newaxis])[:, 0])
    _add_slopes(values, "loudness", loudness[2:] - loudness[:-2], frame_period)
    shimmer = np.abs(_second_difference(loudness)[three_voiced])
    values["loudness/shimmer"] = _mean(shimmer)


def _add_rates(
    values: Values,
    loudness: np.ndarray,
    speech: np.ndarray,
    voiced: np.ndarray,
    frame_period: float,
) -> None:
    seconds = len(speech) * frame_period
    peaks = (loudness[1:-1] > loudness[:-2]) & (loudness[1:-1] >= loudness[2:]) & speech[1:-1]
    values["rate/peaks"] = float(peaks.sum() / seconds)
    for name, frames in (("voiced", voiced), ("pause", ~speech), ("unvoiced", ~voiced)):
        lengths = _run_lengths(frames) * frame_period
        values[f"rate/{name}"] = len(lengths) / seconds
        values[f"length/{name}"] = _mean(lengths)
        values[f"length/{name}_dev"] = _deviation(lengths)
        values[f"fraction/{name}"] = float(frames.mean())


def mfcc_functionals(mfcc: np.ndarray, speech: np.ndarray) -> Values:
    """Return the statistics of the MFCC of the speech frames of a clip by name.

    - `cK/mean`, `cK/dev`: mean and standard deviation; c0 has no mean, which is the gain.
    - `cK/p20`, `p50`, `p80`: percentiles less the mean.
    - `cK/delta`: mean absolute change from one speech frame to the next.

    Args:
        mfcc: float32 `(n_frames, n_mfcc)`.
        speech: The speech frames, bool `(n_frames,)`.
    """
    coefficients = np.array(mfcc.T, np.float64, order="C")
    frames = coefficients[:, speech]
    mean, centred = _centred(frames)
    deviation = np.sqrt((centred * centred).sum(axis=1) / frames.shape[1])
    percentiles = _percentiles(centred)
    changes = np.abs(coefficients[:, 1:] - coefficients[:, :-1])[:, speech[1:] & speech[:-1]]
    n_changes = changes.shape[1]
    delta = changes.sum(axis=1) / n_changes if n_changes else np.zeros(len(changes))
    values: Values = {}
    for k in range(mfcc.shape[1]):
        if k > 0:
            values[f"c{k}/mean"] = float(mean[k])
        values[f"c{k}/dev"] = float(deviation[k])
        for percent, value in zip(PERCENTILES, percentiles[:, k]):
            values[f"c{k}/p{percent}"] = float(value)
        values[f"c{k}/delta"] = float(delta[k])
    return values


def _centred(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean of each row, NaN if there are no frames, and the rows less their mean."""
    n_frames = frames.shape[1]
    mean = frames.sum(axis=1) / n_frames if n_frames else np.full(len(frames), np.nan)
    return mean, frames - mean[:, np.newaxis]


def _percentiles(frames: np.ndarray, percents: tuple[int, ...] = PERCENTILES) -> np.ndarray:
    """Return percentiles of each row, as `numpy.percentile` at a fraction of its fixed cost.

    Args:
        frames: float64 `(n_rows, n_frames)`.
        percents: The percentiles.

    Returns:
        float64 `(n_percentiles, n_rows)`; NaN if there are no frames.
    """
    n_rows, n_frames = frames.shape
    if not n_frames:
        return np.full((len(percents), n_rows), np.nan)
    ordered = np.sort(frames, axis=1)
    out = np.empty((len(percents), n_rows))
    for row, percent in zip(out, percents):
        below, share = divmod((n_frames - 1) * percent, 100)
        above = min(below + 1, n_frames - 1)
        step = ordered[:, above] - ordered[:, below]
        np.add(ordered[:, below], step * (share / 100), out=row)
    return out


def _second_difference(values: np.ndarray) -> np.ndarray:
    change = values[1:] - values[:-1]
    return np.asarray(change[1:] - change[:-1])


def _mean(values: np.ndarray) -> float:
    return float(np.add.reduce(values)) / len(values) if len(values) else 0.0


def _deviation(values: np.ndarray) -> float:
    if not len(values):
        return 0.0
    centred = values - np.add.reduce(values) / len(values)
    return math.sqrt(float(centred @ centred) / len(values))


def _add_percentiles(values: Values, name: str, percentiles: np.ndarray) -> None:
    for percent, value in zip(PERCENTILES, percentiles.tolist()):
        values[f"{name}/p{percent}"] = value
    values[f"{name}/range"] = float(percentiles[-1] - percentiles[0])


def _add_slopes(values: Values, name: str, change: np.ndarray, frame_period: float) -> None:
    """Add statistics of the slopes; `change` is over two frames."""
    slopes = np.clip(change, -MAX_CHANGE, MAX_CHANGE) / (2 * frame_period)
    for part, selected in (("rise", slopes[slopes > 0]), ("fall", -slopes[slopes < 0])):
        values[f"{name}/{part}"] = _mean(selected)
        values[f"{name}/{part}_dev"] = _deviation(selected)


def _run_lengths(frames: np.ndarray) -> np.ndarray:
    """Return the lengths in frames of the runs of True."""
    padded = np.zeros(len(frames) + 2, bool)
    padded[1:-1] = frames
    edges = np.flatnonzero(padded[1:] != padded[:-1])
    return (edges[1::2] - edges[::2]).astype(np.float64)
