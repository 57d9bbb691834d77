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

import numpy as np

from ..errors import AudioError
from .descriptor_config import COLUMN, DESCRIPTORS

# Frames within this range of the loudest twentieth are speech: 33 dB of power, compressed by 0.33.
SPEECH_RANGE_DB = 11.0

PERCENTILES = (20, 50, 80)
MAX_CHANGE = 8.0  # semitones or dB over two frames; larger ones are octave errors and clicks
MAX_JITTER = 4.0  # semitones

# Descriptors with statistics over voiced and unvoiced frames, and over voiced frames only.
_ALL_FRAMES = (
    "voicing",
    "hnr",
    "slope_0_500",
    "slope_500_1500",
    "alpha_ratio",
    "hammarberg",
    "flux",
)
_VOICED_ONLY = ("h1_h2", "h1_a1", "h1_a3")
_REGRESSIONS = (  # of the second on the first
    ("f0", "loudness"),
    ("loudness", "alpha_ratio"),
    ("f0", "alpha_ratio"),
    ("loudness", "slope_500_1500"),
    ("f0", "h1_a1"),
)
# Added to the variance of the first: the slope of a nearly constant descriptor tends to 0.
_REGRESSION_VARIANCE = 0.5

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
    values = descriptor_functionals(descriptors, frame_period)
    values |= mfcc_functionals(mfcc, speech_frames(descriptors[:, COLUMN["loudness"]]))
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
    return np.asarray(loudness > np.percentile(loudness, 95) - SPEECH_RANGE_DB)


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
    frames = descriptors.astype(np.float64)
    speech = speech_frames(frames[:, COLUMN["loudness"]])
    first, last = np.flatnonzero(speech)[[0, -1]]
    frames, speech = frames[first : last + 1], speech[first : last + 1]
    columns = {name: frames[:, column] for name, column in COLUMN.items()}
    voiced = speech & (columns["f0"] > 0)
    unvoiced = speech & ~voiced
    loudness = columns["loudness"] - columns["loudness"][speech].mean()
    three_voiced = voiced[2:] & voiced[1:-1] & voiced[:-2]

    values: Values = {}
    _add_pitch(values, columns["f0"], voiced, three_voiced, frame_period)
    _add_loudness(values, loudness, speech, voiced, three_voiced, frame_period)
    for name in _ALL_FRAMES:
        _add_moments(values, f"{name}/voiced", columns[name][voiced])
        _add_percentiles(values, f"{name}/voiced", columns[name][voiced])
        _add_moments(values, f"{name}/unvoiced", columns[name][unvoiced])
    for name in _VOICED_ONLY:
        _add_moments(values, f"{name}/voiced", columns[name][voiced])
    for x, y in _REGRESSIONS:
        values[f"slope/{x}/{y}"] = _regression_slope(columns[x][voiced], columns[y][voiced])
    _add_rates(values, loudness, speech, voiced, frame_period)
    return values


def _add_pitch(
    values: Values,
    f0: np.ndarray,
    voiced: np.ndarray,
    three_voiced: np.ndarray,
    frame_period: float,
) -> None:
    _add_moments(values, "f0", f0[voiced])
    _add_percentiles(values, "f0", f0[voiced])
    _add_slopes(values, "f0", (f0[2:] - f0[:-2])[three_voiced], frame_period)
    jitter = np.minimum(np.abs(np.diff(f0, 2))[three_voiced], MAX_JITTER)
    values["f0/jitter"] = _mean(jitter)


def _add_loudness(
    values: Values,
    loudness: np.ndarray,
    speech: np.ndarray,
    voiced: np.ndarray,
    three_voiced: np.ndarray,
    frame_period: float,
) -> None:
    values["loudness/dev"] = _deviation(loudness[speech])
    linear = 10 ** (loudness[speech] / 10)
    values["loudness/cov"] = float(linear.std() / linear.mean())
    _add_percentiles(values, "loudness", loudness[speech])
    _add_slopes(values, "loudness", loudness[2:] - loudness[:-2], frame_period)
    values["loudness/shimmer"] = _mean(np.abs(np.diff(loudness, 2))[three_voiced])
    values["loudness/voiced"] = _mean(loudness[voiced])
    values["loudness/voiced_dev"] = _deviation(loudness[voiced])


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
    coefficients = mfcc.astype(np.float64)
    frames = coefficients[speech]
    mean, deviation = frames.mean(axis=0), frames.std(axis=0)
    percentiles = np.percentile(frames, PERCENTILES, axis=0) - mean
    changes = np.abs(np.diff(coefficients, axis=0))[speech[1:] & speech[:-1]]
    delta = changes.mean(axis=0) if len(changes) else np.zeros(mfcc.shape[1])
    values: Values = {}
    for k in range(mfcc.shape[1]):
        if k > 0:
            values[f"c{k}/mean"] = float(mean[k])
        values[f"c{k}/dev"] = float(deviation[k])
        for percent, value in zip(PERCENTILES, percentiles[:, k]):
            values[f"c{k}/p{percent}"] = float(value)
        values[f"c{k}/delta"] = float(delta[k])
    return values


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0


def _deviation(values: np.ndarray) -> float:
    return float(values.std()) if len(values) else 0.0


def _add_moments(values: Values, name: str, frames: np.ndarray) -> None:
    values[f"{name}/mean"] = float(frames.mean()) if len(frames) else np.nan
    values[f"{name}/dev"] = float(frames.std()) if len(frames) else np.nan


def _add_percentiles(values: Values, name: str, frames: np.ndarray) -> None:
    percentiles = np.percentile(frames, PERCENTILES) if len(frames) else np.full(3, np.nan)
    for percent, value in zip(PERCENTILES, percentiles):
        values[f"{name}/p{percent}"] = float(value)
    values[f"{name}/range"] = float(percentiles[-1] - percentiles[0])


def _add_slopes(values: Values, name: str, change: np.ndarray, frame_period: float) -> None:
    """Add statistics of the slopes; `change` is over two frames."""
    slopes = np.clip(change, -MAX_CHANGE, MAX_CHANGE) / (2 * frame_period)
    for part, selected in (("rise", slopes[slopes > 0]), ("fall", -slopes[slopes < 0])):
        values[f"{name}/{part}"] = _mean(selected)
        values[f"{name}/{part}_dev"] = _deviation(selected)


def _regression_slope(x: np.ndarray, y: np.ndarray) -> float:
    if len(x) < 3:
        return 0.0
    x = x - x.mean()
    return float(x @ (y - y.mean()) / (x @ x + _REGRESSION_VARIANCE * len(x)))


def _run_lengths(frames: np.ndarray) -> np.ndarray:
    """Return the lengths in frames of the runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], frames.astype(np.int8), [0]])))
    return (edges[1::2] - edges[::2]).astype(np.float64)
