"""`python -m evaluate`: cross-validate recipes, run studies, and render their reports."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

import typer

from edge_runtime import ConfigError
from edge_runtime.cli.option_groups import with_groups
from train.command import command_line, run
from train.options import (
    CACHE,
    Cache,
    Data,
    Epochs,
    FoldOptions,
    Jobs,
    LabelOptions,
    Noise,
    Quiet,
    Ray,
    RecipeOptions,
    Recipes,
    Resume,
    Seed,
    Settings,
)

app = command_line(__doc__)

REPORT_OPTION = typer.Option(
    metavar="PATH", help="Path of the report without suffix; writes REPORT.json and REPORT.md."
)
TRAIN_ONLY_OPTION = typer.Option(
    metavar="CORPUS", help="Corpus that is trained on but never tested; repeatable."
)


class Protocol(str, Enum):
    """The protocols, by their names on the command line."""

    loso = "loso"
    actor_folds = "actor-folds"
    leave_corpus_out = "leave-corpus-out"


@app.command("protocol")
@with_groups
def protocol_command(
    data: Data,
    protocol: Annotated[
        Protocol,
        typer.Option(
            help="Test sets. loso: one speaker; actor-folds: a fifth of the speakers; "
            "leave-corpus-out: one corpus."
        ),
    ],
    *,
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Path of the report without suffix; writes REPORT.json and REPORT.md "
            "[default: runs/PROTOCOL/report].",
        ),
    ] = None,
    labels: LabelOptions,
    noise: Noise = None,
    recipe: Recipes = None,
    settings: RecipeOptions,
    runs: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder of the run folders, one per fold [default: in runs/, named as "
            "--report, or as the protocol].",
        ),
    ] = None,
    folds: FoldOptions,
) -> None:
    """Score recipes by cross-validation.

    The cross-validation is nested and speaker-independent. Every speaker is tested once. The epoch,
    and the recipe if several are given, are selected on validation speakers.
    """
    from train.device import pick_device
    from train.files import without_suffix

    from .protocols import run_protocol

    name = protocol.value if report is None else without_suffix(report).name
    runs = runs or Path("runs") / name
    run_protocol(
        labels.spec(data, noise, folds.cache),
        protocol.value,
        report or runs / "report",
        recipes=settings.configured(recipe),
        inner=settings.inner,
        seeds=folds.seeds,
        jobs=folds.jobs,
        runs=runs,
        resume=folds.resume,
        device=pick_device(folds.device),
        quiet=folds.quiet,
    )


@app.command("ablation")
def ablation_command(
    data: Data,
    report: Annotated[Path, REPORT_OPTION],
    recipe: Annotated[
        Literal["default", "corpora"],
        typer.Option(
            help="Recipe to study. default: one corpus with many speakers, validated on halves of "
            "them; corpora: several corpora, validated on those that are not trained on."
        ),
    ] = "default",
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Name of a variant [default: all]; repeatable."),
    ] = None,
    noise: Noise = None,
    seeds: Annotated[
        int, typer.Option(metavar="N", min=1, help="Number of seeds, starting at 0.")
    ] = 2,
    jobs: Jobs = 0,
    ray: Ray = None,
    cache: Cache = CACHE,
    resume: Resume = False,
    quiet: Quiet = False,
) -> None:
    """Measure the effect of each setting of a recipe.

    The scores are those of validation speakers.
    """
    from train.dataset import DatasetSpec

    from .ablation import run_study

    run_study(
        DatasetSpec(tuple(data), noise=tuple(noise or ()), cache=cache),
        report,
        recipe=recipe,
        names=only or [],
        seeds=seeds,
        jobs=jobs,
        resume=resume,
        quiet=quiet,
    )


@app.command("strangers")
def strangers_command(
    data: Data,
    report: Annotated[Path, REPORT_OPTION] = Path("runs/strangers/report"),
    train_only: Annotated[list[str] | None, TRAIN_ONLY_OPTION] = None,
    exchange: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CORPUS:LABEL:LABEL",
            help="Exchange two labels of a corpus whose documentation confuses them; repeatable.",
        ),
    ] = None,
    votes: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="CSV file of the votes of listeners: clip and a column for each label.",
        ),
    ] = None,
    model_seeds: Annotated[
        int,
        typer.Option(
            metavar="N",
            min=0,
            help="Seeds of the models of the recipe corpora that are trained and scored as well; "
            "0: none. A model takes minutes.",
        ),
    ] = 0,
    open_corpora: Annotated[
        list[str] | None,
        typer.Option(
            "--open",
            metavar="CORPUS",
            help="Corpus with a licence that allows any use; a further model is trained on those "
            "alone; repeatable.",
        ),
    ] = None,
    noise: Noise = None,
    settings: Settings = None,
    epochs: Epochs = None,
    runs: Annotated[
        Path,
        typer.Option(
            metavar="DIR", help="Folder of the trained models; finished ones are used again."
        ),
    ] = Path("runs/strangers"),
    seed: Seed = 0,
    jobs: Jobs = 0,
    ray: Ray = None,
    cache: Cache = CACHE,
) -> None:
    """Score models on corpora that are left out.

    Each is scored with and without profiles. Labels are angry, happy, neutral and sad. The eGeMAPS
    baseline requires opensmile, the extra `evaluate`, whose licence is for research.
    """
    from train.recipes import CORPORA

    from .stranger_model_rows import TrainedModels
    from .strangers import run_strangers

    common = [*(settings or []), *([f"epochs={epochs}"] if epochs else [])]
    models = TrainedModels(
        CORPORA.with_settings(common),
        model_seeds,
        tuple(open_corpora or ()),
        tuple(noise or ()),
        runs,
    )
    run_strangers(
        data,
        report,
        train_only=train_only or [],
        exchanged=exchange or [],
        votes=votes,
        cache=cache,
        jobs=jobs,
        seed=seed,
        models=models if model_seeds else None,
    )


@app.command("gate")
def gate_command(
    data: Annotated[
        list[Path] | None,
        typer.Option(metavar="PATH", help="Folder or manifest of a corpus (repeatable)."),
    ] = None,
    runs: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Report the gates of this folder of `evaluate strangers` instead."
        ),
    ] = None,
    report: Annotated[
        Path,
        typer.Option(metavar="PATH", help="Path of the report without suffix; writes REPORT.md."),
    ] = Path("runs/gate/report"),
    train_only: Annotated[list[str] | None, TRAIN_ONLY_OPTION] = None,
    noise: Noise = None,
    seed: Seed = 0,
    cache: Cache = CACHE,
) -> None:
    """Score speech gates on corpora and noise left out.

    They are those of the recipe corpora. Labels are angry, happy, neutral and sad. A gate takes
    minutes, unless `evaluate strangers` trained it.
    """
    from .speech_gate import score_gates, stored_scores, write_gate_report

    if (data is None) == (runs is None):
        raise ConfigError("expected either --data or --runs")
    if runs is not None:
        results = stored_scores(runs)
    else:
        results = score_gates(data or [], train_only or [], noise or [], cache, seed)
    write_gate_report(results, report)


@app.command("render")
def render_command(
    reports: Annotated[
        list[Path], typer.Argument(metavar="REPORT.json...", help="Reports of the other commands.")
    ],
) -> None:
    """Render Markdown pages from JSON reports again."""
    from .render import render

    for report in reports:
        render(report)


def main() -> None:
    """Run the command line."""
    run(app, "evaluate")


if __name__ == "__main__":  # guards against the worker processes, which import this module
    main()
