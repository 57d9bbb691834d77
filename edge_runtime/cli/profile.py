"""`edge-ser profile`: create, list and delete speaker profiles."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import AudioError, ConfigError, EdgeSerError
from ..messages import system_reason
from .options import ChannelOption, DeviceOption, ForceOption, ModelOption, complete_profile
from .terminal import Interruption

if TYPE_CHECKING:
    import numpy as np

RECORDING_SECONDS = 60.0  # default of --microphone
MIN_SECONDS, MAX_SECONDS = 1, 3600  # of a recording

# Profiles of less speech print a warning.
RECOMMENDED_SECONDS = 60
MIN_RECOMMENDED_SECONDS = 20

profile = typer.Typer(
    name="profile",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Create, list and delete speaker profiles.\n\n"
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
        bool, typer.Option("--microphone", help="Record from the microphone, by default for 60 s.")
    ] = False,
    device: DeviceOption = None,
    channel: ChannelOption = None,
    model: ModelOption = None,
    force: ForceOption = False,
) -> None:
    """Create the profile of a speaker.

    A profile holds the mean output of the network for the recordings. `edge-ser classify --profile
    NAME` subtracts a part of it. Use recordings in different moods: from a single mood, the
    profile subtracts that mood. Profiles are stored in $EDGE_SER_PROFILES, by default in the
    user's data folder. Audio from the microphone is not stored.

    \b
    Examples:
      edge-ser profile create anna anna-1.wav anna-2.wav
      edge-ser profile create anna --microphone 90
      edge-ser profile create ./anna.json anna-*.wav --force
    """  # noqa: D301
    from ..inference.profile import SpeakerProfile
    from ..inference.profile_files import profile_path
    from ..model import EmotionModel

    path = profile_path(name)
    if path.exists() and not force:
        raise ConfigError(f"{path}: exists already; give --force to replace it")
    seconds = _recording_seconds(clips, microphone)
    if not microphone and (device is not None or channel is not None):
        raise ConfigError("--device and --channel require --microphone")
    loaded = EmotionModel.load(model)
    if microphone:
        samples = _record(seconds, loaded.sample_rate, device, channel)
        speaker = SpeakerProfile.create(path.stem, loaded, [samples])
    else:
        speaker = SpeakerProfile.create(path.stem, loaded, _files(clips or []))
    speaker.save(path)
    print(f"{path}: {speaker.seconds:.0f} s of speech")
    if speaker.seconds < MIN_RECOMMENDED_SECONDS:
        typer.echo(
            f"edge-ser: profile {path.stem}: only {speaker.seconds:.0f} s of speech; about "
            f"{RECOMMENDED_SECONDS} s is recommended",
            err=True,
        )


def _files(clips: list[Path]) -> Iterator[str]:
    """Yield the recordings, each content once.

    Raises:
        AudioError: If a path is not a regular file, or stands for no recording.
    """
    from ..audio.decode import check_regular_file
    from ..audio.paths import expand
    from ..files import sha256

    seen: set[str] = set()
    for name in expand(clips):
        Interruption.check()
        if isinstance(name, AudioError):
            raise name
        check_regular_file(Path(name))  # reading a pipe would block
        digest = name
        with contextlib.suppress(OSError):  # reported when the file is decoded
            digest = sha256(Path(name))
        if digest not in seen:
            yield name
        seen.add(digest)


def _recording_seconds(clips: list[Path] | None, microphone: bool) -> float:
    """Return the time to record, 0 without `--microphone`.

    Raises:
        ConfigError: If the arguments and `--microphone` cannot be combined, or there are neither.
    """
    if not microphone:
        if not clips:
            raise ConfigError("no recordings given; pass recordings, or --microphone")
        return 0.0
    if not clips:
        return RECORDING_SECONDS
    try:
        (seconds,) = (float(str(clip)) for clip in clips)
    except ValueError:
        raise ConfigError(
            f"--microphone and recordings ({clips[0]}) cannot be combined; pass either recordings "
            "or --microphone [SECONDS]"
        ) from None
    if not MIN_SECONDS <= seconds <= MAX_SECONDS:
        raise ConfigError(
            f"--microphone {seconds:g} must be from {MIN_SECONDS} to {MAX_SECONDS} seconds"
        )
    return seconds


def _record(
    seconds: float, sample_rate: int, device: str | None, channel: int | None
) -> np.ndarray:
    """Record from the microphone, with a countdown on a terminal.

    Returns:
        Samples, float32 `(n_samples,)` at `sample_rate` Hz.
    """
    import numpy as np

    from ..audio.microphone import Microphone
    from ..audio.pcm import mono
    from ..audio.resample import resample

    chunks: list[np.ndarray] = []
    with Microphone(device, channel) as source:
        left = round(seconds * source.sample_rate)
        for block in source:
            chunks.append(mono(block.samples, channel)[:left])
            left -= len(chunks[-1])
            if sys.stderr.isatty():
                typer.echo(f"\rspeak: {left / source.sample_rate:4.0f} s left ", nl=False, err=True)
            if not left:
                break
        if sys.stderr.isatty():
            typer.echo("", err=True)
        return resample(np.concatenate(chunks), source.sample_rate, sample_rate)


@profile.command("list")
def list_profiles() -> None:
    """List the stored profiles."""
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
            print(f"{path.stem}: {SpeakerProfile.load(path).seconds:.0f} s of speech, {path}")
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
