"""Audio from standard input: all of it, or while it comes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import AudioError, ConfigError
from ..messages import system_reason
from .pcm import Encoding, PcmFormat, PcmReader

if TYPE_CHECKING:
    import numpy as np

    from .limits import AudioLimits
    from .microphone import Block
    from .read import Audio

READ_BYTES = 1 << 16
STDIN_NAME = "standard input"
AUDIO_FILES = (b"RIFF", b"fLaC", b"OggS", b"ID3")  # how they begin


def raw_format(
    rate: int | None, channels: int | None, encoding: Encoding | None
) -> PcmFormat | None:
    """What raw samples on standard input are, as the options say; None: it is a WAV."""
    if rate is None:
        if channels is not None or encoding is not None:
            raise ConfigError("--channels and --encoding are of raw samples: give --rate as well")
        return None
    return PcmFormat(rate, channels or 1, encoding or Encoding.s16le)


def all_of_stdin(raw: PcmFormat | None, limits: AudioLimits, channel: int | None = None) -> Audio:
    """Standard input to its end: a file of any kind, or what `raw` says; of that one channel,
    counted from 1, or the mean of all.

    It is held in memory, and no more is read than `limits` allow. Raises AudioError for what
    cannot be used.
    """
    from .decode import AudioFile

    most = limits.max_size
    if raw is not None:
        most = min(most, limits.max_duration * raw.rate * raw.frame_bytes)
    more = 1 if raw is None else raw.frame_bytes  # tells that there is more
    stdin = None if sys.stdin is None else sys.stdin.buffer
    try:
        size = int(most) + more if most < sys.maxsize else -1
        content = b"" if stdin is None else stdin.read(size)
    except OSError as error:
        raise AudioError(f"{STDIN_NAME}: cannot be read: {system_reason(error)}") from error
    if raw is None:
        return AudioFile(STDIN_NAME, content, limits, channel)
    return RawAudio(content, raw, limits, channel)


class RawAudio:
    """Raw samples in memory, as `AudioFile` has those of files; what is half a sample is dropped.

    Raises AudioError for what cannot be used.
    """

    def __init__(
        self, content: bytes, format: PcmFormat, limits: AudioLimits, channel: int | None = None
    ) -> None:
        from .decode import check_channel

        self.path = Path(STDIN_NAME)
        check_channel(self.path, channel, format.channels)
        self.sample_rate = format.rate
        self.n_samples: int | None = len(content) // format.frame_bytes
        self._content, self._format, self._channel = content, format, channel
        _refuse_file(content)
        if not self.n_samples:
            raise AudioError(f"{STDIN_NAME}: holds no samples: {len(content)} bytes")
        limits.check_samples(STDIN_NAME, self.n_samples, self.sample_rate)
        limits.check_size(STDIN_NAME, len(content))

    def __iter__(self) -> Iterator[np.ndarray]:
        """The samples, mono float32 `(n,)`, piece by piece."""
        import numpy as np

        from .decode import BLOCK_SAMPLES, check_values
        from .pcm import mono

        size = self._format.frame_bytes
        whole = len(self._content) - len(self._content) % size
        for start in range(0, whole, BLOCK_SAMPLES * size):
            piece = self._format.decode(
                self._content[start : min(start + BLOCK_SAMPLES * size, whole)]
            )
            check_values(piece, self.path)
            yield np.ascontiguousarray(mono(piece, self._channel))


def _refuse_file(begin: bytes) -> None:
    """AudioError if what should be raw samples begins as a file does."""
    if begin.startswith(AUDIO_FILES):
        raise AudioError(f"{STDIN_NAME}: is an audio file and not raw samples: leave out --rate")


class StandardInput:
    """Blocks of samples, as they come, at `sample_rate` Hz.

    Waits for the header of a WAV; `raw` is what samples without one are. Raises AudioError for
    what is no audio, ConfigError for a terminal.
    """

    def __init__(self, raw: PcmFormat | None) -> None:
        if sys.stdin is None:
            raise ConfigError(f"{STDIN_NAME} is closed; pipe audio into `edge-ser listen -`")
        if sys.stdin.isatty():
            raise ConfigError(
                f"{STDIN_NAME} is a terminal; pipe audio into `edge-ser listen -`, or leave the - away "
                "for the microphone"
            )
        self._raw = raw is not None
        self._reader = PcmReader(raw, STDIN_NAME)
        self._first = None
        while self._reader.format is None:  # the rate is in the header
            self._first = self._read()
            if self._first is None:
                self._reader.close()
        self.sample_rate = self._reader.format.rate

    def __iter__(self) -> Iterator[Block]:
        block = self._first if self._first is not None else self._read()
        while block is not None:
            yield block
            block = None if self._reader.ended else self._read()
        self._reader.close()

    def _read(self) -> Block | None:
        from .microphone import Block

        try:
            data = sys.stdin.buffer.read1(READ_BYTES)  # type: ignore[union-attr]
        except OSError as error:
            raise AudioError(f"{STDIN_NAME}: cannot be read: {system_reason(error)}") from error
        if self._raw and self._reader.n_bytes == 0:
            _refuse_file(data)
        return Block(self._reader.push(data), 0.0) if data else None
