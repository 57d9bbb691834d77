"""Audio from standard input, while it comes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .errors import AudioError, ConfigError, reason
from .pcm import Encoding, PcmFormat, PcmReader

if TYPE_CHECKING:
    from .microphone import Block

READ_BYTES = 1 << 16
NAME = "standard input"
AUDIO_FILES = (b"RIFF", b"fLaC", b"OggS")  # how they begin


def raw_format(
    rate: int | None, channels: int | None, encoding: Encoding | None
) -> PcmFormat | None:
    """What raw samples on standard input are, as the options say; None: it is a WAV."""
    if rate is None:
        if channels is not None or encoding is not None:
            raise ConfigError("--channels and --encoding are of raw samples: give --rate as well")
        return None
    return PcmFormat(rate, channels or 1, encoding or Encoding.s16le)


class StandardInput:
    """Blocks of samples, as they come, at `sample_rate` Hz.

    Waits for the header of a WAV; `raw` is what samples without one are. Raises AudioError for
    what is no audio, ConfigError for a terminal.
    """

    def __init__(self, raw: PcmFormat | None) -> None:
        if sys.stdin is None or sys.stdin.isatty():
            raise ConfigError(
                f"{NAME} is a terminal; pipe audio into `edge-ser listen -`, or leave the - away "
                "for the microphone"
            )
        self._raw = raw is not None
        self._reader = PcmReader(raw, NAME)
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
            raise AudioError(f"{NAME}: cannot be read: {reason(error)}") from error
        if self._raw and self._reader.n_bytes == 0 and data[:4] in AUDIO_FILES:
            raise AudioError(f"{NAME}: is an audio file and not raw samples: leave out --rate")
        return Block(self._reader.push(data), 0.0) if data else None
