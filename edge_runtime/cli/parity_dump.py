"""`edge-ser parity-dump`: store the outputs of this machine, to compare it with another."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Annotated

import typer

from .options import ForceOption, ModelOption


def parity_dump(
    clips: Annotated[
        list[Path], typer.Argument(metavar="CLIP...", readable=False, help="Audio files.")
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", readable=False, help="The .npz file to write.")
    ],
    model: ModelOption = None,
    force: ForceOption = False,
) -> None:
    """Store features, logits and probabilities of clips.

    `python -m export device` compares the file with the outputs of another machine for the same
    clips.

    \b
    Example:
      edge-ser parity-dump --out pi.npz *.wav
    """  # noqa: D301
    from ..diagnostics.parity_dump import DeviceOutputs
    from ..files import check_writable
    from ..model import EmotionModel

    check_writable(out, force)
    DeviceOutputs.compute(EmotionModel.load(model), clips).save(out)
    print(f"{out}: {len(clips)} clips on {platform.machine()}")
