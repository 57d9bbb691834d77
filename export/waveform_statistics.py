"""Statistics of a clip as a part of the waveform graph, in standard operators.

They equal `edge_runtime.features.functionals`, which defines them, and for clips longer than
`BLOCK_SECONDS` those of `RunningFunctionals`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from edge_runtime.features.descriptor_config import COLUMN
from edge_runtime.features.functionals import (
    ALL_FRAMES,
    MAX_CHANGE,
    MAX_JITTER,
    PERCENTILES,
    REGRESSION_VARIANCE,
    REGRESSIONS,
    SPEECH_RANGE_DB,
    VOICED_ONLY,
)
from edge_runtime.features.running_functionals import BLOCK_SECONDS

LARGE = 1e9  # beyond all values that are sorted

MOMENTS = ("mean", "dev")
PERCENTILE_NAMES = (*(f"p{percent}" for percent in PERCENTILES), "range")

# Names and their values `(n_blocks, n_names)`.
Values = list[tuple[Sequence[str], torch.Tensor]]


class WaveformStatistics(nn.Module):
    """Compute the statistics of a batch of clips of the same length.

    Inside, frames are `(n_blocks, n_columns, n_frames)` and masks are 0 or 1 in the same shape, or
    with one column. The blocks of a batch of clips longer than `BLOCK_SECONDS` are computed at
    once.

    Args:
        names: The statistics to return.
        n_mfcc: Number of coefficients.
        frame_period: Seconds from one frame to the next.
    """

    def __init__(self, names: Sequence[str], n_mfcc: int, frame_period: float) -> None:
        super().__init__()
        self.names = tuple(names)
        self.n_mfcc = n_mfcc
        self.frame_period = frame_period
        self.block_frames = max(1, round(BLOCK_SECONDS / frame_period))

    def forward(self, mfcc: torch.Tensor, descriptors: torch.Tensor) -> torch.Tensor:
        """Return the statistics of whole clips.

        Args:
            mfcc: Coefficients `(batch, n_frames, n_mfcc)`.
            descriptors: Voice descriptors `(batch, n_frames, n_descriptors)`.

        Returns:
            The statistics `(batch, n_names)`, NaN where they are undefined.
        """
        rows = torch.cat([mfcc, descriptors, torch.ones_like(mfcc[:, :, :1])], dim=2)
        # The shape of a slice, because a graph has no minimum of integers before opset 12.
        length = rows[:, : self.block_frames].shape[1]
        n_blocks = (rows.shape[1] + length - 1) // length
        padded = torch.cat([rows, 0 * rows[:, :length]], dim=1)[:, : n_blocks * length]
        blocks = padded.reshape(-1, length, rows.shape[2]).transpose(1, 2)
        inside = blocks[:, -1:]  # 0 for padding
        values = self._of_blocks(blocks[:, : self.n_mfcc], blocks[:, self.n_mfcc : -1], inside)
        values = values.reshape(rows.shape[0], -1, len(self.names))
        n_frames = inside.sum(dim=2).reshape(rows.shape[0], -1, 1)
        undefined = torch.isnan(values)
        weights = torch.where(undefined, 0.0, n_frames)
        values = torch.where(undefined, 0.0, values)
        return or_nan((values * weights).sum(dim=1) / weights.sum(dim=1), weights.sum(dim=1))

    def _of_blocks(
        self, mfcc: torch.Tensor, descriptors: torch.Tensor, inside: torch.Tensor
    ) -> torch.Tensor:
        """Return the statistics of each block, `(n_blocks, n_names)`."""
        loudness = column(descriptors, "loudness")
        loud = percentiles(loudness, inside, (95,))
        speech = (loudness > loud - SPEECH_RANGE_DB).to(mfcc.dtype) * inside
        values: Values = []
        self._add_descriptors(values, descriptors, speech)
        self._add_mfcc(values, mfcc, speech)
        names = [name for group, _ in values for name in group]
        order = [names.index(name) for name in self.names]
        return torch.cat([part for _, part in values], dim=1)[:, order]

    def _add_descriptors(
        self, values: Values, descriptors: torch.Tensor, speech: torch.Tensor
    ) -> None:
        count = torch.cumsum(speech, dim=2)
        # From the first to the last speech frame.
        cut = ((count > 0) & (count[:, :, -1:] - count + speech > 0)).to(speech.dtype)
        f0, loudness = column(descriptors, "f0"), column(descriptors, "loudness")
        voiced = speech * (f0 > 0)
        unvoiced = speech - voiced
        relative = loudness - mean(loudness, speech)
        self._add_moments(values, descriptors, relative, voiced, unvoiced)
        self._add_percentiles(values, descriptors, relative, voiced, speech)
        self._add_changes(values, f0, loudness, cut, voiced)
        self._add_rates(values, loudness, cut, speech, voiced)

    def _add_moments(
        self,
        values: Values,
        descriptors: torch.Tensor,
        relative: torch.Tensor,
        voiced: torch.Tensor,
        unvoiced: torch.Tensor,
    ) -> None:
        at = COLUMN["loudness"]
        frames = torch.cat([descriptors[:, :at], relative, descriptors[:, at + 1 :]], dim=1)
        n_voiced = voiced.sum(dim=2)
        for names, mask, kind in (
            (("f0", *ALL_FRAMES, *VOICED_ONLY), voiced, "voiced"),
            (ALL_FRAMES, unvoiced, "unvoiced"),
        ):
            selected = columns(frames, names)
            for moment, function in zip(MOMENTS, (mean, deviation)):
                values.append(
                    (
                        [
                            f"{name}/{moment}" if name == "f0" else f"{name}/{kind}/{moment}"
                            for name in names
                        ],
                        or_nan(function(selected, mask)[:, :, 0], mask.sum(dim=2)),
                    )
                )
        values.append((["loudness/voiced"], mean(relative, voiced)[:, :, 0]))
        values.append((["loudness/voiced_dev"], deviation(relative, voiced)[:, :, 0]))
        centred = (frames - mean(frames, voiced)) * voiced
        x, y = (columns(centred, names) for names in zip(*REGRESSIONS))
        variance = (x * x).sum(dim=2) + REGRESSION_VARIANCE * n_voiced.clamp(min=1)
        slopes = (x * y).sum(dim=2) / variance * (n_voiced > 2)
        values.append(([f"slope/{x}/{y}" for x, y in REGRESSIONS], slopes))

    def _add_percentiles(
        self,
        values: Values,
        descriptors: torch.Tensor,
        relative: torch.Tensor,
        voiced: torch.Tensor,
        speech: torch.Tensor,
    ) -> None:
        names = ("f0", *ALL_FRAMES)
        of_voiced = percentiles(columns(descriptors, names), voiced, PERCENTILES)
        for k, name in enumerate(names):
            prefix = name if name == "f0" else f"{name}/voiced"
            named = [f"{prefix}/{percentile}" for percentile in PERCENTILE_NAMES]
            values.append((named, or_nan(with_range(of_voiced[:, k]), voiced.sum(dim=2))))
        of_speech = percentiles(relative, speech, PERCENTILES)
        named = [f"loudness/{percentile}" for percentile in PERCENTILE_NAMES]
        values.append((named, with_range(of_speech[:, 0])))
        linear = 10 ** (relative * speech / 10)
        values.append((["loudness/dev"], deviation(relative, speech)[:, :, 0]))
        cov = deviation(linear, speech) / mean(linear, speech)
        values.append((["loudness/cov"], cov[:, :, 0]))

    def _add_changes(
        self,
        values: Values,
        f0: torch.Tensor,
        loudness: torch.Tensor,
        cut: torch.Tensor,
        voiced: torch.Tensor,
    ) -> None:
        frames = torch.cat([f0, loudness], dim=1)
        rise, fall = after(frames) - frames, frames - before(frames)
        slopes = (after(frames) - before(frames)).clamp(-MAX_CHANGE, MAX_CHANGE)
        slopes = slopes / (2 * self.frame_period)
        three_voiced = voiced * before(voiced) * after(voiced)
        masks = torch.cat([three_voiced, before(cut) * after(cut)], dim=1)
        slopes = torch.cat([slopes, -slopes], dim=1)
        masks = torch.cat([masks, masks], dim=1) * (slopes > 0)
        for suffix, function in (("", mean), ("_dev", deviation)):
            named = [
                f"{name}/{part}{suffix}" for part in ("rise", "fall") for name in ("f0", "loudness")
            ]
            values.append((named, function(slopes, masks)[:, :, 0]))
        second = (rise - fall).abs()
        jitter = mean(second[:, :1].clamp(max=MAX_JITTER), three_voiced)
        values.append((["f0/jitter"], jitter[:, :, 0]))
        values.append((["loudness/shimmer"], mean(second[:, 1:], three_voiced)[:, :, 0]))

    def _add_rates(
        self,
        values: Values,
        loudness: torch.Tensor,
        cut: torch.Tensor,
        speech: torch.Tensor,
        voiced: torch.Tensor,
    ) -> None:
        n_frames = cut.sum(dim=2)
        seconds = n_frames * self.frame_period
        is_peak = (loudness > before(loudness)) & (loudness >= after(loudness))
        peaks = is_peak * speech * before(cut) * after(cut)
        values.append((["rate/peaks"], peaks.sum(dim=2) / seconds))
        kinds = torch.cat([voiced, cut - speech, cut - voiced], dim=1)
        lengths, is_run = run_lengths(kinds)
        for name, part in (
            ("rate/{}", is_run.sum(dim=2) / seconds),
            ("length/{}", mean(lengths, is_run)[:, :, 0] * self.frame_period),
            ("length/{}_dev", deviation(lengths, is_run)[:, :, 0] * self.frame_period),
            ("fraction/{}", kinds.sum(dim=2) / n_frames),
        ):
            values.append(([name.format(kind) for kind in ("voiced", "pause", "unvoiced")], part))

    def _add_mfcc(self, values: Values, mfcc: torch.Tensor, speech: torch.Tensor) -> None:
        average = mean(mfcc, speech)
        changes = (mfcc - before(mfcc)).abs()
        parts = [
            ("mean", average),
            ("dev", deviation(mfcc, speech)),
            ("delta", mean(changes, speech * before(speech))),
        ]
        ordered = percentiles(mfcc - average, speech, PERCENTILES)
        parts += [(f"p{percent}", ordered[:, :, k]) for k, percent in enumerate(PERCENTILES)]
        for name, part in parts:
            values.append(([f"c{k}/{name}" for k in range(self.n_mfcc)], part.flatten(1)))


def column(descriptors: torch.Tensor, name: str) -> torch.Tensor:
    """Return the frames of one descriptor, `(n_blocks, 1, n_frames)`."""
    return descriptors[:, COLUMN[name] : COLUMN[name] + 1]


def columns(descriptors: torch.Tensor, names: Sequence[str]) -> torch.Tensor:
    """Return the frames of several descriptors, `(n_blocks, n_names, n_frames)`."""
    return descriptors[:, [COLUMN[name] for name in names]]


def before(values: torch.Tensor) -> torch.Tensor:
    """Return the values of the frame before each frame, 0 for the first one."""
    return torch.cat([0 * values[:, :, :1], values[:, :, :-1]], dim=2)


def after(values: torch.Tensor) -> torch.Tensor:
    """Return the values of the frame after each frame, 0 for the last one."""
    return torch.cat([values[:, :, 1:], 0 * values[:, :, :1]], dim=2)


def mean(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the mean over the frames of a mask, 0 without any; the axis is kept."""
    count = mask.sum(dim=2, keepdim=True).clamp(min=1)
    return (values * mask).sum(dim=2, keepdim=True) / count


