"""Decode PCM samples that arrive as bytes: raw, or a WAV of known or unknown length.

http://soundfile.sapp.org/doc/WaveFormat/
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NoReturn

from ..errors import AudioError, ConfigError, EdgeSerError
from ..validation import check_integer
from .limits import check_rates
from .riff import FLOAT, FORMAT_BYTES, PCM, WavFormat, is_unknown_length

if TYPE_CHECKING:
    import numpy as np

MAX_CHANNELS = 64

MAX_FORMAT_BYTES = 1024  # of a `fmt ` chunk; it is held in memory


class Encoding(str, Enum):
    """The encoding of a sample, under ffmpeg's names of raw formats."""

    u8 = "u8"
    s8 = "s8"
    s16le = "s16le"
    s16be = "s16be"
    s24le = "s24le"
    s32le = "s32le"
    f32le = "f32le"
    f64le = "f64le"

    @property
    def n_bytes(self) -> int:
        """Bytes of one sample."""
        return int("".join(filter(str.isdigit, self.value))) // 8

    @property
    def is_float(self) -> bool:
        """True for floating-point samples."""
        return self.value.startswith("f")


_WAV_ENCODINGS = {  # codec and bits
    (PCM, 8): Encoding.u8,
    (PCM, 16): Encoding.s16le,
    (PCM, 24): Encoding.s24le,
    (PCM, 32): Encoding.s32le,
    (FLOAT, 32): Encoding.f32le,
    (FLOAT, 64): Encoding.f64le,
}


@dataclass(frozen=True)
class PcmFormat:
    """The format of raw PCM with interleaved channels.

    Attributes:
        rate: Sample rate in Hz.
        channels: Number of channels.
        encoding: Encoding of a sample.

    Raises:
        ConfigError: If the rate or the number of channels is not supported.
    """

    rate: int
    channels: int = 1
    encoding: Encoding = Encoding.s16le

    def __post_init__(self) -> None:
        check_rates(self.rate)
        check_integer("channels", self.channels, 1, MAX_CHANNELS)

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return self.channels * self.encoding.n_bytes

    def decode(self, data: bytes) -> np.ndarray:
        """Decode whole frames to float32 `(n_samples, channels)`, full scale at 1."""
        return _decode(data, self.encoding).reshape(-1, self.channels)


