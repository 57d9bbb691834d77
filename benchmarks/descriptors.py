"""Cost of the voice descriptors next to the MFCC: `python -m benchmarks.descriptors`.

One thread, one process, alternating warm runs, medians. Clips of 3 s, in the framing of the default
recipe. With the power spectra of the MFCC, the FFT is computed once for both.
"""

from __future__ import annotations

import benchmarks.one_thread  # noqa: F401

# isort: split
from pathlib import Path
from typing import Annotated

import typer

from edge_runtime import Mfcc
from edge_runtime.diagnostics.system_info import processor
from edge_runtime.features.descriptor_config import DescriptorConfig
from edge_runtime.features.descriptors import Descriptors
from edge_runtime.features.functionals import functionals
from train.command import run_function
from train.recipes import DEFAULT_RECIPE

from .alternate import medians
from .mfcc import speech
from .report import Out, command, publish, table

SECONDS = 3


def main(
    data: Annotated[
        Path | None, typer.Option(help="Folder of recordings [default: synthesised voices].")
    ] = None,
    rounds: Annotated[int, typer.Option(help="Alternating runs.")] = 300,
    out: Out = None,
) -> None:
    """Report the time of the voice descriptors, alone and with the spectra of the MFCC."""
    samples = speech(SECONDS, data)
    mfcc = Mfcc(DEFAULT_RECIPE.mfcc_config)
    descriptors = Descriptors(DescriptorConfig.from_mfcc(DEFAULT_RECIPE.mfcc_config))
    coefficients, frames = mfcc(samples), descriptors(samples)

    def both() -> None:
        _, power = mfcc.with_power(samples, descriptors.config.n_bins)
        descriptors.of_power(power)

    times = medians(
        {
            "MFCC": lambda: mfcc(samples),
            "MFCC and descriptors, one FFT": both,
            "descriptors alone": lambda: descriptors(samples),
            "statistics of both": lambda: functionals(frames, coefficients),
        },
        rounds,
    )
    rows = [[name, f"{1000 * time:.2f}"] for name, time in times.items()]
    more = 1000 * (times["MFCC and descriptors, one FFT"] - times["MFCC"])
    publish(
        f"""# Cost of the voice descriptors

{command()} on {processor()}, one thread, medians of {rounds} alternating warm runs on a clip of \
{SECONDS} s of {"recordings" if data else "synthesised voices"}.

{table(["computation", "ms"], rows)}

With one FFT, the descriptors take {more:.2f} ms more than the MFCC.
""",
        out,
    )


if __name__ == "__main__":
    run_function(main)
