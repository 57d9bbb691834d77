"""An audio file as samples, piece by piece. Nothing in it is trusted."""

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
from .pcm import MAX_CHANNELS, mono
from .wav import Pcm16File

BLOCK_SAMPLES = 1 << 18  # samples of up to two channels that are decoded at once, fewer of more
# Of what is compressed: a piece with an error in it is lost, and should be no more than a second.
COMPRESSED, COMPRESSED_BLOCK_SAMPLES = ("FLAC", "OGG", "MP3"), 1 << 14

# Encoders that write to a pipe leave the length open; libsndfile then reports the largest there is.
UNKNOWN_LENGTH = 1 << 60

# Full scale is 1. Recordings in float may go beyond it, but what is 60 dB beyond is scaled as whole
# numbers are, or damaged; cut to full scale it would be nothing but noise.
MAX_SAMPLE = 1000.0


def check_file(path: Path) -> None:
    """AudioError unless there is a regular file: a pipe or a device could keep us waiting."""
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
        raise AudioError(f"{path}: is a pipe; give - instead, and < before its name")
    if not stat.S_ISREG(mode):
        raise AudioError(f"{path}: is not a regular file")


def check_channel(path: Path, channel: int | None, n_channels: int) -> None:
    """AudioError for a channel, counted from 1, that a recording does not have."""
    if channel is not None and not 1 <= channel <= n_channels:
        raise AudioError(
            f"{path}: has {n_channels} channel{'s' * (n_channels > 1)}, and channel {channel} is "
            "asked for"
        )


def check_values(piece: np.ndarray, path: Path) -> None:
    """AudioError, about `path`, for samples that are NaN, infinite or far above full scale."""
    lowest, highest = float(piece.min(initial=0.0)), float(piece.max(initial=0.0))
    if not math.isfinite(lowest) or not math.isfinite(highest):
        raise AudioError(f"{path}: holds samples that are not finite: NaN or infinite")
    if max(-lowest, highest) > MAX_SAMPLE:
        raise AudioError(
            f"{path}: holds samples as large as {max(-lowest, highest):.4g}, where full scale is "
            "1: divide whole numbers by the largest that their type holds"
        )


