"""`edge-ser info`: the model card of a model file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from .options import JsonOption
from .terminal import wrap_hanging


def info(
    model: Annotated[
        Path | None,
        typer.Argument(
            metavar="[MODEL]", readable=False, help="An .onnx model [default: the bundled model]."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Describe a model.

    Prints the model card: labels, front end, size, inputs and outputs, training corpora, scores
    and licence.

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
        print(wrap_hanging(as_text(description), INDENT, sys.stdout))
