"""`edge-ser info`: the model card of a model file."""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from typing import Annotated

import typer

from .options import JsonOption
from .terminal import columns, is_terminal

MAX_LINE_WIDTH = 100  # longer lines are hard to read


def info(
    model: Annotated[
        Path | None,
        typer.Argument(
            metavar="[MODEL]",
            readable=False,
            help="An .onnx model, or edge_ser or edge_ser_open, which are bundled [default: "
            "edge_ser].",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Describe a model.

    Prints the model card: labels, scores, training corpora, licence, front end, size, inputs and
    outputs. UAR is the mean of the recalls of the labels.

    \b
    Examples:
      edge-ser info
      edge-ser info my.onnx --json | jq .scores
    """  # noqa: D301
    from ..diagnostics.model_info import INDENT, as_text, describe
    from ..model import EmotionModel

    description = describe(EmotionModel.load(model))
    if as_json:
        print(json.dumps(description, indent=2, ensure_ascii=False))
    else:
        width = min(columns(sys.stdout), MAX_LINE_WIDTH) if is_terminal(sys.stdout) else 0
        for line in as_text(description).splitlines():
            text = textwrap.fill(
                line.replace(" %", "\0%"),  # a number and its sign stay in one line
                width or MAX_LINE_WIDTH,
                subsequent_indent=" " * INDENT,
                break_long_words=False,
                break_on_hyphens=False,
            )
            print(text.replace("\0%", " %"))
