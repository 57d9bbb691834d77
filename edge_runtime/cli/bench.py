"""`edge-ser bench`: how fast edge-ser is on this machine."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer


def bench(
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", readable=False, help="An .onnx model [default: the bundled one]."
        ),
    ] = None,
    clip: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="An audio file [default: a synthesised voice]."),
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=0.1, max=600.0, help="How long the synthesised voice is.")
    ] = 3.0,
    runs: Annotated[
        int, typer.Option(min=1, help="How often the clip is classified; a tenth of the streams.")
    ] = 200,
    as_json: Annotated[bool, typer.Option("--json", help="Seconds and shares, as JSON.")] = False,
) -> None:
    """Measure how fast edge-ser is on this machine.

    The result is a Markdown table to show to others. Whole processes from start to exit, with
    their peak memory; MFCC, network and both on one thread, when everything is loaded; live
    audio in small chunks. It takes about 10 seconds on a laptop and a minute or two on a small
    board. Close other programs first, and let the board have its usual cooling: a hot one is
    slower.

    Examples:

    \b
      edge-ser bench
      edge-ser bench --clip interview.wav --runs 20
      edge-ser bench --model my.onnx --json > this-machine.json
    """
    from ..diagnostics.bench import as_markdown, measure

    def progress(text: str) -> None:
        if sys.stderr.isatty():
            print(f"edge-ser: {text} ...", file=sys.stderr, flush=True)

    found = measure(model, clip, seconds=seconds, runs=runs, progress=progress)
    print(json.dumps(found.to_dict(), indent=2) if as_json else as_markdown(found))