def deviation(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the standard deviation over the frames of a mask, 0 without any."""
    centred = values - mean(values, mask)
    return torch.sqrt(mean(centred * centred, mask))


def percentiles(
    values: torch.Tensor, mask: torch.Tensor, percents: tuple[int, ...]
) -> torch.Tensor:
    """Return percentiles over the frames of a mask, with linear interpolation.

    Args:
        values: `(n_blocks, n_columns, n_frames)`.
        mask: `(n_blocks, 1, n_frames)`.
        percents: The percentiles.

    Returns:
        `(n_blocks, n_columns, n_percents)`; not defined without frames.
    """
    ordered = torch.where(mask > 0, values, LARGE).sort(dim=2).values
    last = (mask.sum(dim=2, keepdim=True) - 1).clamp(min=0)
    hundredths = last * torch.tensor(percents, dtype=values.dtype)
    below = torch.floor((hundredths + 0.5) / 100)  # the quotient of two integers, rounded down
    share = (hundredths - 100 * below) / 100
    low, high = (
        torch.gather(ordered, 2, index.long().expand(-1, values.shape[1], -1))
        for index in (below, torch.minimum(below + 1, last))
    )
    return low + (high - low) * share


def with_range(values: torch.Tensor) -> torch.Tensor:
    """Append the difference of the last and the first percentile."""
    return torch.cat([values, values[:, -1:] - values[:, :1]], dim=1)


def run_lengths(kinds: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the lengths of the runs of 1, in the first of the columns, and the mask of those.

    Args:
        kinds: Masks `(n_blocks, n_kinds, n_frames)`.
    """
    count = torch.cumsum(kinds, dim=2)
    is_end = kinds * (1 - after(kinds)) > 0
    # The numbers of frames up to the end of each run, in order, and then LARGE.
    ends = torch.where(is_end, count, LARGE).sort(dim=2).values
    is_run = (ends < LARGE).to(kinds.dtype)
    return (ends - before(ends)) * is_run, is_run


def or_nan(values: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
    """Return the values where the count is positive, else NaN."""
    return torch.where(count > 0, values, torch.nan)
