"""Audio files to mono float32 samples at the rate a model wants."""

from __future__ import annotations

import io
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
    return _at_rate(samples, rate, rate if sample_rate is None else sample_rate, path)


def read_audio_bytes(
    content: bytes, sample_rate: int | None = 16_000, *, name: str = "audio in memory"
) -> np.ndarray:
    """`read_audio` of what a file holds; `name` is what errors call it.

    A WAV may leave its length open, by zero or the largest number, as one from a pipe must.
    """
    path = Path(name)
    samples, rate = _decode(path, _with_length(content))
    return _at_rate(samples, rate, rate if sample_rate is None else sample_rate, path)


def _at_rate(samples: np.ndarray, rate: int, wanted: int, path: Path) -> np.ndarray:
    samples = np.clip(resample(samples, rate, wanted), -1.0, 1.0)  # a filter overshoots
    if len(samples) == 0:
        raise AudioError(f"{path}: is too short: no sample is left at {wanted} Hz")
    return samples


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


def _decode(path: Path, content: bytes | None = None) -> tuple[np.ndarray, int]:
    """Mono float32 samples and the rate of a file, or of its `content`."""
    if content is None:
        check_file(path)
    try:
        with path.open("rb") if content is None else io.BytesIO(content) as file:
            _check_complete(file, path)
    except OSError as error:
        raise AudioError(f"{path}: cannot be read: {reason(error)}") from error
    samples, rate = _read(path, path if content is None else io.BytesIO(content))
    if len(samples) == 0:
        raise AudioError(f"{path}: holds no samples")
    if not np.isfinite(samples).all():
        raise AudioError(f"{path}: holds samples that are NaN or infinite")
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise AudioError(
            f"{path}: claims {rate} samples per second; wanted {LOWEST_RATE} to {HIGHEST_RATE}"
        )
    return samples, rate


def _read(path: Path, source: Path | BinaryIO) -> tuple[np.ndarray, int]:
    """Mono float32 samples, read piece by piece: a header may announce more than there is."""
    import soundfile

    pieces = [np.empty(0, np.float32)]
    try:
        with soundfile.SoundFile(source) as sound:
            rate, announced = sound.samplerate, sound.frames
            # soundfile seeks after every read of what can seek; a FLAC of open length cannot.
            sound.seekable = lambda: False
            # No more memory than the clip fills: fresh pages cost more than decoding it.
            size = min(PIECE, announced + 1)
            # What libsndfile makes of 16 bits, in a fraction of its time.
            whole = sound.subtype == "PCM_16"
            kind = "int16" if whole else "float32"
            while len(piece := sound.read(size, dtype=kind, always_2d=True)):
                piece = piece * np.float32(2**-15) if whole else piece
                pieces.append(piece[:, 0] if piece.shape[1] == 1 else piece.mean(axis=1))
    except Exception as error:  # soundfile raises all kinds for what a file contains
        said = str(getattr(error, "error_string", error)).strip().rstrip(".")
        raise AudioError(
            f"{path}: is not audio that can be read ({said}); wanted WAV, FLAC, OGG or MP3"
        ) from error
    samples = np.concatenate(pieces) if len(pieces) > 2 else pieces[-1]
    if len(samples) < announced < UNKNOWN_LENGTH:
        raise AudioError(
            f"{path}: is truncated: {announced} samples are announced, "
            f"{len(samples)} could be read"
        )
    return samples, rate


def _check_complete(file: BinaryIO, path: Path) -> None:
    """AudioError if the file is empty or a WAV whose data end before its header says, which
    libsndfile reads without a word."""
    size = file.seek(0, os.SEEK_END)
    if size == 0:
        raise AudioError(f"{path}: is empty (0 bytes)")
    _, position, length = _wav_data(file)
    # Programs that write to a pipe cannot know the length and put the largest value.
    if length < 0x7FFF_F000 and position + length > size:
        raise AudioError(
            f"{path}: is truncated: {length} bytes of samples are announced, "
            f"{size - position} are there"
        )


def _wav_data(file: BinaryIO) -> tuple[int, int, int]:
    """Where a WAV ends by its header, where its samples begin and how many bytes they have by
    theirs; zeros if there is no WAV or if it has no samples.

    http://soundfile.sapp.org/doc/WaveFormat/
    """
    file.seek(0)
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
            return 8 + struct.unpack("<I", riff[4:8])[0], position, length
        position += length + length % 2
    return 0, 0, 0


def _with_length(content: bytes) -> bytes:
    """A WAV that was written to a pipe with zero for its length, with the largest instead."""
    end, position, length = _wav_data(io.BytesIO(content))
    if length or not position or end > position:  # something that the header knows of follows
        return content
    return content[: position - 4] + b"\xff" * 4 + content[position:]


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
