"""`edge-ser profile`: make, list and delete speaker profiles."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import numpy as np

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Make, list and delete profiles of speakers.\n\nA profile is what a device that hears the "
    "same few people knows about one of them.",
)


def known_profiles(incomplete: str) -> list[str]:
    """The names that a shell may complete `incomplete` to."""
    from ..inference.profile import profile_folder

    names = sorted(path.stem for path in profile_folder().glob("*.json"))
    return [name for name in names if name.startswith(incomplete)]


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What to call it, or a path that ends in .json.")],
    clips: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[CLIP... | SECONDS]",
            readable=False,
            help="About a minute of one person's speech, also folders or patterns; with "
            "--microphone how long to record.",
        ),
    ] = None,
    microphone: Annotated[
        bool, typer.Option("--microphone", help="Record from the microphone, for 60 s.")
    ] = False,
    device: Annotated[
        str | None, typer.Option(metavar="N|NAME", help="Which microphone; part of its name does.")
    ] = None,
    channel: Annotated[
        int | None, typer.Option(min=1, help="Of the microphone [default: the mean of them].")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", readable=False, help="An .onnx model [default: the bundled one]."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a profile of that name.")] = False,
) -> None:
    """Make a profile of a voice.

    What is stored is how angry, happy … the recordings sound on the whole, for `edge-ser classify
    --profile NAME`, which takes a part of that off. Recordings in different moods are wanted: of
    one mood alone the profile takes that mood off. Profiles are kept
    in $EDGE_SER_PROFILES, else where the system keeps a user's data. Of what the microphone hears
    nothing else is kept.

    \b
    Examples:
      edge-ser profile create anna anna-1.wav anna-2.wav
      edge-ser profile create anna --microphone 90
      edge-ser profile create ./anna.json anna-*.wav --force
    """
    from ..errors import ConfigError
    from ..inference.profile import SpeakerProfile, profile_path
    from ..model import EmotionModel

    path = profile_path(name)
    if path.exists() and not force:
        raise ConfigError(f"{path}: exists already; give --force to replace it")
    seconds = _seconds(clips, microphone)
    if not microphone and (device is not None or channel is not None):
        raise ConfigError("--device and --channel are for --microphone")
    loaded = EmotionModel.load(model)
    if microphone:
        spoken = _record(seconds, loaded.sample_rate, device, channel)
        profile = SpeakerProfile.create(path.stem, loaded, [spoken])
    else:
        profile = SpeakerProfile.create(path.stem, loaded, _files(clips or []))
    profile.save(path)
    print(f"{path}: {profile.seconds:.0f} s of speech")
    if profile.seconds < 20:
        typer.echo(
            f"edge-ser: profile {path.stem}: {profile.seconds:.0f} s are little; about a minute is "
            "wanted",
            err=True,
        )


def _files(clips: list[Path]) -> Iterator[str]:
    """The recordings that are meant, each once, whatever it is called and however often it is
    given; AudioError for a name that stands for none."""
    from ..audio.decode import check_file
    from ..audio.paths import expand
    from ..errors import AudioError
    from ..files import sha256
    from .terminal import Interruption

    seen: set[str] = set()
    for found in expand(clips):
        Interruption.check()
        if isinstance(found, AudioError):
            raise found
        check_file(Path(found))  # a pipe would keep us waiting
        content = found
        with contextlib.suppress(OSError):  # whoever reads it will tell
            content = sha256(Path(found))
        if content not in seen:
            yield found
        seen.add(content)


def _seconds(clips: list[Path] | None, microphone: bool) -> float:
    """How long to record, if at all; ConfigError for clips that do not go with that."""
    from ..errors import ConfigError

    if not microphone:
        if not clips:
            raise ConfigError("nothing to make a profile of; give recordings, or --microphone")
        return 0.0
    if not clips:
        return 60.0
    try:
        (seconds,) = (float(str(clip)) for clip in clips)
    except ValueError:
        raise ConfigError(
            f"--microphone and {clips[0]}: give recordings or --microphone [SECONDS], not both"
        ) from None
    if not 1 <= seconds <= 3600:
        raise ConfigError(f"--microphone {seconds:g} must be from 1 to 3600 seconds")
    return seconds


def _record(
    seconds: float, sample_rate: int, device: str | None, channel: int | None
) -> np.ndarray:
    """From the microphone: float32 `(n,)` at `sample_rate` Hz; a terminal shows what is left."""
    import numpy as np

    from ..audio.microphone import Microphone
    from ..audio.pcm import mono
    from ..audio.resample import resample

    pieces: list[np.ndarray] = []
    with Microphone(device, channel) as source:
        left = round(seconds * source.sample_rate)
        for block in source:
            pieces.append(mono(block.samples, channel)[:left])
            left -= len(pieces[-1])
            if sys.stderr.isatty():
                typer.echo(f"\rspeak: {left / source.sample_rate:4.0f} s left ", nl=False, err=True)
            if not left:
                break
        if sys.stderr.isatty():
            typer.echo("", err=True)
        return resample(np.concatenate(pieces), source.sample_rate, sample_rate)


@app.command("list")
def list_profiles() -> None:
    """Print the profiles there are."""
    from ..errors import ConfigError
    from ..inference.profile import SpeakerProfile, profile_folder

    folder = profile_folder()
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder}: is no folder; EDGE_SER_PROFILES wants one")
    paths = sorted(folder.glob("*.json"))
    if not paths:
        typer.echo(f"edge-ser: there are no profiles in {folder}", err=True)
    for path in paths:
        try:
            print(f"{path.stem}: {SpeakerProfile.load(path).seconds:.0f} s of speech, {path}")
        except ConfigError as error:
            typer.echo(f"edge-ser: {error}", err=True)


@app.command()
def delete(
    name: Annotated[str, typer.Argument(help="Its name.", autocompletion=known_profiles)],
) -> None:
    """Delete a profile."""
    from ..errors import ConfigError, EdgeSerError
    from ..inference.profile import SpeakerProfile, profile_folder, profile_path
    from ..messages import system_reason

    path = profile_path(name)
    if not path.exists():
        raise ConfigError(f"{path}: no such profile")
    if path.parent != profile_folder():
        SpeakerProfile.load(path)  # ConfigError for what is no profile, and not ours to delete
    try:
        path.unlink()
    except OSError as error:
        raise EdgeSerError(f"{path}: cannot be deleted: {system_reason(error)}") from error
    print(f"{path}: deleted")
