"""Command-line options shared by `train` and `evaluate`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from edge_runtime import ConfigError, MfccConfig
from edge_runtime.cli.options import LabelCodesOption, LabelPatternOption, SpeakerPatternOption

from .dataset import FEATURE_CACHE, DatasetSpec
from .recipes import DEFAULT, RECIPES, Recipe

Data = Annotated[
    list[Path],
    typer.Option(
        "--data",
        "--corpus",
        metavar="PATH",
        help="Folder of recordings, or a manifest; repeatable.",
    ),
]
Labels = Annotated[
    str | None,
    typer.Option(
        metavar="LABEL,...", help="Comma-separated labels to predict [default: all that occur]."
    ),
]
Auxiliary = Annotated[
    str | None,
    typer.Option(
        metavar="LABEL,...",
        help='Comma-separated labels that are trained on but never predicted; "all" means all '
        "others.",
    ),
]


def _check_folders(folders: list[Path] | None) -> list[Path] | None:
    for folder in folders or ():
        if not folder.is_dir():
            raise ConfigError(f"--noise {folder}: folder not found")
    return folders


Noise = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="DIR",
        callback=_check_folders,
        help="Folder of recordings without speech, in addition to synthesised noise; repeatable.",
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
ComparedRecipes = Annotated[
    list[str],
    typer.Option(
        "--recipe",
        metavar="NAME[,FIELD=VALUE...]",
        help=f"Recipe to compare: {', '.join(RECIPES)}; with settings of its own, such as "
        "default,hidden_size=32 or default,n_mels=24. Repeatable; the first one is the reference.",
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
    typer.Option(
        metavar="N", min=1, help="Same as --set epochs= [default: 60 to 120, more for fewer clips]."
    ),
]
Seed = Annotated[
    int, typer.Option(metavar="N", help="Random seed for weights, clip order and split.")
]
Seeds = Annotated[
    int, typer.Option(metavar="N", min=1, help="Number of seeds, starting at --seed.")
]
Device = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help='Torch device: auto, cpu, cuda or mps; "auto" picks an accelerator if available.',
    ),
]
Inner = Annotated[
    int,
    typer.Option(
        metavar="N", min=1, help="Cross-validation folds of speakers that select the epoch."
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print no progress; results and notes remain.")
]
Cache = Annotated[
    Path, typer.Option(metavar="DIR", help="Folder where features are cached between runs.")
]
CACHE = FEATURE_CACHE
Jobs = Annotated[
    int,
    typer.Option(metavar="N", min=0, help="Parallel trainings, one thread each; 0: one per core."),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Keep what is finished and run only the rest.")
]


def _use_ray(address: str | None) -> str | None:
    if address is not None:
        from .process_pool import use_ray

        use_ray(address)
    return address


# Its callback has the effect; the commands do not use the value.
Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        callback=_use_ray,
        help="Train on a Ray cluster, such as auto or ray://head:10001; local starts Ray here "
        "[default: processes of this machine].",
    ),
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


@dataclass(frozen=True)
class LabelOptions:
    """Labels and speakers of the recordings; the attributes are the options."""

    labels: Labels = None
    auxiliary: Auxiliary = None
    speaker_pattern: SpeakerPatternOption = None
    label_pattern: LabelPatternOption = None
    label_codes: LabelCodesOption = None

    def spec(self, data: list[Path], noise: list[Path] | None, cache: Path) -> DatasetSpec:
        """Return the dataset specification.

        Args:
            data: Value of `--data`.
            noise: Value of `--noise`.
            cache: Value of `--cache`.

        Raises:
            ConfigError: If a list of labels is empty.
        """
        return DatasetSpec(
            tuple(data),
            split_labels(self.labels),
            split_labels(self.auxiliary) or (),
            self.speaker_pattern,
            tuple(noise or ()),
            cache,
            self.label_pattern,
            self.label_codes,
        )


@dataclass(frozen=True)
class RecipeOptions:
    """Settings that apply to all recipes; the attributes are the options."""

    mfcc: MfccSettings = None
    settings: Settings = None
    epochs: Epochs = None
    seed: Seed = 0
    inner: Inner = 3

    def configured(self, names: list[RecipeName] | None) -> dict[str, Recipe]:
        """Return recipes by name, with the settings.

        Args:
            names: Value of `--recipe`. Default: the default recipe.

        Raises:
            ConfigError: If a setting does not exist or is not valid.
        """
        common = _common_settings(self.settings, self.epochs, self.seed)
        return {
            name: _configured(name, name, self.mfcc or [], common)
            for name in ([name.value for name in names] if names else [DEFAULT])
        }


@dataclass(frozen=True)
class FoldOptions:
    """Seeds, processes and folders of several trainings; the attributes are the options."""

    seeds: Seeds = 1
    jobs: Jobs = 0
    ray: Ray = None
    cache: Cache = CACHE
    device: Device = "auto"
    resume: Resume = False
    quiet: Quiet = False


def compared_recipes(
    texts: list[str],
    mfcc: list[str] | None,
    settings: list[str] | None,
    epochs: int | None,
    seed: int,
) -> dict[str, Recipe]:
    """Return the recipes of a comparison by their text on the command line.

    Args:
        texts: "NAME,FIELD=VALUE,...", with fields as for --mfcc and --set.
        mfcc: Settings of the front end of all recipes.
        settings: Other settings of all recipes.
        epochs: Number of epochs of all recipes.
        seed: The first seed.

    Raises:
        ConfigError: If there are fewer than two different recipes, or a recipe or setting does not
            exist or is not valid.

    Example:
        >>> recipes = compared_recipes(["default", "default,n_mels=24"], None, None, 10, 0)
        >>> [recipe.mfcc_config.n_mels for recipe in recipes.values()]
        [16, 24]
    """
    common = _common_settings(settings, epochs, seed)
    front_end = MfccConfig().to_dict()
    recipes = {}
    for text in texts:
        name, *own = text.split(",")
        if name not in RECIPES:
            raise ConfigError(
                f"--recipe {text}: expected one of {', '.join(RECIPES)}, got {name!r}"
            )
        own_mfcc = [setting for setting in own if setting.partition("=")[0] in front_end]
        others = [setting for setting in own if setting not in own_mfcc]
        _refuse_seed("--recipe", others)
        recipes[text] = _configured(name, text, [*(mfcc or []), *own_mfcc], [*common, *others])
    if len(recipes) < 2:
        raise ConfigError(f"--recipe must be given for two different recipes, got {len(recipes)}")
    return recipes


def _common_settings(settings: list[str] | None, epochs: int | None, seed: int) -> list[str]:
    _refuse_seed("--set", settings or [])
    return [*(settings or []), f"seed={seed}", *([] if epochs is None else [f"epochs={epochs}"])]


def _refuse_seed(option: str, settings: list[str]) -> None:
    if any(setting.partition("=")[0] == "seed" for setting in settings):
        raise ConfigError(f"{option} seed is not supported; use --seed")


def _configured(name: str, text: str, mfcc: list[str], settings: list[str]) -> Recipe:
    recipe = RECIPES[name]
    try:
        recipe = replace(recipe, mfcc_config=recipe.mfcc_config.with_settings(mfcc))
    except ConfigError as error:
        raise ConfigError(f"--recipe {text}: {error}") from error
    return recipe.with_settings(settings)
