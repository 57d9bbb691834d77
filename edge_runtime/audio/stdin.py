"""Audio from standard input: read to its end, or in blocks as it arrives."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ..errors import AudioError, ConfigError
from ..messages import system_reason
from .pcm import Encoding, PcmFormat, check_channel
from .pcm_reader import PcmReader

if TYPE_CHECKING:
    import numpy as np

    from .limits import AudioLimits
    from .read import AudioSource, Block

READ_BYTES = 1 << 16
STDIN_NAME = "standard input"
ARECORD_LIMIT_BYTES = 0x7FFF_0000  # about
FILE_SIGNATURES = (b"RIFF", b"fLaC", b"OggS", b"ID3")  # first bytes of audio files


def stdin_format(
    rate: int | None, channels: int | None, encoding: Encoding | None
) -> PcmFormat | None:
    """Build the format of raw PCM on standard input from command-line options.

    Args:
        rate: Sample rate in Hz; None if standard input is an audio file.
        channels: Number of channels. Default: 1.
        encoding: Encoding of a sample. Default: s16le.

    Returns:
        The format, or None for an audio file.

    Raises:
        ConfigError: If a value is not supported, or one is given without a rate.
    """
    if rate is None:
        if channels is not None or encoding is not None:
            raise ConfigError("--channels and --encoding apply to raw PCM and require --rate")
        return None
    return PcmFormat(rate, channels or 1, encoding or Encoding.s16le)


def read_all_stdin(
    format: PcmFormat | None, limits: AudioLimits, channel: int | None = None
) -> AudioSource:
    """Read standard input to its end, into memory.

    Args:
        format: The format of raw PCM. None: an audio file of any kind.
        limits: Maximum duration and size; not much more than that is read.
        channel: Channel to use, counted from 1. Default: average all channels.

    Returns:
        The audio.

    Raises:
        AudioError: If the audio cannot be used.
    """
    from .decode import AudioFile

    max_bytes, frame_bytes = limits.max_size, 1
    if format is not None:
        frame_bytes = format.frame_bytes
        max_bytes = min(max_bytes, limits.max_duration * format.rate * frame_bytes)
    stdin = None if sys.stdin is None else sys.stdin.buffer
    try:
        # One frame more than allowed, to detect that there is more.
        size = int(max_bytes) + frame_bytes if max_bytes < sys.maxsize else -1
        content = b"" if stdin is None else _read_to_end(stdin, size)
    except OSError as error:
        raise AudioError(f"{STDIN_NAME}: cannot be read: {system_reason(error)}") from error
    if format is None:
        return AudioFile(STDIN_NAME, content, limits, channel)
    return RawAudio(content, format, limits, channel)


def _read_to_end(stdin: BinaryIO, size: int) -> bytes:
    """Read `size` bytes, or all if it is negative."""
    if not _is_non_blocking(stdin):
        return stdin.read(size)
    pieces: list[bytes] = []
    n_left = sys.maxsize if size < 0 else size
    while n_left and (piece := _read_arrived(stdin, min(n_left, READ_BYTES))):
        pieces.append(piece)
        n_left -= len(piece)
    return b"".join(pieces)


def _read_arrived(stdin: BinaryIO, size: int) -> bytes:
    """Wait for bytes and return those that have arrived; b"" is the end of the input."""
    if not _is_non_blocking(stdin):
        return stdin.read1(size)  # type: ignore[attr-defined, no-any-return]
    import select

    # A buffered read would return b"" for an input that only pauses.
    while True:
        select.select([stdin], [], [])
        try:
            return os.read(stdin.fileno(), size)
        except BlockingIOError:  # another process has read it
            continue


def _is_non_blocking(stdin: BinaryIO) -> bool:
    """Return True if reading does not wait; another program may have set the descriptor so."""
    try:
        return not os.get_blocking(stdin.fileno())
    except (AttributeError, OSError, ValueError):  # Windows, or no descriptor
        return False


class RawAudio:
    """Raw PCM in memory, an `AudioSource`. An incomplete last sample is dropped.

    Args:
        content: The bytes.
        format: Their format.
        limits: Maximum duration and size.
        channel: Channel to use, counted from 1. Default: average all channels.

    Attributes:
        path: Name for messages.
        sample_rate: Rate in Hz.
        n_samples: Samples per channel.
        n_channels: Number of channels.

    Raises:
        AudioError: If the audio cannot be used.
    """

    def __init__(
        self, content: bytes, format: PcmFormat, limits: AudioLimits, channel: int | None = None
    ) -> None:
        self.path = Path(STDIN_NAME)
        check_channel(channel, format.channels, self.path, AudioError)
        self.sample_rate = format.rate
        self.n_channels = format.channels
        self.n_samples: int | None = len(content) // format.frame_bytes
        self._content, self._format, self._channel = content, format, channel
        _refuse_audio_file(content)
        if not self.n_samples:
            raise AudioError(f"{STDIN_NAME}: holds no samples: {len(content)} bytes")
        limits.check_samples(STDIN_NAME, self.n_samples, self.sample_rate)
        limits.check_size(STDIN_NAME, len(content))

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the samples in blocks, mono float32 `(n_samples,)`."""
        import numpy as np

        from .pcm import mono

        for block in self.channels():
            yield np.ascontiguousarray(mono(block, self._channel))

    def channels(self) -> Iterator[np.ndarray]:
        """Yield the samples of all channels in blocks, float32 `(n_samples, n_channels)`."""
        from .decode import BLOCK_SAMPLES, check_sample_values

        frame_bytes = self._format.frame_bytes
        end = len(self._content) - len(self._content) % frame_bytes
        for start in range(0, end, BLOCK_SAMPLES * frame_bytes):
            stop = min(start + BLOCK_SAMPLES * frame_bytes, end)
            block = self._format.decode(self._content[start:stop])
            check_sample_values(block, self.path)
            yield block


