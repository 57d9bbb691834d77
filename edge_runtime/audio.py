"""Audio files to mono float32 samples at the rate a model wants."""

from __future__ import annotations

import io
import math
import os
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from .errors import AudioError, ConfigError, reason
from .pcm import OPEN_LENGTH
from .wav import Header, Pcm16File, read_header, with_length

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
    return _whole(AudioFile(path), sample_rate)


def read_audio_bytes(
    content: bytes, sample_rate: int | None = 16_000, *, name: str = "audio in memory"
) -> np.ndarray:
    """`read_audio` of what a file holds; `name` is what errors call it.

    A WAV may leave its length open, by zero or the largest number, as one from a pipe must.
    """
    return _whole(AudioFile(name, with_length(content)), sample_rate)


def read_channels(
    path: str | os.PathLike[str], seconds: float = math.inf
) -> tuple[np.ndarray, int]:
    """The first `seconds` of an audio file as they are, and the rate of the file in Hz.

    Returns float32 `(n_samples, n_channels)`, not clipped, and raises what `read_audio` raises.
    """
    file = AudioFile(path)
    pieces, read = [], 0
    for piece in file.channels():
        pieces.append(piece)
        read += len(piece)
        if read >= seconds * file.sample_rate:
            break
    end = None if seconds == math.inf else int(seconds * file.sample_rate)
    return np.concatenate(pieces)[:end], file.sample_rate


def _whole(file: AudioFile, sample_rate: int | None) -> np.ndarray:
    wanted = file.sample_rate if sample_rate is None else sample_rate
    pieces = list(file)
    samples = np.concatenate(pieces) if len(pieces) > 1 else pieces[0]
    samples = resample(samples, file.sample_rate, wanted)
    np.clip(samples, -1.0, 1.0, out=samples)  # a filter overshoots
    if len(samples) == 0:
        raise AudioError(f"{file.path}: is too short: no sample is left at {wanted} Hz")
    return samples


def in_pieces(samples: np.ndarray) -> Iterator[np.ndarray]:
    """Samples `(n,)` in such pieces as a file is read in."""
    return (samples[k : k + PIECE] for k in range(0, len(samples), PIECE))


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


class AudioFile:
    """An audio file that is decoded piece by piece, so that its length costs no memory.

    `sample_rate` in Hz; `n_samples` per channel as the header has it, None where it leaves that
    open. With `content`, that is what the file holds, and `path` what errors call it. Raises
    AudioError, naming the file, for what cannot be used, as soon as it is met.
    """

    def __init__(self, path: str | os.PathLike[str], content: bytes | None = None) -> None:
        self.path = path = Path(path)
        if content is None:
            check_file(path)
        try:
            file = path.open("rb") if content is None else io.BytesIO(content)
            try:
                header = read_header(file)
                _check_complete(file.seek(0, os.SEEK_END), header, path)
                plain = Pcm16File.open(file, header)
            except BaseException:
                file.close()
                raise
        except OSError as error:
            raise AudioError(f"{path}: cannot be read: {reason(error)}") from error
        self._sound: Any = plain
        if plain is None:
            file.close()
            self._sound = self._decoder(content)
        self.sample_rate: int = self._sound.samplerate
        announced = self._sound.frames
        self.n_samples = announced if announced < UNKNOWN_LENGTH else None
        if not LOWEST_RATE <= self.sample_rate <= HIGHEST_RATE:
            self._sound.close()
            raise AudioError(
                f"{path}: claims {self.sample_rate} samples per second; wanted {LOWEST_RATE} to "
                f"{HIGHEST_RATE}"
            )

    def __iter__(self) -> Iterator[np.ndarray]:
        """The samples, mono float32 `(n,)`, piece by piece, once."""
        for piece in self.channels():
            yield piece[:, 0] if piece.shape[1] == 1 else piece.mean(axis=1)

    def channels(self) -> Iterator[np.ndarray]:
        """The same as they are in the file, float32 `(n, n_channels)`."""
        # No more memory than the clip fills: fresh pages cost more than decoding it.
        size = PIECE if self.n_samples is None else min(PIECE, self.n_samples + 1)
        read = 0
        with closing(self._sound):
            while len(piece := self._read(size)):
                read += len(piece)
                yield piece
        if read < (self.n_samples or 0):
            raise AudioError(
                f"{self.path}: is truncated: {self.n_samples} samples are announced, "
                f"{read} could be read"
            )
        if read == 0:
            raise AudioError(f"{self.path}: holds no samples")

    def _read(self, size: int) -> np.ndarray:
        # What libsndfile makes of 16 bits, in a fraction of its time.
        whole = self._sound.subtype == "PCM_16"
        with self._decoding():
            piece = self._sound.read(size, dtype="int16" if whole else "float32", always_2d=True)
        if whole:
            return piece * np.float32(2**-15)
        if not np.isfinite(piece).all():
            raise AudioError(f"{self.path}: holds samples that are NaN or infinite")
        return piece

    def _decoder(self, content: bytes | None) -> Any:
        """libsndfile at the file, or at its content."""
        import soundfile

        with self._decoding():
            # As bytes: names on old disks need not be text.
            name = self.path if os.name == "nt" else os.fsencode(self.path)
            sound = soundfile.SoundFile(name if content is None else io.BytesIO(content))
        # soundfile seeks after every read of what can seek; a FLAC of open length cannot.
        sound.seekable = lambda: False
        return sound

    @contextmanager
    def _decoding(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # soundfile raises all kinds for what a file contains
            said = str(getattr(error, "error_string", error)).strip().rstrip(".")
            raise AudioError(
                f"{self.path}: is not audio that can be read ({said}); wanted WAV, FLAC, OGG or MP3"
            ) from error


def _check_complete(size: int, header: Header | None, path: Path) -> None:
    """AudioError if the file is empty or a WAV whose samples end before its header says, which
    libsndfile reads without a word."""
    if size == 0:
        raise AudioError(f"{path}: is empty (0 bytes)")
    # Programs that write to a pipe cannot know the length and put the largest value.
    if header and header.n_bytes < OPEN_LENGTH and header.start + header.n_bytes > size:
        raise AudioError(
            f"{path}: is truncated: {header.n_bytes} bytes of samples are announced, "
            f"{size - header.start} are there"
        )


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
