"""Train a network on recordings, compare recipes, check recordings, or make a demo corpus."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Literal

import typer

from edge_runtime.cli.option_groups import with_groups

from .command import command_line, run
from .options import (
    CACHE,
    Cache,
    ComparedRecipes,
    Data,
    Device,
    FoldOptions,
    Inner,
    LabelOptions,
    Noise,
    Quiet,
    RecipeOptions,
    Recipes,
    Seed,
    compared_recipes,
)

_LOGGER = logging.getLogger("train")

app = command_line(__doc__)


@app.command("fit")
@with_groups
def fit_command(
    data: Data,
    *,
    labels: LabelOptions,
    noise: Noise = None,
    recipe: Recipes = None,
    settings: RecipeOptions,
    run: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Run folder [default: a new one in --runs].")
    ] = None,
    runs: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the numbered run folders.")
    ] = Path("runs"),
    cache: Cache = CACHE,
    device: Device = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue --run, or the newest run.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Train a network on labelled recordings.

    Validation speakers select the epoch, and test speakers are scored.
    """
    from .device import pick_device
    from .pipeline import train_run

    train_run(
        labels.spec(data, noise, cache),
        recipes=settings.configured(recipe),
        inner=settings.inner,
        run=run,
        runs=runs,
        resume=resume,
        device=pick_device(device),
        quiet=quiet,
    )


@app.command("compare")
@with_groups
def compare_command(
    data: Data,
    recipe: ComparedRecipes,
    *,
    labels: LabelOptions,
    noise: Noise = None,
    settings: RecipeOptions,
    protocol: Annotated[
        Literal["actor-folds", "loso", "leave-corpus-out"] | None,
        typer.Option(
            help="Test sets. actor-folds: a fifth of the speakers; loso: one speaker; "
            "leave-corpus-out: one corpus [default: actor-folds, or loso for fewer than five "
            "speakers]."
        ),
    ] = None,
    runs: Annotated[
        Path,
        typer.Option(
            metavar="DIR", help="Folder of the run folders, one per recipe, fold and seed."
        ),
    ] = Path("runs/compare"),
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Path of the report without suffix; writes REPORT.json and REPORT.md "
            "[default: RUNS/report].",
        ),
    ] = None,
    folds: FoldOptions,
) -> None:
    """Compare recipes on the same test speakers.

    Every speaker is tested once by nested cross-validation, and all recipes have the same folds.
    Differences are reported with their intervals.
    """
    from .compare import compare_recipes
    from .device import pick_device

    compare_recipes(
        labels.spec(data, noise, folds.cache),
        report or runs / "report",
        recipes=compared_recipes(
            recipe, settings.mfcc, settings.settings, settings.epochs, settings.seed
        ),
        protocol=protocol,
        inner=settings.inner,
        seeds=folds.seeds,
        jobs=folds.jobs,
        runs=runs,
        resume=folds.resume,
        device=pick_device(folds.device),
        quiet=folds.quiet,
    )


@app.command("scan")
@with_groups
def scan_command(
    data: Annotated[
        list[Path], typer.Argument(help="Folders of recordings, or manifests.", metavar="DATA...")
    ],
    *,
    labels: LabelOptions,
    seed: Seed = 0,
    inner: Inner = 3,
    cache: Cache = CACHE,
) -> None:
    """Check recordings before training.

    Prints labels, speakers, minutes, split and problems. The features are computed and cached, so
    that a training begins sooner. The exit status is 1 if the recordings cannot be trained on.
    """
    from .scan import print_scan

    print_scan(labels.spec(data, None, cache), inner=inner, seed=seed)


@app.command("demo-corpus")
def demo_corpus_command(
    folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")],
    speakers: Annotated[int, typer.Option(metavar="N", help="Number of speakers.")] = 8,
    clips: Annotated[int, typer.Option(metavar="N", help="Clips per speaker and label.")] = 6,
    seed: Annotated[int, typer.Option(metavar="N", help="Random seed.")] = 0,
) -> None:
    """Synthesise a small corpus to try the commands.

    It is not representative of real voices.
    """
    from .data.demo_corpus import write_corpus

    _LOGGER.info("%s clips in %s", write_corpus(folder, speakers, clips, seed), folder)


def main() -> None:
    """Run the command line."""
    run(app, "train")


if __name__ == "__main__":  # not in the worker processes of evaluate
    main()
