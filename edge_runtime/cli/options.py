"""Command-line options that several commands share, each defined once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ..audio.pcm import Encoding
from ..errors import ConfigError
from ..results.writer import OutputFormat

if TYPE_CHECKING:
    from ..inference.profile import SpeakerProfile
    from ..model import EmotionModel


def complete_profile(incomplete: str) -> list[str]:
    """Return the names of stored profiles that begin with `incomplete`, for shell completion."""
    from ..inference.profile_files import profile_folder

    try:
        names = sorted(path.stem for path in profile_folder().glob("*.json"))
    except ConfigError:  # no folder for profiles
        return []
    return [name for name in names if name.startswith(incomplete)]


# The network and the decision.

ModelOption = Annotated[
    Path | None,
    typer.Option(
        "--model",
        metavar="FILE",
        readable=False,
        help="An .onnx model, or edge_ser or edge_ser_open, which are bundled [default: edge_ser].",
    ),
]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="NAME",
        autocompletion=complete_profile,
        help="Profile of the speaker, made by `edge-ser profile create`.",
    ),
]
SpeechThresholdOption = Annotated[
    float | None,
    typer.Option(
        "--speech-threshold",
        metavar="P",
        min=0.0,
        max=1.0,
        help="Take audio as speech from this probability of speech [default: that of the model for "
        "clips, 0.6 for timelines and live audio].",
    ),
]
VadOption = Annotated[
    Literal["model", "silero"] | None,
    typer.Option(
        "--vad",
        help="Detector of speech; silero: Silero VAD, with the extra `vad` [default: model].",
    ),
]
ThresholdOption = Annotated[
    float | None,
    typer.Option(
        "--threshold",
        metavar="P",
        min=0.0,
        max=1.0,
        help='Return "uncertain" below this confidence [default: stored in the model].',
    ),
]

# The audio.

DeviceOption = Annotated[
    str | None,
    typer.Option("--device", metavar="N|NAME", help="Input device: index, or part of its name."),
]
ChannelOption = Annotated[
    int | None,
    typer.Option(
        "--channel",
        metavar="N",
        min=1,
        help="Use only this channel, counted from 1 (left) [default: mean of all].",
    ),
]
StartTimeOption = Annotated[
    str | None,
    typer.Option(
        "--start-time",
        metavar="TIME",
        help="Date and time at which the audio starts, in ISO 8601, or `now` for live audio; adds "
        "clock times.",
    ),
]


def max_duration_option(default: str) -> Any:
    """Return `--max-duration`; the default of a command is in its help."""
    return typer.Option(
        "--max-duration", metavar="SECONDS", help=f"Reject longer recordings [default: {default}]."
    )


def max_size_option(default: str) -> Any:
    """Return `--max-size`; the default of a command is in its help."""
    return typer.Option(
        "--max-size",
        metavar="SIZE",
        help=f"Reject larger files, such as 500M or 2G [default: {default}].",
    )


# Raw PCM on standard input; `audio.stdin.stdin_format` combines the three.

RateOption = Annotated[
    int | None, typer.Option("--rate", metavar="HZ", help="Sample rate of raw PCM on stdin.")
]
ChannelsOption = Annotated[
    int | None,
    typer.Option(
        "--channels",
        metavar="N",
        min=1,
        help="Interleaved channels of raw PCM on stdin [default: 1].",
    ),
]
EncodingOption = Annotated[
    Encoding | None,
    typer.Option("--encoding", help="Sample format of raw PCM on stdin [default: s16le]."),
]

# The output.

FormatOption = Annotated[
    OutputFormat | None,
    typer.Option("--format", help="Format of the results [default: suffix of --output, or text]."),
]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", help="File to write to [default: stdout]."),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace an existing file.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
JobsOption = Annotated[
    int,
    typer.Option("--jobs", "-j", metavar="N", min=0, help="Number of processes; 0: one per core."),
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Hide the progress bar; errors are still printed.")
]


@dataclass(frozen=True)
class LiveOptions:
    """A microphone, and how its utterances are answered; the attributes are the options."""

    device: DeviceOption = None
    channel: ChannelOption = None
    threshold: ThresholdOption = None
    speech_threshold: SpeechThresholdOption = None
    profile: ProfileOption = None
    model: ModelOption = None


# Labelled clips, as in training.

SpeakerPatternOption = Annotated[
    str | None,
    typer.Option(
        "--speaker-pattern",
        metavar="REGEX",
        help="Regular expression over the path; its first group is the speaker.",
    ),
]
LabelPatternOption = Annotated[
    str | None,
    typer.Option(
        "--label-pattern",
        metavar="REGEX",
        help="Regular expression over the path; its first group is the label or its code.",
    ),
]
LabelCodesOption = Annotated[
    str | None,
    typer.Option(
        "--label-codes",
        metavar="CODE=LABEL,...",
        help="Labels of the codes that --label-pattern reads, such as ANG=angry,HAP=happy; "
        "CODE= leaves clips out.",
    ),
]


def load_model_and_profile(
    model: Path | None, profile: str | None
) -> tuple[EmotionModel, SpeakerProfile | None]:
    """Load a model and the profile of a speaker, and check that they fit.

    Args:
        model: An .onnx file. Default: the bundled model.
        profile: Name or path of a profile, or None.

    Raises:
        ConfigError: If the profile does not exist, or belongs to another model.
        ModelError: If the model cannot be loaded.
    """
    from ..model import EmotionModel

    if profile is None:
        return EmotionModel.load(model), None
    from ..inference.network import network_of
    from ..inference.profile import SpeakerProfile
    from ..inference.profile_files import profile_path

    speaker = SpeakerProfile.load(profile_path(profile))
    loaded = EmotionModel.load(model)
    speaker.voice_for(network_of(loaded))  # fails once, not for every file
    return loaded, speaker
