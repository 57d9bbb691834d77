"""Train a network on recordings, compare recipes, check recordings, or make a demo corpus."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Literal

import typer

from .command import command_line, run
from .options import (
    CACHE,
    Auxiliary,
    Cache,
    ComparedRecipes,
    Data,
    Device,
    Epochs,
    Inner,
    Jobs,
    LabelCodes,
    LabelPattern,
    Labels,
    MfccSettings,
    Noise,
    Quiet,
    Ray,
    Recipes,
    Seed,
    Settings,
    SpeakerPattern,
    compared_recipes,
    configured_recipes,
    dataset_spec,
)

_LOGGER = logging.getLogger("train")

app = command_line(__doc__)


@app.command("fit")
def fit_command(
    data: Data,
    labels: Labels = None,
    auxiliary: Auxiliary = None,
    speaker_pattern: SpeakerPattern = None,
    label_pattern: LabelPattern = None,
    label_codes: LabelCodes = None,
    noise: Noise = None,
    recipe: Recipes = None,
    mfcc: MfccSettings = None,
    settings: Settings = None,
    epochs: Epochs = None,
    seed: Seed = 0,
    inner: Inner = 3,
    run: Annotated[
        Path | None, typer.Option(help="Run folder [default: a new one in --runs].")
    ] = None,
    runs: Annotated[Path, typer.Option(help="Folder of the numbered run folders.")] = Path("runs"),
    cache: Cache = CACHE,
    device: Device = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue --run, or the newest run.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Train a network; validation speakers select the epoch, test speakers are scored."""
    from .device import pick_device
    from .pipeline import train_run

    train_run(
        dataset_spec(
            data, labels, auxiliary, speaker_pattern, noise, cache, label_pattern, label_codes
        ),
        recipes=configured_recipes(recipe, mfcc, settings, epochs, seed),
        inner=inner,
        run=run,
        runs=runs,
        resume=resume,
        device=pick_device(device),
        quiet=quiet,
    )


@app.command("compare")
def compare_command(
    data: Data,
    recipe: ComparedRecipes,
    labels: Labels = None,
    auxiliary: Auxiliary = None,
    speaker_pattern: SpeakerPattern = None,
    label_pattern: LabelPattern = None,
    label_codes: LabelCodes = None,
    noise: Noise = None,
    mfcc: MfccSettings = None,
    settings: Settings = None,
    epochs: Epochs = None,
    protocol: Annotated[
        Literal["actor-folds", "loso", "leave-corpus-out"] | None,
        typer.Option(
            help="Test sets. actor-folds: a fifth of the speakers; loso: one speaker; "
            "leave-corpus-out: one corpus [default: actor-folds, or loso for fewer than five "
            "speakers]."
        ),
    ] = None,
    seed: Seed = 0,
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds, starting at --seed.")] = 1,
    inner: Inner = 3,
    jobs: Jobs = 0,
    ray: Ray = None,
    runs: Annotated[
        Path, typer.Option(help="Folder of the run folders, one per recipe, fold and seed.")
    ] = Path("runs/compare"),
    report: Annotated[
        Path | None,
        typer.Option(
            help="Path of the report without suffix; writes REPORT.json and REPORT.md "
            "[default: RUNS/report]."
        ),
    ] = None,
    cache: Cache = CACHE,
    device: Device = "auto",
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep what is finished and run only the rest.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Compare recipes on the same test speakers, with the interval of the difference.

    Every speaker is tested once by nested cross-validation, and all recipes have the same folds.
    """
    from .compare import compare_recipes
    from .device import pick_device

    compare_recipes(
        dataset_spec(
            data, labels, auxiliary, speaker_pattern, noise, cache, label_pattern, label_codes
        ),
        report or runs / "report",
        recipes=compared_recipes(recipe, mfcc, settings, epochs, seed),
        protocol=protocol,
        inner=inner,
        seeds=seeds,
        jobs=jobs,
        runs=runs,
        resume=resume,
        device=pick_device(device),
        quiet=quiet,
    )


@app.command("scan")
def scan_command(
    data: Annotated[
        list[Path], typer.Argument(help="Folders of recordings, or manifests.", metavar="DATA...")
    ],
    labels: Labels = None,
    auxiliary: Auxiliary = None,
    speaker_pattern: SpeakerPattern = None,
    label_pattern: LabelPattern = None,
    label_codes: LabelCodes = None,
    seed: Seed = 0,
    inner: Inner = 3,
    cache: Cache = CACHE,
) -> None:
    """Print labels, speakers, minutes, split and problems of recordings, without training.

    The features are computed and cached, so that a training begins sooner. The exit status is 1 if
    the recordings cannot be trained on.
    """
    from .scan import print_scan

    print_scan(
        dataset_spec(
            data, labels, auxiliary, speaker_pattern, None, cache, label_pattern, label_codes
        ),
        inner=inner,
        seed=seed,
    )


@app.command("demo-corpus")
def demo_corpus_command(
    folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")],
    speakers: Annotated[int, typer.Option(help="Number of speakers.")] = 8,
    clips: Annotated[int, typer.Option(help="Clips per speaker and label.")] = 6,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
) -> None:
    """Synthesise a small corpus to try the commands; it is not representative of real voices."""
    from .data.demo_corpus import write_corpus

    _LOGGER.info("%s clips in %s", write_corpus(folder, speakers, clips, seed), folder)


def main() -> None:
    """Run the command line."""
    run(app, "train")


if __name__ == "__main__":  # not in the worker processes of evaluate
    main()
