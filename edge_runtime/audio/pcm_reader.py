"""Decode PCM samples that arrive as bytes: raw, or a WAV of known or unknown length.

http://soundfile.sapp.org/doc/WaveFormat/
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NoReturn

from ..errors import AudioError, ConfigError
from ..notes import note
from .limits import MAX_MISSING_SECONDS
from .pcm import PcmFormat, check_wav_format, wav_encoding
from .riff import FORMAT_BYTES, WavFormat, is_unknown_length

if TYPE_CHECKING:
    import numpy as np

MAX_FORMAT_BYTES = 1024  # of a `fmt ` chunk; it is held in memory


class PcmReader:
    """Decode bytes that arrive in chunks of any size.

    Args:
        format: Format of raw samples. Default: a WAV arrives, and its header has the format.
        name: Name of the source, for messages.

    Attributes:
        format: The format; None until the header of a WAV is complete.
        declared: Bytes of samples by the header; None if not known.
        n_bytes: Bytes of samples so far.
        n_ignored: Bytes that arrived after the declared samples.

    Example:
        >>> reader = PcmReader(PcmFormat(16_000))
        >>> [reader.push(data).tolist() for data in (bytes([0]), bytes([64, 0]), bytes([192]))]
        [[], [[0.5]], [[-0.5]]]
    """

    def __init__(self, format: PcmFormat | None = None, name: str = "standard input") -> None:
        self.format = format
        self.declared: int | None = None
        self.n_bytes = 0
        self.n_ignored = 0
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
        self.n_ignored += len(self._held) - size if self.ended else 0
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
        if self.declared is None or self.ended:
            return
        assert self.format is not None
        missing = (self.declared - self.n_bytes) / self.format.frame_bytes / self.format.rate
        if missing < MAX_MISSING_SECONDS and self.n_bytes:
            note(
                self._name,
                f"the WAV header declares {self.declared} bytes of samples, got {self.n_bytes}",
            )
            return
        raise AudioError(
            f"{self._name}: is truncated: the WAV header declares {self.seconds + missing:.2f} s, "
            f"got {self.seconds:.2f} s"
        )

    @property
    def seconds(self) -> float:
        """Duration of the samples so far."""
        if self.format is None:
            return 0.0
        return self.n_bytes / self.format.frame_bytes / self.format.rate

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
        check_wav_format(wav, self._name)
        encoding = wav_encoding(wav)
        if encoding is None:
            raise AudioError(
                f"{self._name}: is a WAV of codec {wav.codec} with {wav.bits} bits; expected PCM "
                "of 8 to 32 bits, float, A-law or mu-law"
            )
        try:
            return PcmFormat(wav.sample_rate, wav.n_channels, encoding)
        except ConfigError as error:
            raise AudioError(f"{self._name}: invalid WAV header: {error}") from error
