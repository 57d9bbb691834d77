"""Reports of the benchmarks: the command that made them, Markdown tables, and the output file."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from train.markdown import markdown_table

Out = Annotated[Path | None, typer.Option("--out", help="Also write the report to this file.")]
Model = Annotated[
    Path | None, typer.Option("--model", help="An .onnx model [default: the bundled one].")
]


def command() -> str:
    """Return the command line of this process as Markdown, without `--out`."""
    arguments = sys.argv[1:]
    if "--out" in arguments:
        at = arguments.index("--out")
        arguments = arguments[:at] + arguments[at + 2 :]
    module = f"benchmarks.{Path(sys.argv[0]).stem}"
    return f"`{shlex.join(['python', '-m', module, *arguments])}`"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], align: str = "") -> str:
    """Return a Markdown table.

    Args:
        header: The column titles.
        rows: The cells.
        align: "l" or "r" for each column. Default: the first column left, the others right.
    """
    return markdown_table(header, list(rows), align or "l" + "r" * (len(header) - 1))


def publish(text: str, out: Path | None) -> None:
    """Print a report, and write it to `out` if given."""
    print(text)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
