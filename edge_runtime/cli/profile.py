"""`edge-ser profile`: create, show, list and delete speaker profiles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ConfigError, EdgeSerError
from ..messages import system_reason
from .options import (
    ChannelOption,
    DeviceOption,
    ForceOption,
    JsonOption,
    ModelOption,
    complete_profile,
)

if TYPE_CHECKING:
    from ..inference.profile import SpeakerProfile
    from ..model import EmotionModel

profile = typer.Typer(
    name="profile",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Create, show, list and delete speaker profiles.\n\n"
    "A profile adapts the results to one speaker.",
)


@profile.command()
def create(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="Name of the profile, or a path that ends in .json."),
    ],
    clips: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[CLIP... | SECONDS]",
            readable=False,
            help="Recordings, folders or patterns with about a minute of one person's speech; with "
            "--microphone, the seconds to record.",
        ),
    ] = None,
    microphone: Annotated[
        bool,
        typer.Option(
            "--microphone",
            help="Record from the microphone: 60 s, with --labelled 5 s for each of three "
            "sentences in each mood.",
        ),
    ] = False,
    labelled: Annotated[
        bool,
        typer.Option(
            "--labelled",
            help="CLIP is a folder with a subfolder for each emotion, or a CSV file with the "
            "columns path and label.",
        ),
    ] = False,
    device: DeviceOption = None,
    channel: ChannelOption = None,
    model: ModelOption = None,
    force: ForceOption = False,
) -> None:
    """Create the profile of a speaker.

    A profile describes a voice by the mean over its speech; the answers are then relative to that
    mean. Use recordings in different moods: from a single mood, the profile removes that mood.
    With --labelled, a few clips of each emotion also correct the model; three of each help much,
    and one of each helps. Labels require a model with clip statistics. Profiles are stored in
    $EDGE_SER_PROFILES, by default in the user's data folder. Audio from the microphone is not
    stored.

    \b
    Examples:
      edge-ser profile create anna anna-1.wav anna-2.wav
      edge-ser profile create anna --microphone 90
      edge-ser profile create anna recordings/anna --labelled
      edge-ser profile create anna --microphone --labelled
      edge-ser profile create ./anna.json anna-*.wav --force
    """  # noqa: D301
    from ..diagnostics.profile_report import kind_text, profile_warnings
    from ..inference.profile_files import profile_path
    from ..model import EmotionModel
    from .profile_microphone import recording_seconds

    path = profile_path(name)
    if path.exists() and not force:
        raise ConfigError(f"{path}: exists already; give --force to replace it")
    seconds = recording_seconds(clips, microphone, labelled)
    if not microphone and (device is not None or channel is not None):
        raise ConfigError("--device and --channel require --microphone")
    loaded = EmotionModel.load(model)
    if microphone:
        speaker = _from_microphone(path.stem, loaded, seconds, labelled, device, channel)
    else:
        speaker = _from_files(path.stem, loaded, clips or [], labelled)
    speaker.save(path)
    print(f"{path}: {speaker.seconds:.0f} s of speech, {kind_text(speaker)}")
    for warning in profile_warnings(speaker):
        typer.echo(f"edge-ser: profile {path.stem}: {warning}", err=True)


def _from_files(
    name: str, model: EmotionModel, clips: list[Path], labelled: bool
) -> SpeakerProfile:
    from ..inference.profile import SpeakerProfile, check_supports_labels
    from .profile_clips import labelled_recordings, unlabelled_recordings

    if not labelled:
        unlabelled = unlabelled_recordings(clips)
        return SpeakerProfile.create(name, model, (recording.path for recording in unlabelled))
    check_supports_labels(name, model)
    recordings = list(labelled_recordings(clips, model.labels))
    if not any(recording.label for recording in recordings):
        raise ConfigError(
            "--labelled: no recording has a label; expected a subfolder for each label, or a CSV "
            "file with the columns path and label"
        )
    paths, labels = zip(*recordings)
    return SpeakerProfile.create(name, model, paths, labels)


def _from_microphone(
    name: str,
    model: EmotionModel,
    seconds: float,
    labelled: bool,
    device: str | None,
    channel: int | None,
) -> SpeakerProfile:
    from ..inference.profile import SpeakerProfile, check_supports_labels
    from .profile_microphone import record, record_labelled

    if not labelled:
        samples = record(seconds, model.sample_rate, device, channel)
        return SpeakerProfile.create(name, model, [samples])
    check_supports_labels(name, model)
    recordings = record_labelled(model.labels, seconds, model.sample_rate, device, channel)
    clips, labels = zip(*recordings)
    return SpeakerProfile.create(name, model, clips, labels)


@profile.command()
def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="Name of the profile, or a path that ends in .json.",
            autocompletion=complete_profile,
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Describe a profile.

    The expected UAR (mean of the recalls) is that on the labelled clips, each answered with the
    help of the others only. Clips of one day and one room flatter it.
    """
    from ..diagnostics.profile_report import profile_json, profile_text, profile_warnings
    from ..inference.profile import SpeakerProfile
    from ..inference.profile_files import profile_path

    path = profile_path(name)
    speaker = SpeakerProfile.load(path)
    if as_json:
        print(json.dumps(profile_json(speaker, path), indent=2))
        return
    print(profile_text(speaker, path))
    for warning in profile_warnings(speaker):
        print(f"! {warning}")


@profile.command("list")
def list_profiles() -> None:
    """List the stored profiles."""
    from ..diagnostics.profile_report import kind_text
    from ..inference.profile import SpeakerProfile
    from ..inference.profile_files import profile_folder

    folder = profile_folder()
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder}: is not a folder; EDGE_SER_PROFILES must name a folder")
    paths = sorted(folder.glob("*.json"))
    if not paths:
        typer.echo(f"edge-ser: no profiles in {folder}", err=True)
    for path in paths:
        try:
            speaker = SpeakerProfile.load(path)
            print(f"{path.stem}: {speaker.seconds:.0f} s of speech, {kind_text(speaker)}, {path}")
        except ConfigError as error:
            typer.echo(f"edge-ser: {error}", err=True)


@profile.command()
def delete(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="Name of the profile.", autocompletion=complete_profile
        ),
    ],
) -> None:
    """Delete a profile."""
    from ..inference.profile import SpeakerProfile
    from ..inference.profile_files import profile_folder, profile_path

    path = profile_path(name)
    if not path.exists():
        raise ConfigError(f"{path}: no such profile")
    if path.parent != profile_folder():
        SpeakerProfile.load(path)  # refuses to delete another file
    try:
        path.unlink()
    except OSError as error:
        raise EdgeSerError(f"{path}: cannot be deleted: {system_reason(error)}") from error
    print(f"{path}: deleted")
