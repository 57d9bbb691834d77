"""`edge-ser bench`: the speed of edge-ser on this machine."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from .options import JsonOption, ModelOption


def bench(
    model: ModelOption = None,
    clip: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="An audio file [default: a synthetic voice]."),
    ] = None,
    seconds: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0.1, max=600.0, help="Length of the synthetic voice."),
    ] = 3.0,
    runs: Annotated[
        int,
        typer.Option(
            metavar="N", min=1, help="Classifications of the clip; streams run a tenth as often."
        ),
    ] = 200,
    as_json: JsonOption = False,
) -> None:
    """Measure the speed of edge-ser on this machine.

    Prints a Markdown table: whole processes with their peak memory; MFCC, network and both on one
    thread with everything loaded; live audio in small chunks. It takes about 10 seconds on a
    laptop and a minute or two on a small board. Close other programs first, and keep the usual
    cooling: a hot board is slower.

    \b
    Examples:
      edge-ser bench
      edge-ser bench --clip interview.wav --runs 20
      edge-ser bench --model my.onnx --json > this-machine.json
    """  # noqa: D301
    from ..diagnostics.bench import measure
    from ..diagnostics.bench_table import as_markdown

    def progress(text: str) -> None:
        if sys.stderr.isatty():
            print(f"edge-ser: {text} ...", file=sys.stderr, flush=True)

    result = measure(model, clip, seconds=seconds, runs=runs, progress=progress)
    print(json.dumps(result.to_dict(), indent=2) if as_json else as_markdown(result))
