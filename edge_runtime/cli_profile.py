"""`edge-ser profile`: make, list and delete speaker profiles."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None,
    help="Make, list and delete profiles of speakers: what a device that hears the same few people "
    "knows about each.",
)


def known_profiles(incomplete: str) -> list[str]:
    """The names that a shell may complete `incomplete` to."""
    from .profile import profile_folder

    names = sorted(path.stem for path in profile_folder().glob("*.json"))
    return [name for name in names if name.startswith(incomplete)]


@app.command()
def create(
    name: Annotated[
        str, typer.Argument(help="What to call it, or a path that ends in .json.")
    ],
    clips: Annotated[
        list[Path], typer.Argument(metavar="CLIP...", help="About a minute of one person's speech.")
    ],
    model: Annotated[
        Path | None, typer.Option(metavar="FILE", help="An .onnx model [default: the bundled one].")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a profile of that name.")] = False,
) -> None:
    """Make a profile of a voice.

    What is stored is the mean of the features over the recordings, for `edge-ser classify
    --profile NAME`. Recordings in different moods are better than many in one. Profiles are kept
    in $EDGE_SER_PROFILES, else where the system keeps a user's data.

    \b
    Examples:
      edge-ser profile create anna anna-1.wav anna-2.wav
      edge-ser profile create ./anna.json anna-*.wav --force
    """
    from .errors import ConfigError
    from .model import EmotionModel
    from .profile import SpeakerProfile, profile_path

    path = profile_path(name)
    if path.exists() and not force:
        raise ConfigError(f"{path}: exists already; give --force to replace it")
    profile = SpeakerProfile.create(path.stem, EmotionModel.load(model), clips)
    profile.save(path)
    print(f"{path}: {profile.seconds:.0f} s of speech")
    if profile.seconds < 20:
        typer.echo(
            f"edge-ser: profile {path.stem}: {profile.seconds:.0f} s are little; about a minute is "
            "wanted", err=True,
        )


@app.command("list")
def list_profiles() -> None:
    """Print the profiles there are."""
    from .errors import ConfigError
    from .profile import SpeakerProfile, profile_folder

    for path in sorted(profile_folder().glob("*.json")):
        try:
            print(f"{path.stem}: {SpeakerProfile.load(path).seconds:.0f} s of speech, {path}")
        except ConfigError as error:
            typer.echo(f"edge-ser: {error}", err=True)


@app.command()
def delete(
    name: Annotated[str, typer.Argument(help="Its name.", autocompletion=known_profiles)],
) -> None:
    """Delete a profile."""
    from .errors import ConfigError
    from .profile import profile_path

    path = profile_path(name)
    try:
        path.unlink()
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such profile") from None
    print(f"{path}: deleted")
