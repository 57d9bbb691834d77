"""`python -m evaluate`: score recipes by a protocol, or by an ablation study."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

import typer

from train.command import run
from train.options import (
    CACHE,
    Auxiliary,
    Cache,
    Data,
    Device,
    Epochs,
    Inner,
    Jobs,
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


class Protocol(str, Enum):
    loso = "loso"
    actor_folds = "actor-folds"
    leave_corpus_out = "leave-corpus-out"


@app.command("protocol")
def protocol_command(
    data: Data,
    protocol: Annotated[Protocol, typer.Option(help="Which speakers are held out together.")],
    report: Annotated[
        Path | None,
        typer.Option(
            help="Where REPORT.json and REPORT.md go (give it no suffix) "
            "[default: reports/PROTOCOL]."
        ),
    ] = None,
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
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds, from --seed on.")] = 1,
    jobs: Jobs = 0,
    runs: Annotated[
        Path | None, typer.Option(help="Where the folds' run folders go [default: runs/REPORT].")
    ] = None,
    cache: Cache = CACHE,
    device: Device = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Keep what is already done.")] = False,
) -> None:
    """Score a recipe: every speaker is tested once, by networks that have never heard them, and
    whose epoch, and recipe if several are given, others chose."""
    from train.device import pick_device

    from .protocols import evaluate

    report = report or Path("reports") / protocol.value
    evaluate(
        data,
        protocol.value,
        report,
        recipes=configured_recipes(recipe, mfcc, settings, epochs, seed),
        labels=split_labels(labels),
        auxiliary=split_labels(auxiliary) or [],
        speaker_pattern=speaker_pattern,
        noise=noise or [],
        inner=inner,
        seeds=seeds,
        jobs=jobs,
        runs=runs or Path("runs") / report.name,
        cache=cache,
        resume=resume,
        device=pick_device(device),
    )


@app.command("ablation")
def ablation_command(
    data: Data,
    report: Annotated[
        Path, typer.Option(help="Where REPORT.json and REPORT.md go (give it no suffix).")
    ],
    recipe: Annotated[
        Literal["default", "corpora"],
        typer.Option(
            help="Whose choices. default: those of one corpus of many speakers, by halves of them; "
            "corpora: those of several, by corpora that are not trained on."
        ),
    ] = "default",
    only: Annotated[
        list[str] | None, typer.Option(help="A variation by its name [default: all]; repeatable.")
    ] = None,
    noise: Noise = None,
    seeds: Annotated[int, typer.Option(min=1)] = 2,
    jobs: Jobs = 0,
    cache: Cache = CACHE,
    resume: Annotated[bool, typer.Option("--resume", help="Keep what is already done.")] = False,
) -> None:
    """Tell what each choice of a recipe brings, on validation speakers."""
    from .ablation import choices

    choices(
        data,
        report,
        recipe=recipe,
        names=only or [],
        seeds=seeds,
        jobs=jobs,
        noise=noise or [],
        cache=cache,
        resume=resume,
    )


def main() -> None:
    run(app, "evaluate")


if __name__ == "__main__":  # not in the workers that evaluate starts
    main()
