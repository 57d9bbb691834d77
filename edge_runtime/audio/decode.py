"""Decode an audio file in blocks, without trusting anything in it."""

from __future__ import annotations

import contextlib
import io
import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import AudioError, EdgeSerError
from ..messages import system_reason
from ..platform_support import why_no_soundfile
from .headers import declared_size
from .limits import MAX_RATE, MIN_RATE, NO_LIMITS, AudioLimits
from .pcm import MAX_CHANNELS, check_channel, mono
from .wav import Pcm16File

BLOCK_SAMPLES = 1 << 18  # per channel, for up to two channels; less for more of them

# A block of a compressed file that contains an error is lost, so it is at most about a second.
COMPRESSED_FORMATS, COMPRESSED_BLOCK_SAMPLES = ("FLAC", "OGG", "MP3"), 1 << 14

# Encoders that write to a pipe leave the length open; libsndfile then reports the largest number.
UNKNOWN_LENGTH = 1 << 60

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

    The header is checked at once, the samples while they are read. Iterate over it once.

    Args:
        path: The file.
        content: The bytes of the file; `path` is then only its name in messages.
        limits: Maximum duration and size. Default: unlimited.
        channel: Channel to use, counted from 1. Default: average all channels.

    Attributes:
        path: The file.
        sample_rate: Rate in Hz.
        n_samples: Samples per channel by the header; None if it leaves them open.
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
        self._n_read = 0  # samples per channel
        self._truncation = ""  # what the header declares and the file lacks
        if content is None:
            check_regular_file(path)
        try:
            self._file = _open(path) if content is None else io.BytesIO(content)
            try:
                self._open_decoder()
            except BaseException:
                self._file.close()
                raise
        except OSError as error:
            raise AudioError(f"{path}: cannot be read: {system_reason(error)}") from error

    def _open_decoder(self) -> None:
        file, path = self._file, self.path
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            raise AudioError(f"{path}: is empty (0 bytes)")
        self._limits.check_size(path, size)
        zero_length_at = None
        declared = declared_size(file, path)
        if declared is not None:
            length, available = declared.length, max(0, size - declared.position)
            if length is not None and length > available:
                self._truncation = (
                    f"the header declares {length} bytes of samples, the file has {available}"
                )
            zero_length_at = declared.zero_length_at
        self._decoder: Any = Pcm16File.open(file, declared, size)
        if self._decoder is None:
            file.seek(0)
            soundfile = load_soundfile()
            with self._decoding():
                # Not by its descriptor: old versions close that if they cannot read the file.
                self._decoder = soundfile.SoundFile(_VirtualFile(file, zero_length_at))
        self.sample_rate = self._decoder.samplerate
        self.kind = f"{self._decoder.format} {self._decoder.subtype}"
        n_samples = self._decoder.frames
        self.n_samples: int | None = n_samples if n_samples < UNKNOWN_LENGTH else None
        self._check_header()

    def _check_header(self) -> None:
        n_channels = self._decoder.channels
        if not MIN_RATE <= self.sample_rate <= MAX_RATE:
            raise AudioError(
                f"{self.path}: claims {self.sample_rate} samples per second; expected {MIN_RATE} "
                f"to {MAX_RATE}"
            )
        if n_channels > MAX_CHANNELS:
            raise AudioError(
                f"{self.path}: claims {n_channels} channels; expected 1 to {MAX_CHANNELS}"
            )
        check_channel(self._channel, n_channels, self.path, AudioError)
        self._limits.check_samples(self.path, self.n_samples or 0, self.sample_rate)

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the samples in blocks, mono float32 `(n_samples,)`."""
        for block in self.channels():
            yield np.ascontiguousarray(mono(block, self._channel))

    def channels(self) -> Iterator[np.ndarray]:
        """Yield the samples of all channels in blocks, float32 `(n_samples, n_channels)`."""
        # soundfile seeks after every read of a seekable file; a FLAC of unknown length cannot seek.
        self._decoder.seekable = lambda: False
        # At most the length of the clip: fresh memory pages cost more than decoding it.
        compressed = self._decoder.format in COMPRESSED_FORMATS
        size = COMPRESSED_BLOCK_SAMPLES if compressed else BLOCK_SAMPLES
        size = 2 * size // max(2, self._decoder.channels)
        size = size if self.n_samples is None else min(size, self.n_samples + 1)
        with self._file, self._decoder:
            while len(block := self._read(size)):
                self._n_read += len(block)
                self._limits.check_samples(self.path, self._n_read, self.sample_rate)
                yield block
        if self._n_read < (self.n_samples or 0):
            self._truncation = (
                f"the header declares {self.n_samples} samples, {self._n_read} could be read"
            )
        if self._truncation:
            raise AudioError(f"{self.path}: is truncated: {self._truncation}")
        if self._n_read == 0:
            raise AudioError(f"{self.path}: holds no samples")

    def _read(self, size: int) -> np.ndarray:
        # The conversion of libsndfile, in a fraction of its time.
        is_int16 = self._decoder.subtype == "PCM_16"
        dtype = "int16" if is_int16 else "float32"
        with self._decoding():
            samples: np.ndarray = self._decoder.read(size, dtype=dtype, always_2d=True)
        if is_int16:
            return np.asarray(samples * np.float32(2**-15))
        check_sample_values(samples, self.path)
        return samples

    @contextlib.contextmanager
    def _decoding(self) -> Iterator[None]:
        """Convert the exceptions of the decoder to AudioError."""
        try:
            yield
        except Exception as error:  # soundfile raises many kinds for the content of a file
            cause = str(getattr(error, "error_string", error)).strip().rstrip(".")
            if self.sample_rate:  # the file has been opened
                seconds = self._n_read / self.sample_rate
                raise AudioError(
                    f"{self.path}: is truncated or damaged: cannot be read beyond "
                    f"{seconds:.2f} s ({cause})"
                ) from error
            if self._truncation:
                raise AudioError(f"{self.path}: is truncated: {self._truncation}") from error
            hint = "; raw PCM requires --rate" if isinstance(self._file, io.BytesIO) else ""
            raise AudioError(
                f"{self.path}: is not audio in a supported format ({cause}); expected WAV, FLAC, "
                f"OGG or MP3{hint}"
            ) from error


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


class _VirtualFile(io.RawIOBase):
    """A file for libsndfile, which handles no exceptions and seeks wherever a header points.

    Args:
        file: The file.
        zero_length_at: Offset of four bytes to replace by the largest number, which stands for an
            unknown length.
    """

    def __init__(self, file: io.FileIO | io.BytesIO, zero_length_at: int | None) -> None:
        self._file = file
        self._length_at = math.inf if zero_length_at is None else zero_length_at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        with contextlib.suppress(OSError, ValueError, OverflowError):
            self._file.seek(offset, whence)
        return self._file.tell()

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        start, view = self._file.tell(), memoryview(buffer)
        try:
            data = self._file.read(len(view)) or b""
        except OSError:
            return 0
        view[: len(data)] = data
        first, last = max(start, self._length_at), min(start + len(data), self._length_at + 4)
        if first < last:
            first, last = int(first) - start, int(last) - start
            view[first:last] = b"\xff" * (last - first)
        return len(data)


def load_soundfile() -> Any:
    """Import and return the module soundfile.

    Raises:
        EdgeSerError: If it cannot be imported; the message states what to do.
    """
    try:
        import soundfile
    except (ImportError, OSError) as error:  # OSError if libsndfile is missing
        raise EdgeSerError(f"cannot read audio files: {why_no_soundfile(error)}") from error
    return soundfile
