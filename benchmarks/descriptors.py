"""Cost of voice descriptors and clip statistics: `python -m benchmarks.descriptors`.

One thread, one process, alternating warm runs, medians. Clips of 3 s, in the framing of the default
recipe. MFCC and descriptors of a front end come from one FFT.
"""

from __future__ import annotations

import benchmarks.one_thread  # noqa: F401

# isort: split
from pathlib import Path
from typing import Annotated

import typer

from edge_runtime.diagnostics.system_info import processor
from edge_runtime.features.front_end import FrontEnd, FrontEndStream
from edge_runtime.features.functionals import functionals
from train.command import run_function
from train.recipes import DEFAULT_RECIPE

from .alternate import medians
from .mfcc import speech
from .report import Out, command, publish, table

SECONDS = 3
MFCC, BOTH, STATISTICS = "MFCC", "MFCC and descriptors", "statistics of both"


def main(
    data: Annotated[
        Path | None, typer.Option(help="Folder of recordings [default: synthesised voices].")
    ] = None,
    rounds: Annotated[int, typer.Option(help="Alternating runs.")] = 300,
    out: Out = None,
) -> None:
    """Report the time of the front end with descriptors, and of the statistics of a clip."""
    samples = speech(SECONDS, data)
    config = DEFAULT_RECIPE.mfcc_config
    mfcc, both = FrontEnd(config), FrontEnd(config, with_descriptors=True)
    frames = both(samples)
    coefficients, descriptors = frames[:, : both.n_mfcc], frames[:, both.n_mfcc :]
    stream = FrontEndStream(both)

    times = medians(
        {
            MFCC: lambda: mfcc(samples),
            BOTH: lambda: both(samples),
            STATISTICS: lambda: functionals(descriptors, coefficients),
            "push of 20 ms to a stream": lambda: stream.push(samples[: config.hop_length]),
        },
        rounds,
    )
    rows = [[name, f"{1000 * time:.2f}"] for name, time in times.items()]
    more = 1000 * (times[BOTH] + times[STATISTICS] - times[MFCC])
    publish(
        f"""# Cost of voice descriptors and clip statistics

{command()} on {processor()}, one thread, medians of {rounds} alternating warm runs on a clip of \
{SECONDS} s of {"recordings" if data else "synthesised voices"}.

{table(["computation", "ms"], rows)}

A model with clip statistics takes {more:.2f} ms more per clip than one without.
""",
        out,
    )


if __name__ == "__main__":
    run_function(main)