class PcmReader:
    """Decode bytes that arrive in chunks of any size.

    Args:
        format: Format of raw samples. Default: a WAV arrives, and its header has the format.
        name: Name of the source, for messages.

    Attributes:
        format: The format; None until the header of a WAV is complete.
        declared: Bytes of samples by the header; None if not known.
        n_bytes: Bytes of samples so far.

    Example:
        >>> reader = PcmReader(PcmFormat(16_000))
        >>> [reader.push(data).tolist() for data in (bytes([0]), bytes([64, 0]), bytes([192]))]
        [[], [[0.5]], [[-0.5]]]
    """

    def __init__(self, format: PcmFormat | None = None, name: str = "standard input") -> None:
        self.format = format
        self.declared: int | None = None
        self.n_bytes = 0
        self._name = name
        self._held = b""
        self._skip = 0  # bytes of a chunk that is not read
        self._in_header = format is None
        self._begun = False  # the first 12 bytes of a WAV have been read

    def push(self, data: bytes) -> np.ndarray:
        """Add bytes.

        Args:
            data: The next bytes.

        Returns:
            The samples that they complete, float32 `(n_samples, channels)`.

        Raises:
            AudioError: If the header is not that of a supported WAV, or for NaN and infinity.
        """
        import numpy as np

        self._held += data
        if self._in_header and not self._read_header():
            return np.empty((0, 1 if self.format is None else self.format.channels), np.float32)
        assert self.format is not None
        size = len(self._held)
        if self.declared is not None:
            size = min(size, self.declared - self.n_bytes)
        size -= size % self.format.frame_bytes
        samples = self.format.decode(self._held[:size])
        if self.format.encoding.is_float and not np.isfinite(samples).all():
            raise AudioError(f"{self._name}: holds samples that are NaN or infinite")
        self.n_bytes += size
        self._held = b"" if self.ended else self._held[size:]
        return samples

    @property
    def ended(self) -> bool:
        """True once all declared samples have arrived; further bytes are ignored."""
        if self.declared is None or self.format is None:
            return False
        return self.declared - self.n_bytes < self.format.frame_bytes

    def close(self) -> None:
        """End the input. An incomplete last sample of raw input is dropped.

        Raises:
            AudioError: If the input ended within the header, or before all declared samples.
        """
        if self._in_header:
            if not self._held and not self._begun:
                raise AudioError(f"{self._name}: is empty; pipe a WAV, or raw PCM with --rate")
            raise AudioError(f"{self._name}: ends within the WAV header")
        if self.declared is not None and not self.ended:
            assert self.format is not None
            bytes_per_second = self.format.rate * self.format.frame_bytes
            raise AudioError(
                f"{self._name}: is truncated: the WAV header declares "
                f"{self.declared / bytes_per_second:.2f} s, got "
                f"{self.n_bytes / bytes_per_second:.2f} s"
            )

    def _read_header(self) -> bool:
        """Read chunks up to the samples; return True once they have been reached."""
        if not self._begun:
            if not b"RIFF".startswith(self._held[:4]):
                self._refuse_non_wav()
            if len(self._held) < 12:
                return False
            if self._held[8:12] != b"WAVE":
                self._refuse_non_wav()
            self._begun = True
            self._held = self._held[12:]
        while True:
            skipped = min(self._skip, len(self._held))
            self._held, self._skip = self._held[skipped:], self._skip - skipped
            if self._skip or len(self._held) < 8:
                return False
            name, length = struct.unpack("<4sI", self._held[:8])
            if name == b"data":
                if self.format is None:
                    raise AudioError(f"{self._name}: is a WAV whose samples precede its format")
                self.declared = None if is_unknown_length(length) else length
                self._held = self._held[8:]
                self._in_header = False
                return True
            if name == b"fmt ":
                if not FORMAT_BYTES <= length <= MAX_FORMAT_BYTES:
                    raise AudioError(
                        f"{self._name}: is a WAV with a format chunk of {length} bytes"
                    )
                if len(self._held) < 8 + length:
                    return False
                self.format = self._wav_format(self._held[8 : 8 + length])
            self._skip = 8 + length + length % 2

    def _refuse_non_wav(self) -> NoReturn:
        raise AudioError(
            f"{self._name}: not a WAV stream; pipe a WAV (`ffmpeg -i FILE -f wav - | ...`), or "
            "pass --rate for raw PCM"
        )

    def _wav_format(self, chunk: bytes) -> PcmFormat:
        wav = WavFormat.parse(chunk)
        assert wav is not None  # the length was checked
        encoding = _WAV_ENCODINGS.get((wav.codec, wav.bits))
        if encoding is None:
            raise AudioError(
                f"{self._name}: is a WAV of codec {wav.codec} with {wav.bits} bits; expected PCM "
                "of 8 to 32 bits, or float"
            )
        try:
            return PcmFormat(wav.sample_rate, wav.n_channels, encoding)
        except ConfigError as error:
            raise AudioError(f"{self._name}: invalid WAV header: {error}") from error


def check_channel(
    channel: int | None, n_channels: int, source: object, error: type[EdgeSerError] = ConfigError
) -> None:
    """Raise an error for a channel that a source does not have.

    Args:
        channel: The channel, counted from 1; None is accepted.
        n_channels: Number of channels of the source.
        source: Name of the source, for the message.
        error: Class of the error. For a file it is AudioError, which does not end a batch.

    Raises:
        EdgeSerError: As `error`.
    """
    if channel is not None and not 1 <= channel <= n_channels:
        plural = "s" * (n_channels > 1)
        raise error(
            f"{source}: has {n_channels} channel{plural}; channel={channel} must be from 1 to "
            f"{n_channels}"
        )


def mono(samples: np.ndarray, channel: int | None = None) -> np.ndarray:
    """Average the channels of a signal, or select one.

    Args:
        samples: Float samples `(n_samples, n_channels)`.
        channel: The channel to select, counted from 1. Default: the mean of all.

    Returns:
        Samples `(n_samples,)`.

    Raises:
        ConfigError: If there is no such channel.
    """
    n_channels = samples.shape[1]
    check_channel(channel, n_channels, "audio")
    if channel is not None:
        return samples[:, channel - 1]
    return samples[:, 0] if n_channels == 1 else samples.mean(axis=1)


def _decode(data: bytes, encoding: Encoding) -> np.ndarray:
    """Decode to float32 `(n,)`; integers are divided by 2^(bits - 1), as by libsndfile."""
    import numpy as np

    if encoding is Encoding.u8:
        return (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / 128
    if encoding is Encoding.s24le:  # the three upper bytes of 32 bits
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        return wide.view("<i4")[:, 0].astype(np.float32) / np.float32(2**31)
    dtypes = {
        "s8": "i1",
        "s16le": "<i2",
        "s16be": ">i2",
        "s32le": "<i4",
        "f32le": "<f4",
        "f64le": "<f8",
    }
    stored = np.frombuffer(data, dtypes[encoding.value])
    with np.errstate(over="ignore"):  # to infinity, which is refused later
        samples = stored.astype(np.float32)
    if encoding.is_float:
        return samples
    return samples / np.float32(2 ** (8 * encoding.n_bytes - 1))
