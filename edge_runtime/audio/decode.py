"""Decode an audio file in blocks, without trusting anything in it."""

from __future__ import annotations

import contextlib
import io
import itertools
import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..errors import AudioError, EdgeSerError
from ..messages import system_reason
from ..notes import note
from .limits import MAX_MISSING_SECONDS, MAX_RATE, MIN_RATE, NO_LIMITS, AudioLimits
from .pcm import MAX_CHANNELS, check_channel, mono
from .resample import StreamResampler
from .streams import next_start, open_stream

BLOCK_SAMPLES = 1 << 18  # per channel, for up to two channels; less for more of them

# A block of a compressed file that contains an error is lost, so it is at most about a second.
COMPRESSED_FORMATS, COMPRESSED_BLOCK_SAMPLES = ("FLAC", "OGG", "MP3"), 1 << 14

MAX_STREAMS = 1000  # one after the other; opening one takes longer than decoding a frame

# Full scale is 1, and float recordings may exceed it. Samples 60 dB above it are scaled as integers
# or damaged; clipping them to full scale would leave only noise.
MAX_SAMPLE = 1000.0


def check_regular_file(path: Path) -> None:
    """Raise AudioError unless a path is a regular file; reading a pipe or device could block."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        hint = "; only classify, mfcc and listen read standard input" if str(path) == "-" else ""
        raise AudioError(f"{path}: no such file{hint}") from None
    except (OSError, ValueError) as error:
        raise AudioError(f"{path}: cannot be read: {system_reason(error)}") from error
    if stat.S_ISDIR(mode):
        raise AudioError(f"{path}: is a directory; give the audio files in it")
    if stat.S_ISFIFO(mode):
        raise AudioError(f"{path}: is a pipe; pass - instead, and redirect it with <")
    if not stat.S_ISREG(mode):
        raise AudioError(f"{path}: is not a regular file")


def check_sample_values(samples: np.ndarray, path: Path) -> None:
    """Raise AudioError, naming `path`, if samples are NaN, infinite or far above full scale."""
    lowest, highest = float(samples.min(initial=0.0)), float(samples.max(initial=0.0))
    if not math.isfinite(lowest) or not math.isfinite(highest):
        raise AudioError(f"{path}: holds samples that are not finite: NaN or infinite")
    peak = max(-lowest, highest)
    if peak > MAX_SAMPLE:
        raise AudioError(
            f"{path}: holds samples as large as {peak:.4g}, but full scale is 1: divide integers "
            "by the largest value of their type"
        )


class AudioFile:
    """An audio file that is decoded in blocks, so that its length costs no memory.

    The header is checked at once, the samples while they are read. Iterate over it once. Several
    streams in one file, such as joined MP3, are read one after the other, at the rate of the first.

    Args:
        path: The file.
        content: The bytes of the file; `path` is then only its name in messages.
        limits: Maximum duration and size. Default: unlimited.
        channel: Channel to use, counted from 1. Default: average all channels.

    Attributes:
        path: The file.
        sample_rate: Rate in Hz.
        n_samples: Samples per channel by the header of the first stream; None if it leaves them
            open.
        n_channels: Number of channels.
        kind: Format and encoding, such as "WAV PCM_16".

    Raises:
        AudioError: If the file cannot be used. If it is truncated, the error follows the last
            sample.
        EdgeSerError: If soundfile is required and cannot be imported.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        content: bytes | None = None,
        limits: AudioLimits = NO_LIMITS,
        channel: int | None = None,
    ) -> None:
        self.path = path = Path(path)
        self.sample_rate = 0  # until the file has been opened
        self._limits, self._channel = limits, channel
        self._n_read = 0  # samples per channel, of all streams
        if content is None:
            check_regular_file(path)
        try:
            self._file = _open(path) if content is None else io.BytesIO(content)
            try:
                self._open_first()
            except BaseException:
                self._file.close()
                raise
        except OSError as error:
            raise AudioError(f"{path}: cannot be read: {system_reason(error)}") from error

    def _open_first(self) -> None:
        file, path = self._file, self.path
        self._size = file.seek(0, os.SEEK_END)
        if self._size == 0:
            raise AudioError(f"{path}: is empty (0 bytes)")
        self._limits.check_size(path, self._size)
        with self._decoding():
            self._stream = open_stream(file, 0, self._size, path)
        decoder = self._stream.decoder
        self.sample_rate = decoder.samplerate
        self.n_channels = decoder.channels
        self.kind = f"{decoder.format} {decoder.subtype}"
        self.n_samples = self._stream.n_samples
        self._check_header(self.sample_rate, self.n_channels)
        check_channel(self._channel, self.n_channels, path, AudioError)
        self._limits.check_samples(path, self.n_samples or 0, self.sample_rate)

    def _check_header(self, sample_rate: int, n_channels: int) -> None:
        if not MIN_RATE <= sample_rate <= MAX_RATE:
            raise AudioError(
                f"{self.path}: claims {sample_rate} samples per second; expected {MIN_RATE} "
                f"to {MAX_RATE}"
            )
        if n_channels > MAX_CHANNELS:
            raise AudioError(
                f"{self.path}: claims {n_channels} channels; expected 1 to {MAX_CHANNELS}"
            )

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the samples in blocks, mono float32 `(n_samples,)`."""
        for block in self.channels():
            yield np.ascontiguousarray(mono(block, self._channel))

    def channels(self) -> Iterator[np.ndarray]:
        """Yield the samples of all channels in blocks, float32 `(n_samples, n_channels)`."""
        with self._file:
            for _ in range(MAX_STREAMS):
                yield from self._fitted(self._read_stream())
                start = next_start(self._file, self._stream, self._size)
                if start is None or not self._open_next(start):
                    break
            else:
                raise AudioError(f"{self.path}: has more than {MAX_STREAMS} streams")
            self._note_unread()
        if self._n_read == 0:
            raise AudioError(f"{self.path}: holds no samples")

    def _read_stream(self) -> Iterator[np.ndarray]:
        """Yield the samples of the open stream, and close it."""
        stream = self._stream
        decoder, n_samples = stream.decoder, stream.n_samples
        # At most the length of the clip: fresh memory pages cost more than decoding it.
        compressed = decoder.format in COMPRESSED_FORMATS or stream.is_mpeg
        size = COMPRESSED_BLOCK_SAMPLES if compressed else BLOCK_SAMPLES
        size = 2 * size // max(2, decoder.channels)
        size = size if n_samples is None else min(size, n_samples + 1)
        n_read = 0
        try:
            while len(block := self._read(size)):
                n_read += len(block)
                yield block
        finally:
            decoder.close()
        missing, truncation = stream.missing * n_read, stream.truncation
        if n_read < (n_samples or 0):
            missing = (n_samples or 0) - n_read
            truncation = f"the header declares {n_samples} samples, {n_read} could be read"
        if not truncation:
            return
        if n_read == 0 or missing >= MAX_MISSING_SECONDS * decoder.samplerate:
            raise AudioError(f"{self.path}: is truncated: {truncation}")
        note(self.path, truncation)

    def _fitted(self, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Convert blocks of the open stream to the rate and channels of the first one."""
        decoder = self._stream.decoder
        if (decoder.samplerate, decoder.channels) == (self.sample_rate, self.n_channels):
            for block in blocks:
                self._count(block)
                yield block
            return
        resampler = StreamResampler(decoder.samplerate, self.sample_rate)
        rest = (np.empty((0, 1), np.float32),)
        for block in itertools.chain(blocks, rest):
            samples = resampler.push(mono(block), last=len(block) == 0)
            block = np.repeat(samples[:, np.newaxis], self.n_channels, axis=1)
            self._count(block)
            if len(block):
                yield block

    def _count(self, block: np.ndarray) -> None:
        self._n_read += len(block)
        self._limits.check_samples(self.path, self._n_read, self.sample_rate)

    def _open_next(self, start: int) -> bool:
        """Open the stream at an offset; return False, with a note, if it cannot be opened."""
        try:
            stream = open_stream(self._file, start, self._size, self.path)
            self._check_header(stream.decoder.samplerate, stream.decoder.channels)
        except Exception as error:  # as for the first one
            cause = _cause(error)
            cause = cause.removeprefix(f"{self.path}: ")
            self._note_rest(self._size - start, cause)
            return False
        self.n_samples = None  # the sum is not known in advance
        self._stream = stream
        return True

    def _note_unread(self) -> None:
        """Note what follows the samples that the header of a WAV declares."""
        n_bytes = self._size - self._stream.end
        if self._stream.byte_rate and n_bytes >= MAX_MISSING_SECONDS * self._stream.byte_rate:
            self._note_rest(n_bytes, "the header does not declare them")

    def _note_rest(self, n_bytes: int, cause: str) -> None:
        seconds = self._n_read / self.sample_rate
        note(self.path, f"the last {n_bytes} bytes, after {seconds:.2f} s, are not read: {cause}")

    def _read(self, size: int) -> np.ndarray:
        # The conversion of libsndfile, in a fraction of its time.
        is_int16 = self._stream.decoder.subtype == "PCM_16"
        dtype = "int16" if is_int16 else "float32"
        with self._decoding():
            samples: np.ndarray = self._stream.read(size, dtype)
        if is_int16:
            return np.asarray(samples * np.float32(2**-15))
        check_sample_values(samples, self.path)
        return samples

    @contextlib.contextmanager
    def _decoding(self) -> Iterator[None]:
        """Convert the exceptions of the decoder to AudioError."""
        try:
            yield
        except EdgeSerError:
            raise
        except Exception as error:  # soundfile raises many kinds for the content of a file
            cause = _cause(error)
            if self.sample_rate:  # the file has been opened
                seconds = self._n_read / self.sample_rate
                raise AudioError(
                    f"{self.path}: is truncated or damaged: cannot be read beyond "
                    f"{seconds:.2f} s ({cause})"
                ) from error
            hint = "; raw PCM requires --rate" if isinstance(self._file, io.BytesIO) else ""
            raise AudioError(
                f"{self.path}: is not audio in a supported format ({cause}); expected WAV, FLAC, "
                f"OGG or MP3{hint}"
            ) from error


def _cause(error: Exception) -> str:
    """Return the text of an error of libsndfile, FFmpeg or the system."""
    return str(getattr(error, "error_string", "") or system_reason(error)).strip().rstrip(".")


def _open(path: Path) -> io.FileIO:
    """Open a regular file.

    The second check guards against the path being swapped for a FIFO after the first (TOCTOU).
    """

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))

    file = io.FileIO(path, opener=opener)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise AudioError(f"{path}: is not a regular file")
    return file