def _refuse_audio_file(begin: bytes) -> None:
    """Raise AudioError if supposed raw PCM begins as an audio file does."""
    if begin.startswith(FILE_SIGNATURES):
        raise AudioError(f"{STDIN_NAME}: is an audio file, not raw PCM: leave out --rate")


class StdinStream:
    """Blocks of samples from standard input, as they arrive.

    The constructor waits for the header of a WAV. Iterate over it once.

    Args:
        format: The format of raw PCM. None: a WAV.

    Attributes:
        sample_rate: Rate in Hz.

    Raises:
        AudioError: If the input is not audio.
        ConfigError: If standard input is closed or a terminal.
    """

    def __init__(self, format: PcmFormat | None) -> None:
        if sys.stdin is None:
            raise ConfigError(f"{STDIN_NAME} is closed; pipe audio into `edge-ser listen -`")
        if sys.stdin.isatty():
            raise ConfigError(
                f"{STDIN_NAME} is a terminal; pipe audio into `edge-ser listen -`, or omit - to "
                "use the microphone"
            )
        self._is_raw = format is not None
        self._reader = PcmReader(format, STDIN_NAME)
        self._first: Block | None = None
        while self._reader.format is None:  # the rate is in the header
            self._first = self._read()
            if self._first is None:
                self._reader.close()
        self.sample_rate = self._reader.format.rate

    def __iter__(self) -> Iterator[Block]:
        """Yield the blocks until the input ends."""
        block = self._first if self._first is not None else self._read()
        while block is not None:
            yield block
            block = None if self._reader.ended else self._read()
        self._reader.close()

    @property
    def ending(self) -> str:
        """The duration of the audio that arrived, and the length that the header declared."""
        reader = self._reader
        text = f"{STDIN_NAME} ended after {reader.seconds:.2f} s of audio"
        if reader.seconds >= 3600:
            text += f" ({reader.seconds / 3600:.1f} h)"
        if self._is_raw:
            return text
        if reader.declared is None:
            text += "; its WAV header declares no length"
            if reader.n_bytes >= ARECORD_LIMIT_BYTES:
                text += ". arecord ends a WAV after 2 GiB: record with -t raw, and pass --rate"
        elif reader.ended:
            text += ", as its WAV header declares"
        if reader.n_ignored:
            text += f"; {reader.n_ignored} or more bytes after that are not read"
        return text

    def _read(self) -> Block | None:
        from .read import Block

        try:
            data = _read_arrived(sys.stdin.buffer, READ_BYTES)
        except OSError as error:
            raise AudioError(f"{STDIN_NAME}: cannot be read: {system_reason(error)}") from error
        if self._is_raw and self._reader.n_bytes == 0:
            _refuse_audio_file(data)
        return Block(self._reader.push(data), 0.0) if data else None
