"""`python -m export`: ONNX files of a training run, with parity checks and a model card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from train.command import command_line
from train.command import run as run_command

app = command_line(__doc__)

Data = Annotated[
    list[Path],
    typer.Option(metavar="PATH", help="Folder of recordings, or a manifest; repeatable."),
]
Cache = Annotated[Path, typer.Option(metavar="DIR", help="Folder of cached features.")]
CACHE = Path(".cache/features")


@app.command()
def onnx(
    run: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Run folder [default: the newest in --runs].")
    ] = None,
    runs: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of numbered run folders.")
    ] = Path("runs"),
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for the files [default: the run folder]."),
    ] = None,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="Name of the model in its card.")
    ] = "edge-ser",
    cache: Cache = CACHE,
    bundle: Annotated[
        Literal["edge_ser", "edge_ser_open"] | None,
        typer.Option(help="Replace this bundled model of edge_runtime."),
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help='Export even if the model answers "no speech" to clips that it was trained on; '
            "the model card warns of it.",
        ),
    ] = False,
) -> None:
    """Export a run as ONNX.

    Writes fp32 and int8 models, the waveform graph, the model card and the parity report. The exit
    status is 1 if the models differ from the trained network, or if the model answers "no speech"
    to more than 5 % of the training clips of a label.
    """
    from .pipeline import export_run

    if not export_run(run, runs, out, name, cache, bundle=bundle, force=force):
        raise typer.Exit(1)


@app.command()
def parity(
    model: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="Exported int8 model; the files next to it are compared with it."
        ),
    ],
    data: Data,
    report: Annotated[
        Path,
        typer.Option(
            metavar="PATH",
            help="Path of the report without suffix; writes REPORT.json and REPORT.md.",
        ),
    ] = Path("parity"),
    cache: Cache = CACHE,
) -> None:
    """Check the parity of an exported model on recordings.

    The exit status is 1 if a difference exceeds its limit.
    """
    from .check import check_model

    if not check_model(model, data, report, cache):
        raise typer.Exit(1)


@app.command()
def device(
    outputs: Annotated[Path, typer.Argument(help="File that `edge-ser parity-dump` wrote.")],
    data: Data,
    model: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Model used on the device [default: the bundled one]."),
    ] = None,
    report: Annotated[
        Path,
        typer.Option(
            metavar="PATH", help="Path of the parity report without suffix; created if missing."
        ),
    ] = Path("parity"),
) -> None:
    """Compare the outputs of another machine.

    The comparison with those of this machine is added to REPORT. The exit status is 1 if a
    difference exceeds its limit.
    """
    from .device_parity import compare_device

    if not compare_device(outputs, data, model, report):
        raise typer.Exit(1)


@app.command()
def c(
    out: Annotated[Path, typer.Option(help="Folder for the library.")],
    model: Annotated[
        str | None, typer.Option(help="Exported model, or the name of a bundled one.")
    ] = None,
    prefix: Annotated[str, typer.Option(help="Prefix of all symbols.")] = "edge_ser",
    vectors: Annotated[int, typer.Option(help="Number of test vectors.")] = 8,
    block_seconds: Annotated[
        float,
        typer.Option(
            help="Seconds of frames that a state holds for clip statistics. Longer clips are "
            "divided; 30 gives the answers of the Python package."
        ),
    ] = 30.0,
    wasm: Annotated[
        bool, typer.Option("--wasm", help="Compile engine.wasm, too; requires clang and wasi-libc.")
    ] = False,
) -> None:
    """Write a model as a C99 library.

    It is for microcontrollers and other systems without Python.
    """
    from .c.package import write_package

    write_package(model, out, prefix, vectors, block_seconds, wasm=wasm)


@app.command()
def card() -> None:
    """Write the cards and the pages of the bundled models again.

    The cards get the scores on corpora left out from reports/strangers.json. The pages are rendered
    from the models and the JSON files in reports/.
    """
    from .bundle import update_scores, write_bundled_pages

    update_scores()
    write_bundled_pages()


@app.command()
def render(
    reports: Annotated[
        list[Path], typer.Argument(metavar="REPORT.json...", help="Parity reports.")
    ],
) -> None:
    """Render Markdown pages from JSON reports again."""
    from .parity_report import render_parity

    for report in reports:
        render_parity(report)


def main() -> None:
    """Run the command line."""
    run_command(app, "export")


main()
