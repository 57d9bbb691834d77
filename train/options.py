"""Options that the commands of `train` and `evaluate` share."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from edge_runtime import ConfigError

from .recipes import DEFAULT, RECIPES, Recipe

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
        help="Settings to begin with [default: default]. studio: for recordings that were all made "
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


def split_labels(labels: str | None) -> list[str] | None:
    found = [label for label in (labels or "").split(",") if label.strip()]
    if labels is not None and not found:
        raise ConfigError(f"{labels!r}: wanted labels with commas between them")
    return found or None


def configured_recipes(
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
            recipe = replace(recipe, mfcc_config=recipe.mfcc_config.with_settings(mfcc or []))
        except ConfigError as error:
            raise ConfigError(f"--recipe {name}: {error}") from error
        found[name] = recipe.with_settings(own)
    return found
