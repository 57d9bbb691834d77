"""Command-line options shared by `train` and `evaluate`."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from edge_runtime import ConfigError

from .dataset import FEATURE_CACHE, DatasetSpec
from .recipes import DEFAULT, RECIPES, Recipe

Data = Annotated[
    list[Path],
    typer.Option("--data", "--corpus", help="Folder of recordings, or a manifest; repeatable."),
]
Labels = Annotated[
    str | None, typer.Option(help="Comma-separated labels to predict [default: all that occur].")
]
Auxiliary = Annotated[
    str | None,
    typer.Option(
        help='Comma-separated labels that are trained on but never predicted; "all" means all '
        "others."
    ),
]
SpeakerPattern = Annotated[
    str | None,
    typer.Option(help="Regular expression over the path; its first group is the speaker."),
]
LabelPattern = Annotated[
    str | None,
    typer.Option(
        help="Regular expression over the path; its first group is the label or its code. For "
        "labels in file names."
    ),
]
LabelCodes = Annotated[
    str | None,
    typer.Option(
        metavar="CODE=LABEL,...",
        help="Labels of the codes that --label-pattern reads, such as ANG=angry,HAP=happy; "
        "CODE= leaves clips out.",
    ),
]
Noise = Annotated[
    list[Path] | None,
    typer.Option(
        help="Folder of recordings without speech, in addition to synthesised noise; repeatable."
    ),
]
RecipeName = Enum("RecipeName", {name: name for name in RECIPES}, type=str)  # type: ignore[misc]
Recipes = Annotated[
    list[RecipeName] | None,
    typer.Option(
        "--recipe",
        help="Base settings [default: default]. studio: recordings made in one way, whose levels "
        "and upper bands are informative; corpora: several corpora together, noise and telephones; "
        "baseline: the original network. Repeatable: the validation speakers select one.",
    ),
]
MfccSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--mfcc", metavar="NAME=VALUE", help="Field of MfccConfig, for all recipes; repeatable."
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Field of NetworkConfig, FitConfig or Augment, such as hidden_size=64, for all "
        "recipes; repeatable.",
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(min=1, help="Same as --set epochs= [default: 60 to 120, more for fewer clips]."),
]
Seed = Annotated[int, typer.Option(help="Random seed for weights, clip order and split.")]
Device = Annotated[
    str,
    typer.Option(
        help='Torch device: auto, cpu, cuda or mps; "auto" picks an accelerator if available.'
    ),
]
Inner = Annotated[
    int, typer.Option(min=1, help="Cross-validation folds of speakers that select the epoch.")
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print no progress; results and notes remain.")
]
Cache = Annotated[Path, typer.Option(help="Folder where features are cached between runs.")]
CACHE = FEATURE_CACHE
Jobs = Annotated[
    int, typer.Option(min=0, help="Parallel trainings, one thread each; 0: one per core.")
]


def split_labels(labels: str | None) -> tuple[str, ...] | None:
    """Split a comma-separated list of labels; None stays None.

    Raises:
        ConfigError: If the list is empty.
    """
    names = tuple(label for label in (labels or "").split(",") if label.strip())
    if labels is not None and not names:
        raise ConfigError(f"{labels!r}: expected comma-separated labels")
    return names or None


def dataset_spec(
    data: list[Path],
    labels: str | None,
    auxiliary: str | None,
    speaker_pattern: str | None,
    noise: list[Path] | None,
    cache: Path,
    label_pattern: str | None = None,
    label_codes: str | None = None,
) -> DatasetSpec:
    """Return the dataset specification of the command line."""
    return DatasetSpec(
        tuple(data),
        split_labels(labels),
        split_labels(auxiliary) or (),
        speaker_pattern,
        tuple(noise or ()),
        cache,
        label_pattern,
        label_codes,
    )


def configured_recipes(
    names: list[RecipeName] | None,
    mfcc: list[str] | None,
    settings: list[str] | None,
    epochs: int | None,
    seed: int,
) -> dict[str, Recipe]:
    """Return the recipes of the command line by name, with their settings.

    Raises:
        ConfigError: If a setting does not exist or is not valid.
    """
    if any(setting.partition("=")[0] == "seed" for setting in settings or []):
        raise ConfigError("--set seed is not supported; use --seed")
    common = [*(settings or []), f"seed={seed}", *([] if epochs is None else [f"epochs={epochs}"])]
    recipes = {}
    for name in [name.value for name in names] if names else [DEFAULT]:
        recipe = RECIPES[name]
        try:
            recipe = replace(recipe, mfcc_config=recipe.mfcc_config.with_settings(mfcc or []))
        except ConfigError as error:
            raise ConfigError(f"--recipe {name}: {error}") from error
        recipes[name] = recipe.with_settings(common)
    return recipes
