"""Formats of PCM samples, their decoding, and the selection of a channel.

http://soundfile.sapp.org/doc/WaveFormat/
https://www.itu.int/rec/T-REC-G.711 (A-law, mu-law)
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from ..errors import AudioError, ConfigError, EdgeSerError
from ..validation import check_integer
from .limits import check_rates
from .riff import ALAW, EXTENSIBLE, FLOAT, MULAW, PCM, WavFormat

if TYPE_CHECKING:
    import numpy as np

MAX_CHANNELS = 64


class Encoding(str, Enum):
    """The encoding of a sample, under ffmpeg's names of raw formats.

    s24_4le is ALSA's S24_LE: 24 bits in the lower three of four bytes.
    """

    u8 = "u8"
    s8 = "s8"
    s16le = "s16le"
    s16be = "s16be"
    s24le = "s24le"
    s24_4le = "s24_4le"
    s32le = "s32le"
    f32le = "f32le"
    f64le = "f64le"
    mulaw = "mulaw"
    alaw = "alaw"

    @property
    def n_bytes(self) -> int:
        """Bytes of one sample."""
        return _N_BYTES[self]

    @property
    def is_float(self) -> bool:
        """True for floating-point samples."""
        return self in (Encoding.f32le, Encoding.f64le)


_N_BYTES = {
    Encoding.u8: 1,
    Encoding.s8: 1,
    Encoding.s16le: 2,
    Encoding.s16be: 2,
    Encoding.s24le: 3,
    Encoding.s24_4le: 4,
    Encoding.s32le: 4,
    Encoding.f32le: 4,
    Encoding.f64le: 8,
    Encoding.mulaw: 1,
    Encoding.alaw: 1,
}

# Samples of 9 to 15 bits are stored in the upper bits of two bytes, and so on.
_PCM_ENCODINGS = {1: Encoding.u8, 2: Encoding.s16le, 3: Encoding.s24le, 4: Encoding.s32le}

_OTHER_ENCODINGS = {  # codec and bits
    (FLOAT, 32): Encoding.f32le,
    (FLOAT, 64): Encoding.f64le,
    (MULAW, 8): Encoding.mulaw,
    (ALAW, 8): Encoding.alaw,
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
        return decode(data, self.encoding).reshape(-1, self.channels)


def check_wav_format(wav: WavFormat, name: object) -> None:
    """Raise AudioError for a frame size that contradicts the channels and bits of a WAV."""
    if wav.tag not in (PCM, FLOAT, EXTENSIBLE) or wav.block_align == wav.frame_bytes:
        return
    if not _is_24_in_4_bytes(wav):
        raise AudioError(
            f"{name}: contradicts itself: {wav.n_channels} channels of {wav.bits} bits take "
            f"{wav.frame_bytes} bytes, but its header declares {wav.block_align}"
        )


def wav_encoding(wav: WavFormat) -> Encoding | None:
    """Return the encoding of a WAV that `check_wav_format` accepts, or None if it is not PCM.

    arecord stores 24 bits in the lower three of four bytes. An extensible format stores them in the
    upper three, as samples of 32 bits.
    """
    if _is_24_in_4_bytes(wav):
        return Encoding.s24_4le if wav.tag == PCM else Encoding.s32le
    if wav.block_align != wav.frame_bytes:
        return None
    if wav.codec == PCM and wav.bits:
        return _PCM_ENCODINGS.get(-(-wav.bits // 8))
    return _OTHER_ENCODINGS.get((wav.codec, wav.bits))


def _is_24_in_4_bytes(wav: WavFormat) -> bool:
    return wav.codec == PCM and wav.bits == 24 and wav.block_align == 4 * wav.n_channels


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
        raise error(f"{source}: has {n_channels} channel{plural}; channel {channel} does not exist")


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


def decode(data: bytes, encoding: Encoding) -> np.ndarray:
    """Decode to float32 `(n,)`; integers are divided by 2^(bits - 1), as by libsndfile."""
    import numpy as np

    if encoding is Encoding.u8:
        return (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / 128
    if encoding in (Encoding.mulaw, Encoding.alaw):
        table = np.asarray(_g711_table(encoding), np.float32)
        return np.asarray(table[np.frombuffer(data, np.uint8)])
    if encoding is Encoding.s24le:  # the three upper bytes of 32 bits
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        return wide.view("<i4")[:, 0].astype(np.float32) / np.float32(2**31)
    if encoding is Encoding.s24_4le:  # the fourth byte is not always the sign
        return (np.frombuffer(data, "<i4") << 8).astype(np.float32) / np.float32(2**31)
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


@functools.cache
def _g711_table(encoding: Encoding) -> tuple[float, ...]:
    """Return the samples of the 256 codes of G.711."""
    samples = []
    for stored in range(256):
        code = stored ^ (0xFF if encoding is Encoding.mulaw else 0x55)
        exponent, mantissa = code >> 4 & 7, code & 15
        if encoding is Encoding.mulaw:
            value = ((2 * mantissa + 33) << exponent) * 4 - 132
            value = -value if code & 0x80 else value
        else:
            value = (
                (2 * mantissa + 1) << 3 if exponent == 0 else (2 * mantissa + 33) << exponent + 2
            )
            value = value if code & 0x80 else -value
        samples.append(value / 32768)
    return tuple(samples)
