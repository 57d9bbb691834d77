"""`python -m train`: fit a network on recordings, score it by a protocol, make the demo corpus."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

import typer

from edge_runtime import ConfigError

from .command import run
from .recipe import DEFAULT, RECIPES, Recipe

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help=__doc__,
)

Data = Annotated[
    list[Path],
    typer.Option("--data", "--corpus", help="A folder of recordings or a manifest; repeatable."),
]
Labels = Annotated[
    str | None, typer.Option(help="Comma-separated labels to keep [default: all that occur].")
]
Auxiliary = Annotated[
    str | None,
    typer.Option(
        help="Comma-separated labels to train on as well, but never to answer; all: all others."
    ),
]
SpeakerPattern = Annotated[
    str | None,
    typer.Option(help="Regular expression over the path; its first group is the speaker."),
]
Noise = Annotated[
    list[Path] | None,
    typer.Option(help="A folder of recordings without speech, beside synthesised; repeatable."),
]
RecipeName = Enum("RecipeName", {name: name for name in RECIPES}, type=str)  # type: ignore[misc]
Recipes = Annotated[
    list[RecipeName] | None,
    typer.Option(
        "--recipe",
        help="Settings to begin with [default: better]. studio: for recordings that were all made "
        "in one way, whose levels and upper bands are heard; corpora: for several corpora "
        "together, and for noise and telephones; baseline: the original network. Repeatable: the "
        "speakers who choose the epoch choose among them.",
    ),
]
MfccSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--mfcc", metavar="NAME=VALUE", help="A field of MfccConfig, of every recipe; repeatable."
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A field of NetworkConfig, FitConfig or Augment, such as hidden_size=64, of every "
        "recipe; repeatable.",
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(
        min=1, help="The same as --set epochs= [default: 60, and for few clips up to 120]."
    ),
]
Seed = Annotated[int, typer.Option(help="Of the weights, the order and the split.")]
Device = Annotated[
    str, typer.Option(help="What computes: auto, cpu, cuda, mps; auto is an accelerator if any.")
]
Inner = Annotated[int, typer.Option(min=1, help="Sets of speakers that choose the epoch in turn.")]
Cache = Annotated[Path, typer.Option(help="Where features are kept between runs.")]
CACHE = Path(".cache/features")
Jobs = Annotated[
    int, typer.Option(min=0, help="Trainings at a time, one thread each; 0: one a core.")
]


class Protocol(str, Enum):
    loso = "loso"
    actor_folds = "actor-folds"
    leave_corpus_out = "leave-corpus-out"


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
    from .session import train_run

    train_run(
        data,
        recipes=_recipes(recipe, mfcc, settings, epochs, seed),
        labels=_split(labels),
        auxiliary=_split(auxiliary) or [],
        speaker_pattern=speaker_pattern,
        noise=noise or [],
        inner=inner,
        run=run,
        runs=runs,
        cache=cache,
        resume=resume,
        device=pick_device(device),
    )


@app.command("evaluate")
def evaluate_command(
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
    from .device import pick_device
    from .evaluate import evaluate

    report = report or Path("reports") / protocol.value
    evaluate(
        data,
        protocol.value,
        report,
        recipes=_recipes(recipe, mfcc, settings, epochs, seed),
        labels=_split(labels),
        auxiliary=_split(auxiliary) or [],
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


@app.command("choices")
def choices_command(
    data: Data,
    report: Annotated[
        Path, typer.Option(help="Where REPORT.json and REPORT.md go (give it no suffix).")
    ],
    recipe: Annotated[
        Literal["better", "corpora"],
        typer.Option(
            help="Whose choices. better: those of one corpus of many speakers, by halves of them; "
            "corpora: those of several, by corpora that are not trained on."
        ),
    ] = "better",
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
    from .choices import choices

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


@app.command("demo-corpus")
def demo_corpus_command(
    folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")],
    speakers: int = 8,
    clips: Annotated[int, typer.Option(help="Clips per speaker and label.")] = 6,
    seed: int = 0,
) -> None:
    """Synthesise a small corpus to try the commands on; it says nothing about real voices."""
    from .demo_corpus import write_corpus

    print(f"{write_corpus(folder, speakers, clips, seed)} clips in {folder}")


def _split(labels: str | None) -> list[str] | None:
    found = [label for label in (labels or "").split(",") if label.strip()]
    if labels is not None and not found:
        raise ConfigError(f"{labels!r}: wanted labels with commas between them")
    return found or None


def _recipes(
    names: list[RecipeName] | None,
    mfcc: list[str] | None,
    settings: list[str] | None,
    epochs: int | None,
    seed: int,
) -> dict[str, Recipe]:
    if any(setting.partition("=")[0] == "seed" for setting in settings or []):
        raise ConfigError("--set seed: give --seed")
    own = [*(settings or []), f"seed={seed}", *([] if epochs is None else [f"epochs={epochs}"])]
    found = {}
    for name in [name.value for name in names] if names else [DEFAULT]:
        recipe = RECIPES[name]
        try:
            recipe = replace(recipe, mfcc=recipe.mfcc.with_settings(mfcc or []))
        except ConfigError as error:
            raise ConfigError(f"--recipe {name}: {error}") from error
        found[name] = recipe.with_settings(own)
    return found


def main() -> None:
    run(app, "train")


if __name__ == "__main__":  # not in the workers that evaluate starts
    main()