class AudioFile:
    """An audio file that is decoded piece by piece, so that its length costs no memory.

    `sample_rate` in Hz; `n_samples` per channel as the header has it, None where it leaves that
    open; `kind` such as "WAV PCM_16". With `content`, that is what the file holds, and `path` what
    errors call it. `channel`: that alone, counted from 1 (None: the mean of all). Raises
    AudioError, naming the file, for what cannot be used, as soon as it is met: what is truncated
    after the last sample that there is.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        content: bytes | None = None,
        limits: AudioLimits = NO_LIMITS,
        channel: int | None = None,
    ) -> None:
        self.path = path = Path(path)
        self._limits, self._channel = limits, channel
        self.sample_rate = self._n_read = 0  # Hz, and samples per channel that were read
        self._missing = ""  # what the header announces and the file lacks
        if content is None:
            check_file(path)
        try:
            # Nobody who puts a pipe in its place keeps us waiting.
            self._file = _open(path) if content is None else io.BytesIO(content)
            try:
                self._begin()
            except BaseException:
                self._file.close()
                raise
        except OSError as error:
            raise AudioError(f"{path}: cannot be read: {system_reason(error)}") from error

    def _begin(self) -> None:
        file, path = self._file, self.path
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            raise AudioError(f"{path}: is empty (0 bytes)")
        self._limits.check_size(path, size)
        open_at = None
        announced = declared_size(file, path)
        if announced is not None:
            length, there = announced.length, max(0, size - announced.position)
            if length is not None and length > there:
                self._missing = f"{length} bytes of samples are announced, {there} are there"
            open_at = announced.zero_at
        self._sound: Any = Pcm16File.open(file, announced, size)
        if self._sound is None:
            file.seek(0)
            soundfile = load_soundfile()
            with self._decoding():
                # Not by the descriptor, which older ones close when they cannot read the file.
                self._sound = soundfile.SoundFile(_Virtual(file, open_at))
        self.sample_rate = self._sound.samplerate
        self.kind = f"{self._sound.format} {self._sound.subtype}"
        frames = self._sound.frames
        self.n_samples = frames if frames < UNKNOWN_LENGTH else None
        self._check_header()

    def _check_header(self) -> None:
        if not MIN_RATE <= self.sample_rate <= MAX_RATE:
            raise AudioError(
                f"{self.path}: claims {self.sample_rate} samples per second; wanted {MIN_RATE} "
                f"to {MAX_RATE}"
            )
        if self._sound.channels > MAX_CHANNELS:
            raise AudioError(
                f"{self.path}: claims {self._sound.channels} channels; wanted 1 to {MAX_CHANNELS}"
            )
        check_channel(self.path, self._channel, self._sound.channels)
        self._limits.check_samples(self.path, self.n_samples or 0, self.sample_rate)

    def __iter__(self) -> Iterator[np.ndarray]:
        """The samples, mono float32 `(n,)`, piece by piece, once."""
        for piece in self.channels():
            yield np.ascontiguousarray(mono(piece, self._channel))

    def channels(self) -> Iterator[np.ndarray]:
        """The same as they are in the file, float32 `(n, n_channels)`."""
        # soundfile seeks after every read of what can seek; a FLAC of open length cannot.
        self._sound.seekable = lambda: False
        # No more memory than the clip fills: fresh pages cost more than decoding it.
        size = COMPRESSED_BLOCK_SAMPLES if self._sound.format in COMPRESSED else BLOCK_SAMPLES
        size = 2 * size // max(2, self._sound.channels)
        size = size if self.n_samples is None else min(size, self.n_samples + 1)
        with self._file, self._sound:
            while len(piece := self._read(size)):
                self._n_read += len(piece)
                self._limits.check_samples(self.path, self._n_read, self.sample_rate)
                yield piece
        if self._n_read < (self.n_samples or 0):
            self._missing = f"{self.n_samples} samples are announced, {self._n_read} could be read"
        if self._missing:
            raise AudioError(f"{self.path}: is truncated: {self._missing}")
        if self._n_read == 0:
            raise AudioError(f"{self.path}: holds no samples")

    def _read(self, size: int) -> np.ndarray:
        # What libsndfile makes of 16 bits, in a fraction of its time.
        whole = self._sound.subtype == "PCM_16"
        with self._decoding():
            piece = self._sound.read(size, dtype="int16" if whole else "float32", always_2d=True)
        if whole:
            return piece * np.float32(2**-15)
        check_values(piece, self.path)
        return piece

    @contextlib.contextmanager
    def _decoding(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # soundfile raises all kinds for what a file contains
            said = str(getattr(error, "error_string", error)).strip().rstrip(".")
            if self.sample_rate:  # it was opened
                seconds = self._n_read / self.sample_rate
                raise AudioError(
                    f"{self.path}: is truncated or damaged: it cannot be read beyond "
                    f"{seconds:.2f} s ({said})"
                ) from error
            if self._missing:
                raise AudioError(f"{self.path}: is truncated: {self._missing}") from error
            wanted = "WAV, FLAC, OGG or MP3"
            if isinstance(self._file, io.BytesIO):  # standard input
                wanted += "; raw samples need --rate"
            raise AudioError(
                f"{self.path}: is not audio that can be read ({said}); wanted {wanted}"
            ) from error


def _open(path: Path) -> io.FileIO:
    """A regular file, whatever has happened to `path` since it was looked at."""

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))

    file = io.FileIO(path, opener=opener)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise AudioError(f"{path}: is not a regular file")
    return file


class _Virtual(io.RawIOBase):
    """A file for libsndfile, which knows of no exceptions and seeks wherever a header sends it.

    Four bytes at `open_at` read as the largest number, which stands for an open length.
    """

    def __init__(self, file: io.FileIO | io.BytesIO, open_at: int | None) -> None:
        self._file, self._at = file, math.inf if open_at is None else open_at

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
        first, last = max(start, self._at), min(start + len(data), self._at + 4)
        if first < last:
            first, last = int(first) - start, int(last) - start
            view[first:last] = b"\xff" * (last - first)
        return len(data)


def load_soundfile() -> Any:
    """The module soundfile; EdgeSerError with what to do where it cannot be imported."""
    try:
        import soundfile
    except (ImportError, OSError) as error:  # an OSError where there is no libsndfile
        raise EdgeSerError(f"no audio file can be read: {why_no_soundfile(error)}") from error
    return soundfile
