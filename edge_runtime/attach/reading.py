"""Read a transcript of any supported format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..errors import ConfigError
from ..files import read_limited
from ..messages import system_reason
from .json_transcript import JsonTranscript
from .rttm import RttmTranscript
from .subtitles import SrtTranscript, VttTranscript
from .tables import AudacityTranscript, CsvTranscript
from .textgrid import TextGridTranscript
from .transcript import Transcript, TranscriptError, decode

MAX_BYTES = 256 << 20  # of a transcript; a day of speech takes a few

READERS: dict[str, Callable[[str], Transcript]] = {
    ".srt": SrtTranscript,
    ".vtt": VttTranscript,
    ".json": JsonTranscript,
    ".txt": AudacityTranscript,
    ".csv": CsvTranscript,
}
SUFFIXES = (*READERS, ".rttm", ".textgrid")


def read_transcript(
    path: Path, *, recording: str = "", tier: str | None = None
) -> tuple[Transcript, str]:
    """Read a transcript; its suffix names the format.

    Args:
        path: The file.
        recording: Name of the recording without suffix, for RTTM of several recordings.
        tier: Tier of a TextGrid to use. Default: all interval tiers.

    Returns:
        The transcript, and the encoding of its text.

    Raises:
        ConfigError: If the suffix is unknown, or `tier` does not apply.
        TranscriptError: If the file cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ConfigError(
            f"{path}: is not a transcript; expected a name that ends in {', '.join(SUFFIXES)}, "
            "followed by the recording"
        )
    if tier is not None and suffix != ".textgrid":
        raise ConfigError(f"--tier applies to TextGrids only, got {path}")
    try:
        text, encoding = decode(read_limited(path, MAX_BYTES))
        if suffix == ".rttm":
            return RttmTranscript(text, recording), encoding
        if suffix == ".textgrid":
            return TextGridTranscript(text, tier), encoding
        return READERS[suffix](text), encoding
    except OSError as error:
        raise TranscriptError(f"{path}: cannot be read: {system_reason(error)}") from error
    except TranscriptError as error:
        raise TranscriptError(f"{path}: {error}") from error
