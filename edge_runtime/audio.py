"""Audio files to mono float32 samples at the rate a model wants."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .errors import AudioError, ConfigError

# Rates that a resampler can be built for at reasonable cost; what lies outside is a damaged header.
LOWEST_RATE, HIGHEST_RATE = 1_000, 768_000


def read_audio(path: str | os.PathLike[str], sample_rate: int | None = 16_000) -> np.ndarray:
    """The samples of an audio file, mono, at `sample_rate` Hz (None: at the rate of the file).

    Reads what libsndfile reads: WAV of 8 to 32 bits and float, FLAC, OGG, MP3 and others.
    Channels are averaged. Resampling is soxr's "HQ".
    Returns float32 `(n_samples,)` within [-1, 1].
    Raises AudioError, naming the file, if it is missing, no audio, truncated or empty, or if it
    holds NaN or infinity.
    """
    samples, rate = _decode(Path(path))
    return resample(samples, rate, sample_rate or rate)


def resample(samples: np.ndarray, rate: float, sample_rate: float) -> np.ndarray:
    """`samples` `(n,)` at `rate` Hz, band-limited and resampled to `sample_rate` Hz, in [-1, 1]."""
    check_rates(rate, sample_rate)
    if rate != sample_rate:
        import soxr  # loaded only where needed: most models are fed at their own rate

        samples = soxr.resample(samples, rate, sample_rate, quality="HQ")
    return np.clip(samples, -1.0, 1.0)  # resampling overshoots at full scale


def check_rates(*rates: float) -> None:
    """ConfigError for a rate that nobody records at."""
    for rate in rates:
        if not LOWEST_RATE <= rate <= HIGHEST_RATE:
            raise ConfigError(
                f"sample_rate={rate!r} must be from {LOWEST_RATE} to {HIGHEST_RATE} Hz"
            )


def _decode(path: Path) -> tuple[np.ndarray, int]:
    """Mono float32 samples and the rate of a file."""
    if not path.exists():
        raise AudioError(f"{path}: no such file")
    if path.is_dir():
        raise AudioError(f"{path}: is a directory; give the audio files in it")
    try:
        with path.open("rb") as file:
            _check_complete(file, path)
            samples, rate = _read(file, path)
    except OSError as error:
        raise AudioError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(samples) == 0:
        raise AudioError(f"{path}: holds no samples")
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
    if not np.isfinite(mono).all():
        raise AudioError(f"{path}: holds samples that are NaN or infinite")
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise AudioError(
            f"{path}: claims {rate} samples per second; wanted {LOWEST_RATE} to {HIGHEST_RATE}"
        )
    return np.ascontiguousarray(mono), rate


def _read(file: BinaryIO, path: Path) -> tuple[np.ndarray, int]:
    import soundfile

    try:
        with soundfile.SoundFile(file) as sound:
            samples = sound.read(dtype="float32", always_2d=True)
            if len(samples) < sound.frames:
                raise AudioError(
                    f"{path}: is truncated: {sound.frames} samples are announced, "
                    f"{len(samples)} could be read"
                )
            return samples, sound.samplerate
    except (soundfile.SoundFileError, RuntimeError) as error:
        reason = str(getattr(error, "error_string", error)).strip().rstrip(".")
        raise AudioError(
            f"{path}: is not audio that can be read ({reason}); wanted WAV, FLAC, OGG or MP3"
        ) from error


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
            # Programs that write to a pipe cannot know the length and put 0 or the largest value.
            if length < 0x7FFF_F000 and position + length > size:
                raise AudioError(
                    f"{path}: is truncated: {length} bytes of samples are announced, "
                    f"{size - position} are there"
                )
            break
        position += length + length % 2
    file.seek(0)
