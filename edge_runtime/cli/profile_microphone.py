"""Record a speaker for a profile. No recording is played back or stored."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import typer

from ..audio.microphone import Microphone
from ..audio.pcm import mono
from ..audio.resample import resample
from ..errors import ConfigError
from .terminal import is_terminal

RECORDING_SECONDS = 60.0  # default of --microphone
MIN_SECONDS, MAX_SECONDS = 1, 3600  # of a recording

# Default of --microphone --labelled, for each clip. One sentence fits.
CLIP_SECONDS = 5.0
CLIPS_PER_LABEL = 3


def recording_seconds(clips: list[Path] | None, microphone: bool, labelled: bool) -> float:
    """Return the time of each recording in seconds, 0 without `--microphone`.

    Args:
        clips: The arguments.
        microphone: `--microphone`.
        labelled: `--labelled`.

    Raises:
        ConfigError: If the arguments and `--microphone` cannot be combined, or there are neither.
    """
    if not microphone:
        if not clips:
            raise ConfigError("no recordings given; pass recordings, or --microphone")
        return 0.0
    if not clips:
        return CLIP_SECONDS if labelled else RECORDING_SECONDS
    try:
        (seconds,) = (float(str(clip)) for clip in clips)
    except ValueError:
        raise ConfigError(
            f"--microphone and recordings ({clips[0]}) cannot be combined; pass either recordings "
            "or --microphone [SECONDS]"
        ) from None
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise ConfigError(
            f"--microphone {seconds:g} must be from {MIN_SECONDS} to {MAX_SECONDS} seconds"
        )
    return seconds


def record(seconds: float, sample_rate: int, device: str | None, channel: int | None) -> np.ndarray:
    """Record from the microphone, with a countdown on a terminal.

    Args:
        seconds: Duration.
        sample_rate: Rate of the samples to return in Hz.
        device: As for `Microphone`.
        channel: Channel to use, counted from 1. None: the mean of all.

    Returns:
        Samples, float32 `(n_samples,)`.
    """
    chunks: list[np.ndarray] = []
    with Microphone(device, channel) as source:
        left = round(seconds * source.sample_rate)
        for block in source:
            chunks.append(mono(block.samples, channel)[:left])
            left -= len(chunks[-1])
            if sys.stderr.isatty():
                typer.echo(f"\rspeak: {left / source.sample_rate:4.0f} s left ", nl=False, err=True)
            if not left:
                break
        if sys.stderr.isatty():
            typer.echo("", err=True)
        return resample(np.concatenate(chunks), source.sample_rate, sample_rate)


def record_labelled(
    labels: tuple[str, ...],
    seconds: float,
    sample_rate: int,
    device: str | None,
    channel: int | None,
) -> Iterator[tuple[np.ndarray, str]]:
    """Request `CLIPS_PER_LABEL` sentences in each mood, and yield each recording and its label.

    On a terminal, each recording begins with the Enter key, otherwise at once.

    Args:
        labels: The moods.
        seconds: Duration of each recording.
        sample_rate: Rate of the samples to return in Hz.
        device: As for `Microphone`.
        channel: Channel to use, counted from 1. None: the mean of all.
    """
    total = len(labels) * CLIPS_PER_LABEL
    typer.echo(
        f"{total} recordings of {seconds:g} s, {CLIPS_PER_LABEL} of each emotion. Speak a sentence "
        "of your choice each time, as you would in that mood. The recordings are not stored.",
        err=True,
    )
    for k, label in enumerate(labels):
        for number in range(1, CLIPS_PER_LABEL + 1):
            done = k * CLIPS_PER_LABEL + number
            message = f"{done} of {total}: {label}, sentence {number} of {CLIPS_PER_LABEL}"
            if is_terminal(sys.stdin):
                typer.echo(f"{message}; press Enter and speak ", nl=False, err=True)
                sys.stdin.readline()
            else:
                typer.echo(f"{message}; speak now", err=True)
            yield record(seconds, sample_rate, device, channel), label
