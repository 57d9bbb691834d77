"""Samples that arrive as bytes: raw PCM, or a WAV whose header need not know how long it is.

http://soundfile.sapp.org/doc/WaveFormat/
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, NoReturn

from ..errors import AudioError, ConfigError
from .limits import check_rates

if TYPE_CHECKING:
    import numpy as np

MAX_CHANNELS = 64


def is_open(length: int) -> bool:
    """Whether a length of 32 bits says that nobody knew it.

    Programs that write to a pipe put zero, or about the largest number with a sign or without:
    sox 0x7FFFF000, arecord 0x80000000, ffmpeg 0xFFFFFFFF.
    """
    return length == 0 or 0x7FFF_0000 <= length <= 0x8000_1000 or length >= 0xFFFF_0000


class Encoding(str, Enum):
    """How a sample is written: the names of ffmpeg's raw formats."""

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


@dataclass(frozen=True)
class PcmFormat:
    """What raw bytes mean; channels are interleaved."""

    rate: int  # Hz
    channels: int = 1
    encoding: Encoding = Encoding.s16le

    def __post_init__(self) -> None:
        check_rates(self.rate)
        if not 1 <= self.channels <= MAX_CHANNELS:
            raise ConfigError(f"channels={self.channels!r} must be from 1 to {MAX_CHANNELS}")

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of every channel."""
        return self.channels * self.encoding.n_bytes

    def decode(self, data: bytes) -> np.ndarray:
        """The samples of whole frames, float32 `(n, channels)`, full scale at 1."""
        return _decode(data, self.encoding).reshape(-1, self.channels)


class PcmReader:
    """Bytes in pieces of any size to samples.

    Args:
        format: of raw samples; None: a WAV comes, whose header says it.
        name: of where they come from, for messages.

    >>> reader = PcmReader(PcmFormat(16_000))
    >>> [reader.push(data).tolist() for data in (bytes([0]), bytes([64, 0]), bytes([192]))]
    [[], [[0.5]], [[-0.5]]]
    """

    def __init__(self, format: PcmFormat | None = None, name: str = "standard input") -> None:
        self.format = format  # None until the header of a WAV is complete
        self.announced: int | None = None  # bytes of samples by the header; None: not known
        self.n_bytes = 0  # of samples that came
        self._name = name
        self._held = b""
        self._skip = 0  # bytes of a chunk that is of no interest
        self._header = format is None
        self._begun = False

    def push(self, data: bytes) -> np.ndarray:
        """The samples that `data` completes, float32 `(n, channels)`.

        AudioError for a header that is not that of a WAV that can be read, and for NaN.
        """
        import numpy as np

        self._held += data
        if self._header and not self._read_header():
            return np.empty((0, 1 if self.format is None else self.format.channels), np.float32)
        assert self.format is not None
        size = len(self._held)
        if self.announced is not None:
            size = min(size, self.announced - self.n_bytes)
        size -= size % self.format.frame_bytes
        samples = self.format.decode(self._held[:size])
        if self.format.encoding.value.startswith("f") and not np.isfinite(samples).all():
            raise AudioError(f"{self._name}: holds samples that are NaN or infinite")
        self.n_bytes += size
        self._held = b"" if self.ended else self._held[size:]
        return samples

    @property
    def ended(self) -> bool:
        """Whether all samples that the header announced have come; what follows is none."""
        if self.announced is None or self.format is None:
            return False
        return self.announced - self.n_bytes < self.format.frame_bytes

    def close(self) -> None:
        """Call at the end of the input: AudioError if it ended before there could be a sample, or
        before all that were announced.

        A last sample of raw input of which bytes are missing is dropped."""
        if self._header:
            if not self._held and not self._begun:
                raise AudioError(f"{self._name}: is empty; wanted a WAV, or raw samples and --rate")
            raise AudioError(f"{self._name}: ends within the header of its WAV")
        if self.announced is not None and not self.ended:
            assert self.format is not None
            a_second = self.format.rate * self.format.frame_bytes
            raise AudioError(
                f"{self._name}: is cut off: its WAV announces {self.announced / a_second:.2f} s, "
                f"{self.n_bytes / a_second:.2f} s came"
            )

    def _read_header(self) -> bool:
        """Walk through the chunks up to the samples; whether they have been reached."""
        if not self._begun:
            if not b"RIFF".startswith(self._held[:4]):
                self._refuse_begin()
            if len(self._held) < 12:
                return False
            if self._held[8:12] != b"WAVE":
                self._refuse_begin()
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
                    raise AudioError(f"{self._name}: is a WAV whose samples come before its format")
                self.announced = None if is_open(length) else length
                self._held = self._held[8:]
                self._header = False
                return True
            if name == b"fmt ":
                if not 16 <= length <= 1024:
                    raise AudioError(f"{self._name}: is a WAV with a format of {length} bytes")
                if len(self._held) < 8 + length:
                    return False
                self.format = self._wav_format(self._held[8 : 8 + length])
            self._skip = 8 + length + length % 2

    def _refuse_begin(self) -> NoReturn:
        raise AudioError(
            f"{self._name}: begins as no WAV does; wanted a WAV "
            "(`ffmpeg -i FILE -f wav - | ...`), or raw samples and their --rate"
        )

    def _wav_format(self, chunk: bytes) -> PcmFormat:
        kind, channels, rate, _, _, bits = struct.unpack("<HHIIHH", chunk[:16])
        if kind == 0xFFFE and len(chunk) >= 26:  # extensible: the kind opens the GUID
            kind = struct.unpack("<H", chunk[24:26])[0]
        encodings = {
            (1, 8): Encoding.u8,
            (1, 16): Encoding.s16le,
            (1, 24): Encoding.s24le,
            (1, 32): Encoding.s32le,
            (3, 32): Encoding.f32le,
            (3, 64): Encoding.f64le,
        }
        if (kind, bits) not in encodings:
            raise AudioError(
                f"{self._name}: is a WAV of kind {kind} with {bits} bits; wanted PCM of 8 to 32 "
                "bits, or float"
            )
        try:
            return PcmFormat(rate, channels, encodings[kind, bits])
        except ConfigError as error:
            raise AudioError(f"{self._name}: the header of its WAV: {error}") from error


def mono(samples: np.ndarray, channel: int | None = None) -> np.ndarray:
    """One channel of `samples (n, channels)`, counted from 1, or their mean: `(n,)`."""
    if channel is None:
        return samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
    if not 1 <= channel <= samples.shape[1]:
        raise ConfigError(
            f"channel={channel} must be from 1 to {samples.shape[1]}, as many as there are"
        )
    return samples[:, channel - 1]


def _decode(data: bytes, encoding: Encoding) -> np.ndarray:
    """float32 `(n,)`; whole numbers are divided by 2^(bits - 1), as libsndfile does it."""
    import numpy as np

    if encoding is Encoding.u8:
        return (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / 128
    if encoding is Encoding.s24le:  # the three upper bytes of 32
        wide = np.zeros((len(data) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        return wide.view("<i4")[:, 0].astype(np.float32) / np.float32(2**31)
    kinds = {
        "s8": "i1",
        "s16le": "<i2",
        "s16be": ">i2",
        "s32le": "<i4",
        "f32le": "<f4",
        "f64le": "<f8",
    }
    samples = np.frombuffer(data, kinds[encoding.value])
    with np.errstate(over="ignore"):  # to infinity, which is refused later
        wanted = samples.astype(np.float32)
    if encoding.value.startswith("f"):
        return wanted
    return wanted / np.float32(2 ** (8 * encoding.n_bytes - 1))
