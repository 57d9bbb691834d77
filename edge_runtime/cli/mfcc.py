"""`edge-ser mfcc`: the MFCC of one clip as an array or a table."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from ..errors import AudioError, ConfigError
from .options import ForceOption

if TYPE_CHECKING:
    import numpy as np

    from ..features.mfcc import Mfcc


def mfcc(
    path: Annotated[
        Path, typer.Argument(metavar="CLIP", readable=False, help="An audio file, or - for stdin.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write a .npy array (n_frames, n_mfcc) or a .csv table [default: CSV on stdout].",
        ),
    ] = None,
    force: ForceOption = False,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Front-end setting, such as hop_length=320; repeatable.",
        ),
    ] = None,
    python_speech_features: Annotated[
        bool, typer.Option("--psf", help="Start from the conventions of python_speech_features.")
    ] = False,
) -> None:
    """Write the MFCC of a clip.

    The defaults are librosa.feature.mfcc(sr=16000, n_mfcc=13, n_fft=512, hop_length=160,
    n_mels=40) without its clamp (top_db=80 restores it). The first column of a table is the time
    of the frame's centre in seconds.

    \b
    Examples:
      edge-ser mfcc clip.wav -o features.npy
      edge-ser mfcc clip.wav --set n_mels=80 --set top_db=80 > features.csv
      edge-ser mfcc clip.wav --psf
      sox clip.aiff -t wav - | edge-ser mfcc - > features.csv
    """  # noqa: D301
    if output is not None:
        from ..files import check_writable

        if output.suffix.lower() not in (".npy", ".csv"):
            raise ConfigError(f"--output {output}: expected a name that ends in .npy or .csv")
        check_writable(output, force)
    from ..features.config import MfccConfig
    from ..features.mfcc import Mfcc

    config = MfccConfig.python_speech_features() if python_speech_features else MfccConfig()
    front_end = Mfcc(config.with_settings(settings or []))
    features = _compute(path, front_end)
    _write(features, front_end.framing.frame_times(len(features)), output)
    if output is not None:
        period = 1000 * front_end.config.frame_period
        print(f"{output}: {len(features)} frames, one every {period:g} ms", file=sys.stderr)


def _compute(path: Path, front_end: Mfcc) -> np.ndarray:
    """Read a clip and return its MFCC `(n_frames, n_mfcc)`; errors name the file."""
    from ..audio.limits import AudioLimits
    from ..audio.read import read_audio, read_whole

    try:
        if str(path) == "-":
            from ..audio.stdin import read_all_stdin

            samples = read_whole(read_all_stdin(None, AudioLimits()), front_end.config.sample_rate)
        else:
            samples = read_audio(path, front_end.config.sample_rate)
        return front_end(samples)
    except AudioError as error:
        raise error if str(path) in str(error) else AudioError(f"{path}: {error}") from error


def _write(features: np.ndarray, times: np.ndarray, output: Path | None) -> None:
    """Write a table to stdout, or a file of the format that the suffix of `output` names."""
    if output is None:
        _write_table(features, times, sys.stdout)
        return
    from ..files import atomic_replace

    with atomic_replace(output) as temporary:
        if output.suffix.lower() == ".npy":
            import numpy as np

            content = io.BytesIO()  # numpy's own error for a full disk has no reason in it
            np.save(content, features)
            temporary.write_bytes(content.getvalue())
        else:
            with temporary.open("w", newline="") as table:
                _write_table(features, times, table)


def _write_table(features: np.ndarray, times: np.ndarray, file: TextIO) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["time", *(f"mfcc_{k}" for k in range(features.shape[1]))])
    for time, row in zip(times, features):
        writer.writerow([f"{time:.6f}", *(f"{value:.5f}" for value in row)])
