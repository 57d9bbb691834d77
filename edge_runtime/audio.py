"""Audio files to mono float32 samples at the rate a model wants."""

from __future__ import annotations

import math
import os
import stat
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .errors import AudioError, ConfigError, reason

# Rates that a resampler can be built for at reasonable cost; what lies outside is a damaged header.
LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000

PIECE = 1 << 18  # samples per channel that are decoded at once

# Encoders that write to a pipe leave the length open; libsndfile then reports the largest there is.
UNKNOWN_LENGTH = 1 << 60


def read_audio(path: str | os.PathLike[str], sample_rate: int | None = 16_000) -> np.ndarray:
    """The samples of an audio file, mono, at `sample_rate` Hz (None: at the rate of the file).

    Reads what libsndfile reads: WAV of 8 to 32 bits and float, FLAC, OGG, MP3 and others.
    Channels are averaged. Resampling is soxr's "HQ".
    Returns float32 `(n_samples,)` within [-1, 1].
    Raises AudioError, naming the file, if it is missing, no audio, truncated or empty, or if it
    holds NaN or infinity.
    """
    path = Path(path)
    samples, rate = _decode(path)
    wanted = rate if sample_rate is None else sample_rate
    samples = np.clip(resample(samples, rate, wanted), -1.0, 1.0)  # a filter overshoots
    if len(samples) == 0:
        raise AudioError(f"{path}: is too short: no sample is left at {wanted} Hz")
    return samples


def read_channels(
    path: str | os.PathLike[str], seconds: float = math.inf
) -> tuple[np.ndarray, int]:
    """The first `seconds` of an audio file as they are, and the rate of the file in Hz.

    Returns float32 `(n_samples, n_channels)`, not clipped, and raises what `read_audio` raises.
    """
    return _decode(Path(path), seconds, mixed=False)


def resample(samples: np.ndarray, rate: float, sample_rate: float) -> np.ndarray:
    """`samples` `(n,)` at `rate` Hz, band-limited and resampled to `sample_rate` Hz by soxr's HQ.

    At full scale the result may exceed it a little.
    """
    check_rates(rate, sample_rate)
    if rate == sample_rate:
        return samples
    import soxr  # loaded only where needed: most models are fed at their own rate

    return soxr.resample(samples, rate, sample_rate, quality="HQ")


def check_rates(*rates: float) -> None:
    """ConfigError for a rate that nobody records at."""
    for rate in rates:
        number = isinstance(rate, (int, float, np.number))
        if not number or not LOWEST_RATE <= rate <= HIGHEST_RATE:
            raise ConfigError(
                f"sample_rate={rate!r} must be from {LOWEST_RATE} to {HIGHEST_RATE} Hz"
            )


def check_file(path: Path) -> None:
    """AudioError unless there is a regular file: a pipe or a device could keep us waiting."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise AudioError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise AudioError(f"{path}: cannot be read: {reason(error)}") from error
    if stat.S_ISDIR(mode):
        raise AudioError(f"{path}: is a directory; give the audio files in it")
    if not stat.S_ISREG(mode):
        raise AudioError(f"{path}: is not a regular file")


def _decode(
    path: Path, seconds: float = math.inf, mixed: bool = True
) -> tuple[np.ndarray, int]:
    """The float32 samples of a file, mixed to mono or `(n, channels)`, and its rate."""
    check_file(path)
    try:
        with path.open("rb") as file:
            _check_complete(file, path)
    except OSError as error:
        raise AudioError(f"{path}: cannot be read: {reason(error)}") from error
    samples, rate = _read(path, seconds, mixed)
    if len(samples) == 0:
        raise AudioError(f"{path}: holds no samples")
    if not np.isfinite(samples).all():
        raise AudioError(f"{path}: holds samples that are NaN or infinite")
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise AudioError(
            f"{path}: claims {rate} samples per second; wanted {LOWEST_RATE} to {HIGHEST_RATE}"
        )
    return samples, rate


def _read(path: Path, seconds: float, mixed: bool) -> tuple[np.ndarray, int]:
    """float32 samples, read piece by piece: a header may announce more than there is."""
    import soundfile

    pieces: list[np.ndarray] = []
    n_read = 0
    try:
        with soundfile.SoundFile(path) as sound:
            rate, announced = sound.samplerate, sound.frames
            # soundfile seeks after every read of what can seek; a FLAC of open length cannot.
            sound.seekable = lambda: False
            wanted = UNKNOWN_LENGTH if seconds == math.inf else int(seconds * rate)
            while n_read < wanted and len(
                piece := sound.read(PIECE, dtype="float32", always_2d=True)
            ):
                n_read += len(piece)
                if mixed:
                    piece = piece[:, 0] if piece.shape[1] == 1 else piece.mean(axis=1)
                pieces.append(piece)
    except Exception as error:  # soundfile raises all kinds for what a file contains
        said = str(getattr(error, "error_string", error)).strip().rstrip(".")
        raise AudioError(
            f"{path}: is not audio that can be read ({said}); wanted WAV, FLAC, OGG or MP3"
        ) from error
    if n_read < min(announced, wanted) and announced < UNKNOWN_LENGTH:
        raise AudioError(
            f"{path}: is truncated: {announced} samples are announced, {n_read} could be read"
        )
    samples = np.concatenate(pieces) if pieces else np.empty(0, np.float32)
    return samples[:wanted], rate


def _check_complete(file: BinaryIO, path: Path) -> None:
    """AudioError if the file is empty or a WAV whose data end before its header says.

    libsndfile reads a cut-off WAV without a word, so the RIFF chunks are walked here.
    http://soundfile.sapp.org/doc/WaveFormat/
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size == 0:
        raise AudioError(f"{path}: is empty (0 bytes)")
    riff = file.read(12)
    position = 12
    while riff[:4] == b"RIFF" and riff[8:] == b"WAVE":
        file.seek(position)
        header = file.read(8)
        if len(header) < 8:
            break
        name, length = struct.unpack("<4sI", header)
        position += 8
        if name == b"data":
            # Programs that write to a pipe cannot know the length and put the largest value.
            if length < 0x7FFF_F000 and position + length > size:
                raise AudioError(
                    f"{path}: is truncated: {length} bytes of samples are announced, "
                    f"{size - position} are there"
                )
            break
        position += length + length % 2


class StreamResampler:
    """`resample` for samples that come in chunks: all outputs together are the whole clip's.

    Equal rates pass through as they are.
    """

    def __init__(self, sample_rate: float, wanted: int) -> None:
        check_rates(sample_rate, wanted)
        self._stream = None
        if sample_rate != wanted:
            import soxr

            self._stream = soxr.ResampleStream(
                sample_rate, wanted, 1, dtype="float32", quality="HQ"
            )

    def push(self, samples: np.ndarray, last: bool = False) -> np.ndarray:
        """What follows from `samples (n,)`; `last` adds what was held back, and ends the clip."""
        if self._stream is None:
            return samples
        return self._stream.resample_chunk(samples.astype(np.float32, copy=False), last=last)
