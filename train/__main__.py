"""`python -m train`: fit a network on recordings, or make the demo corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .command import run
from .options import (
    CACHE,
    Auxiliary,
    Cache,
    Data,
    Device,
    Epochs,
    Inner,
    Labels,
    MfccSettings,
    Noise,
    Recipes,
    Seed,
    Settings,
    SpeakerPattern,
    configured_recipes,
    split_labels,
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help=__doc__,
)


@app.command("fit")
def fit_command(
    data: Data,
    labels: Labels = None,
    auxiliary: Auxiliary = None,
    speaker_pattern: SpeakerPattern = None,
    noise: Noise = None,
    recipe: Recipes = None,
    mfcc: MfccSettings = None,
    settings: Settings = None,
    epochs: Epochs = None,
    seed: Seed = 0,
    inner: Inner = 3,
    run: Annotated[
        Path | None, typer.Option(help="The run's folder [default: a new one below --runs].")
    ] = None,
    runs: Annotated[Path, typer.Option(help="Where the numbered run folders are.")] = Path("runs"),
    cache: Cache = CACHE,
    device: Device = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with --run, or with the newest run.")
    ] = False,
) -> None:
    """Train one network; the epoch is chosen on validation speakers, test speakers are scored."""
    from .device import pick_device
    from .pipeline import train_run

    train_run(
        data,
        recipes=configured_recipes(recipe, mfcc, settings, epochs, seed),
        labels=split_labels(labels),
        auxiliary=split_labels(auxiliary) or [],
        speaker_pattern=speaker_pattern,
        noise=noise or [],
        inner=inner,
        run=run,
        runs=runs,
        cache=cache,
        resume=resume,
        device=pick_device(device),
    )


@app.command("demo-corpus")
def demo_corpus_command(
    folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")],
    speakers: int = 8,
    clips: Annotated[int, typer.Option(help="Clips per speaker and label.")] = 6,
    seed: int = 0,
) -> None:
    """Synthesise a small corpus to try the commands on; it says nothing about real voices."""
    from .data.demo_corpus import write_corpus

    print(f"{write_corpus(folder, speakers, clips, seed)} clips in {folder}")


def main() -> None:
    run(app, "train")


if __name__ == "__main__":  # not in the workers that evaluate starts
    main()
