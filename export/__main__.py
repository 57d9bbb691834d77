"""`python -m export`: a trained run as fp32 and int8 ONNX files, with the parity report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from train.command import run

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help=__doc__,
)


@app.command()
def onnx(
    run: Annotated[
        Path | None, typer.Option(help="A run folder [default: the newest below --runs].")
    ] = None,
    runs: Annotated[Path, typer.Option(help="Where the numbered run folders are.")] = Path("runs"),
    out: Annotated[
        Path | None, typer.Option(help="Folder for the files [default: the run's own].")
    ] = None,
    name: Annotated[str, typer.Option(help="The model's name in its card.")] = "edge-ser",
    cache: Annotated[Path, typer.Option(help="The feature cache of the training.")] = Path(
        ".cache/features"
    ),
    bundle: Annotated[
        bool, typer.Option("--bundle", help="Make it the model that edge_runtime ships.")
    ] = False,
) -> None:
    """Write model.fp32.onnx, model.int8.onnx, model.waveform.onnx, a card and the parity report.

    Fails if the models do not answer as the trained network does.
    """
    from .pipeline import export_run

    if not export_run(run, runs, out, name, cache, bundle):
        raise typer.Exit(1)


@app.command()
def parity(
    model: Annotated[
        Path, typer.Option(help="An exported model; what lies beside it is compared with it.")
    ],
    data: Annotated[
        list[Path], typer.Option(help="A folder of recordings or a manifest; repeatable.")
    ],
    report: Annotated[
        Path, typer.Option(help="Where REPORT.json and REPORT.md go (give it no suffix).")
    ] = Path("parity"),
    cache: Annotated[Path, typer.Option(help="Where features are kept between runs.")] = Path(
        ".cache/features"
    ),
) -> None:
    """Check an exported model link by link on recordings; fails if a limit does not hold."""
    from .pipeline import check_model

    if not check_model(model, data, report, cache):
        raise typer.Exit(1)


@app.command()
def device(
    measured: Annotated[
        Path,
        typer.Argument(
            help="The file that `python -m edge_runtime.diagnostics.parity_dump` wrote."
        ),
    ],
    data: Annotated[
        list[Path],
        typer.Option(help="Where the clips are here: a folder or a manifest; repeatable."),
    ],
    model: Annotated[
        Path | None, typer.Option(help="The model used there [default: the bundled one].")
    ] = None,
    report: Annotated[
        Path, typer.Option(help="A report that `parity` wrote, or a new one, without suffix.")
    ] = Path("parity"),
) -> None:
    """Compare what another machine makes of clips with this one; fails if a limit does not hold.

    Its row is added to REPORT, or replaced there; the other rows stay.
    """
    from .device_parity import compare_device

    if not compare_device(measured, data, model, report):
        raise typer.Exit(1)


def main() -> Any:
    run(app, "export")


main()
