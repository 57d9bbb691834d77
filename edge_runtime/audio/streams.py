"""The audio streams of a file, each opened with the decoder of its format.

A file may hold several streams one after the other: joined MP3, chained OGG, and files of any other
format that were concatenated.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from ..errors import AudioError, EdgeSerError
from ..native_stderr import silenced
from ..platform_support import why_no_soundfile
from .headers import DeclaredSize, declared_size
from .riff import ALAW, EXTENSIBLE, FLOAT, MP2, MP3, MULAW, PCM, WavFormat
from .virtual_file import Part, VirtualFile
from .wav import PcmWavFile

if TYPE_CHECKING:
    from .mpeg import MpegStream

# The modules of compressed formats are imported where they are used: most files are WAV.

# Encoders that write to a pipe leave the length open; libsndfile then reports the largest number.
UNKNOWN_LENGTH = 1 << 60

# Size that is claimed for MPEG audio without a declared length, so that libsndfile's guess is never
# too small.
_CLAIMED_SIZE = 1 << 40

_SIGNATURE_BYTES = 40

# So few MPEG frames after a stream are the rest of it.
_MIN_FRAMES = 4


class AudioStream:
    """An open stream of a file.

    Args:
        decoder: Has the members of `soundfile.SoundFile`.
        end: Offset behind the stream.
        n_samples: Samples per channel by the header; None if it leaves them open.
        byte_rate: Bytes per second of PCM, else 0.
        is_mpeg: True for MPEG audio.

    Attributes:
        truncation: The declared and the actual length, as text; "" if the file is complete.
        missing: Bytes that the file lacks, relative to those it has.
        is_chunk: True if the MPEG audio is in a WAV.
    """

    def __init__(
        self,
        decoder: Any,
        end: int,
        n_samples: int | None,
        byte_rate: int = 0,
        is_mpeg: bool = False,
    ) -> None:
        self.decoder, self.end, self.n_samples = decoder, end, n_samples
        self.byte_rate, self.is_mpeg = byte_rate, is_mpeg
        self.truncation, self.missing = "", 0.0
        self.is_chunk = False

    def read(self, size: int, dtype: str) -> Any:
        """Read the next samples, `(n_samples, n_channels)`."""
        with silenced() if self.is_mpeg else contextlib.nullcontext():
            return self.decoder.read(size, dtype=dtype, always_2d=True)


def open_stream(file: BinaryIO, start: int, size: int, path: object) -> AudioStream:
    """Open the stream that begins at an offset.

    Args:
        file: The file.
        start: The offset.
        size: Size of the file.
        path: Name of the file, for messages.

    Raises:
        AudioError: If the header contradicts itself, or the format requires another package.
        EdgeSerError: If soundfile is required and cannot be imported.
        Exception: If the decoder cannot read the stream; the type depends on it.
    """
    file.seek(start)
    begin = file.read(_SIGNATURE_BYTES)
    if begin[:3] == b"ID3" or begin[:1] == b"\0":
        from . import mpeg

        after_tags, _ = mpeg.skip_tags(file, start, size)
        file.seek(after_tags)
        after = file.read(_SIGNATURE_BYTES)
        if is_signature(after):
            start, begin = after_tags, after
    if begin[:4] == b"OggS":
        return _open_ogg(file, start, size, path)
    if begin[:4] == b"fLaC":
        from .flac import next_stream

        end = next_stream(file, start + 4, size)
        return _open_soundfile(file, [(start, end - start)], end)
    if not is_signature(begin):
        from . import formats, mpeg

        stream = mpeg.find_stream(file, start, size)
        if stream is not None:
            return _open_mpeg(file, stream)
        demuxer = formats.demuxer_of(begin)
        if demuxer is not None:
            part = _as_binary(VirtualFile(file, [(start, size - start)]))
            return AudioStream(formats.AvFile(part, *demuxer, path), size, None)
    return _open_chunks(file, start, size, path)


def next_start(file: BinaryIO, stream: AudioStream, size: int) -> int | None:
    """Return the offset of the stream after another, or None if it was the last."""
    if stream.is_mpeg and not stream.is_chunk:
        from . import mpeg

        following = mpeg.find_stream(file, stream.end, size, is_known=True)
        while following is not None and not following.is_declared:
            file.seek(following.start)
            frame = mpeg.parse_frame(file.read(4))
            if frame is None or following.end - following.start >= _MIN_FRAMES * frame.n_bytes:
                break
            following = mpeg.find_stream(file, following.end, size, is_known=True)
        return None if following is None else following.start
    file.seek(stream.end)
    return stream.end if is_signature(file.read(_SIGNATURE_BYTES)) else None


def is_signature(begin: bytes) -> bool:
    """Return True if bytes begin as a WAV, AIFF, FLAC, OGG, W64, AU or CAF file does."""
    if begin[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64"):
        return begin[8:12] == b"WAVE"
    return begin[:4] in (b"FORM", b"fLaC", b"OggS", b"riff", b".snd", b"dns.", b"caff")


def _open_mpeg(file: BinaryIO, stream: MpegStream) -> AudioStream:
    claimed = None if stream.is_declared else _CLAIMED_SIZE
    parts = [(stream.start, stream.end - stream.start)]
    opened = _open_soundfile(file, parts, stream.end, claimed, is_mpeg=True)
    if not stream.is_declared:
        opened.n_samples = None
    return opened


def _open_ogg(file: BinaryIO, start: int, size: int, path: object) -> AudioStream:
    from . import ogg

    link = next(ogg.links(file, start, size), None)
    end = size if link is None else link.end
    if link is not None and link.flac:  # libsndfile does not read all of them
        return _open_soundfile(file, link.flac, end)
    parts = [(start, end - start)]
    declared = declared_size(_as_binary(VirtualFile(file, parts)), path)
    with _truncation_explained(declared, end - start, path):
        try:
            opened = _open_soundfile(file, parts, end)
        except RuntimeError as error:  # Speex, or a film
            return _open_instead(file, start, end, "ogg", "OGG", path, error)
    opened.truncation, opened.missing = _truncation(declared, end - start)
    opened.missing = math.inf if opened.truncation else 0.0  # the whole last page is lost
    return opened


def _as_binary(file: VirtualFile) -> BinaryIO:
    return cast(BinaryIO, file)


def _open_chunks(file: BinaryIO, start: int, size: int, path: object) -> AudioStream:
    """Open a stream of a format that consists of chunks, or of a kind only libsndfile reads."""
    part: BinaryIO = file if start == 0 else _as_binary(VirtualFile(file, [(start, size - start)]))
    size -= start
    declared = declared_size(part, path)
    end = size if declared is None or declared.end is None else declared.end
    with _truncation_explained(declared, size, path):
        pcm = PcmWavFile.open(part, declared, size)
        if pcm is not None:
            opened = AudioStream(pcm, start + end, pcm.frames, byte_rate=pcm.byte_rate)
        elif (stream := _mpeg_in_wav(part, declared, size)) is not None:
            opened = _open_mpeg(part, stream)
            opened.is_chunk, opened.end = True, start + end
        else:
            part.seek(end)
            end = end if is_signature(part.read(_SIGNATURE_BYTES)) else size
            parts: list[Part] = [(0, end)]
            zero = None if declared is None else declared.zero_length_at
            if zero is not None:
                parts = [(0, zero), b"\xff" * 4, (zero + 4, max(0, end - zero - 4))]
            try:
                opened = _open_soundfile(part, parts, start + end)
            except RuntimeError as error:
                if not _has_other_codec(declared):
                    raise
                end += start
                return _open_instead(file, start, end, "wav", "WAV", path, error)
    opened.truncation, opened.missing = _truncation(declared, size)
    return opened


def _has_other_codec(declared: DeclaredSize | None) -> bool:
    """Return True for a WAV of a codec that libsndfile may not decode."""
    if declared is None or len(declared.format_chunks) != 1:
        return False
    wav = WavFormat.parse(declared.format_chunks[0])
    return wav is not None and wav.codec not in (PCM, FLOAT, ALAW, MULAW, EXTENSIBLE)


def _open_instead(
    file: BinaryIO, start: int, end: int, demuxer: str, name: str, path: object, error: Exception
) -> AudioStream:
    """Open with PyAV what libsndfile does not read; raise its `error` if that fails, too."""
    from . import formats

    part = _as_binary(VirtualFile(file, [(start, end - start)]))
    try:
        return AudioStream(formats.AvFile(part, demuxer, name, path), end, None)
    except Exception:
        raise error from None


def _mpeg_in_wav(file: BinaryIO, declared: DeclaredSize | None, size: int) -> MpegStream | None:
    if declared is None or len(declared.format_chunks) != 1:
        return None
    wav = WavFormat.parse(declared.format_chunks[0])
    if wav is None or wav.codec not in (MP2, MP3):
        return None
    from . import mpeg

    available = size - declared.position
    length = available if declared.length is None else min(available, declared.length)
    return mpeg.find_stream(file, declared.position, declared.position + length, is_known=True)


def _open_soundfile(
    file: BinaryIO,
    parts: Sequence[Part],
    end: int,
    claimed_size: int | None = None,
    is_mpeg: bool = False,
) -> AudioStream:
    soundfile = load_soundfile()
    with silenced() if is_mpeg else contextlib.nullcontext():
        # Not by its descriptor: old versions close that if they cannot read the file.
        decoder = soundfile.SoundFile(VirtualFile(file, parts, claimed_size))
    # soundfile seeks after every read of a seekable file; a FLAC of unknown length cannot seek.
    decoder.seekable = lambda: False
    n_samples = decoder.frames if decoder.frames < UNKNOWN_LENGTH else None
    return AudioStream(decoder, end, n_samples, is_mpeg=is_mpeg)


def _truncation(declared: DeclaredSize | None, size: int) -> tuple[str, float]:
    """Return what the header declares and the file lacks, and its share of what the file has."""
    if declared is None or declared.length is None:
        return "", 0.0
    available = max(0, size - declared.position)
    if declared.length <= available:
        return "", 0.0
    text = f"the header declares {declared.length} bytes of samples, the file has {available}"
    return text, (declared.length - available) / max(1, available)


@contextlib.contextmanager
def _truncation_explained(declared: DeclaredSize | None, size: int, path: object) -> Iterator[None]:
    """Convert an error of a decoder to AudioError if the file is truncated."""
    try:
        yield
    except EdgeSerError:
        raise
    except Exception as error:
        truncation, _ = _truncation(declared, size)
        if not truncation:
            raise
        raise AudioError(f"{path}: is truncated: {truncation}") from error


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
