"""`edge-ser attach`: the emotion of each cue of a transcript."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..attach.reading import SUFFIXES, read_transcript
from ..attach.transcript import By, Style, Transcript, encode
from ..audio.channel_roles import parse_roles
from ..audio.limits import audio_limits
from ..errors import ConfigError
from ..results.writer import csv_row
from .options import (
    ForceOption,
    ModelOption,
    QuietOption,
    SpeechThresholdOption,
    ThresholdOption,
    max_duration_option,
    max_size_option,
)
from .terminal import Interruption, Progress, is_terminal

if TYPE_CHECKING:
    from ..attach.transcript import Cue, CueEmotion

RolesOption = Annotated[
    str | None,
    typer.Option(
        "--channels", metavar="N=ROLE,...", help="Role of each channel, such as 1=agent,2=customer."
    ),
]
OnlyOption = Annotated[
    str | None,
    typer.Option("--only", metavar="ROLE,...", help="Process the channels of these roles only."),
]


def attach(
    transcript: Annotated[
        Path,
        typer.Argument(
            metavar="TRANSCRIPT",
            readable=False,
            help="A .srt, .vtt, .json, .rttm, .TextGrid, .txt (Audacity) or .csv file.",
        ),
    ],
    audio: Annotated[
        Path, typer.Argument(metavar="AUDIO", readable=False, help="The recording it describes.")
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="OUT", help="File to write to [default: stdout]."),
    ] = None,
    force: ForceOption = False,
    by: Annotated[
        By | None,
        typer.Option(
            "--by",
            help="Relative to which voice: none, that of the speaker, or that of the channel "
            "[default: speaker if the transcript names speakers, else segment].",
        ),
    ] = None,
    style: Annotated[
        Style | None,
        typer.Option(
            "--style",
            help="[angry] before the text, a class span of WebVTT, or a key, column or tier "
            "[default: depends on the format].",
        ),
    ] = None,
    tier: Annotated[
        str | None, typer.Option("--tier", metavar="NAME", help="Use only this tier of a TextGrid.")
    ] = None,
    channels: RolesOption = None,
    only: OnlyOption = None,
    model: ModelOption = None,
    threshold: ThresholdOption = None,
    speech_threshold: SpeechThresholdOption = None,
    max_duration: Annotated[float | None, max_duration_option("86400")] = None,
    max_size: Annotated[str | None, max_size_option("32G")] = None,
    quiet: QuietOption = False,
) -> None:
    """Write emotions into a transcript.

    Each cue, segment or turn gets its own. Reads SubRip, WebVTT, the JSON of Whisper and
    whisper.cpp, RTTM, TextGrids, label tracks of Audacity, and CSV with the columns start, end and
    speaker. The output has the format of the transcript. Everything else in it stays as it is, byte
    for byte. A cue without speech, or whose emotion is uncertain, gets nothing.

    An RTTM file keeps its ten fields; the emotions are written to OUT.emotions.csv, with .rttm
    removed from OUT.

    With speakers, the recording is read once more for each of them: the emotions are relative to
    the mean of the speaker. --by channel takes each cue from one channel: that of the role that the
    cue names as its speaker, or the loudest.

    \b
    Examples:
      edge-ser attach call.srt call.wav -o call.emotions.srt
      edge-ser attach call.json call.mp3 --style prefix
      edge-ser attach call.rttm call.wav -o with-emotions.rttm
      edge-ser attach call.vtt call.wav --by channel --channels 1=agent,2=customer --only customer
    """  # noqa: D301
    from ..attach.emotions import classify_cues
    from ..files import check_writable
    from ..model import EmotionModel

    roles = parse_roles(channels, only)
    if roles is not None and by not in (None, By.channel):
        raise ConfigError(f"--channels requires --by channel, got --by {by.value}")
    _check_suffix(output, transcript)
    parsed, encoding = read_transcript(transcript, recording=audio.stem, tier=tier)
    style = _check_style(style, parsed, transcript)
    if by is None:
        named = any(cue.speaker is not None for cue in parsed.cues)
        by = By.channel if roles is not None else By.speaker if named else By.segment
    sidecar = None
    if transcript.suffix.lower() == ".rttm":
        if output is None:
            raise ConfigError(
                "--output is required for RTTM, whose emotions are written to a second file"
            )
        sidecar = output.with_suffix(".emotions.csv")
    for path in (output, sidecar):
        if path is not None:
            check_writable(path, force)
    loaded = EmotionModel.load(model)
    progress = None
    if not quiet and is_terminal(sys.stderr):
        progress = Progress(len(parsed.cues))

    def on_cue() -> None:
        Interruption.check()
        if progress is not None:
            progress.advance()

    try:
        emotions = classify_cues(
            loaded,
            audio,
            parsed.cues,
            by=by,
            roles=roles,
            threshold=threshold,
            speech_threshold=speech_threshold,
            limits=audio_limits(max_duration, max_size, True),
            on_cue=on_cue,
        )
    finally:
        if progress is not None:
            progress.close()
    content = encode(parsed.with_emotions(emotions, style), encoding)
    if sidecar is not None:
        _write(sidecar, _sidecar(parsed.cues, emotions, loaded.labels).encode("utf-8"))
    _write(output, content)


def _check_suffix(output: Path | None, transcript: Path) -> None:
    """Raise ConfigError if the name of the output is that of another format of transcripts."""
    suffixes = [path.suffix.lower() for path in (output, transcript) if path is not None]
    if len(set(suffixes)) == 2 and set(suffixes) <= set(SUFFIXES):
        raise ConfigError(
            f"--output {output}: the output has the format of the transcript; expected a name that "
            f"ends in {transcript.suffix}"
        )


def _check_style(style: Style | None, parsed: Transcript, path: Path) -> Style:
    """Return the style to use.

    Raises:
        ConfigError: If the format does not support it.
    """
    if style is not None and style not in parsed.styles:
        expected = " or ".join(option.value for option in parsed.styles)
        raise ConfigError(
            f"--style {style.value} is not supported for {path.suffix}; expected {expected}"
        )
    return style or parsed.styles[0]


def _sidecar(
    cues: Sequence[Cue], emotions: Sequence[CueEmotion | None], labels: tuple[str, ...]
) -> str:
    """Return a CSV table with the emotion of each cue."""
    rows = [csv_row(["start", "end", "speaker", "emotion", "confidence", *labels])]
    for cue, emotion in zip(cues, emotions):
        values: list[object] = [""] * (2 + len(labels))
        if emotion is not None:
            numbers = [emotion.confidence, *emotion.probabilities.values()]
            values = [emotion.label, *(round(number, 6) for number in numbers)]
        rows.append(csv_row([round(cue.start, 3), round(cue.end, 3), cue.speaker, *values]))
    return "".join(rows)


def _write(path: Path | None, content: bytes) -> None:
    from ..files import atomic_replace

    if path is None:
        sys.stdout.buffer.write(content)
        return
    with atomic_replace(path) as temporary:
        temporary.write_bytes(content)
