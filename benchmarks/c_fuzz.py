"""Fuzz the C library of a model with libFuzzer: `python -m benchmarks.c_fuzz --seconds 600`.

The address and the undefined behaviour sanitizers run along. The exit status is 1 if an input
crashes the library, or makes it return probabilities that do not sum to 1.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from edge_runtime.model import model_path
from export.c.library import Library
from train.command import run_function

FOLDER = Path(__file__).resolve().parent
SANITIZERS = "-fsanitize=fuzzer,address,undefined"
MAX_INPUT_BYTES = 4000


def main(
    model: Annotated[str | None, typer.Option(help="Model [default: the bundled one].")] = None,
    seconds: Annotated[int, typer.Option(help="Duration.")] = 600,
    block_seconds: Annotated[float, typer.Option(help="Length of a block of statistics.")] = 1.0,
) -> None:
    """Fuzz the C library of a model with clang's libFuzzer."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Library(model_path(model), block_seconds).write(folder / "src", "edge_ser")
        sources = [FOLDER / "c_fuzz.c", *sorted(folder.rglob("src/**/*.c"))]
        program = folder / "fuzz"
        options = ["-std=c99", "-O1", "-g", SANITIZERS, "-fno-sanitize-recover=all"]
        includes = [f"-I{folder / 'src'}"]
        build = ["clang", *options, *includes, *map(str, sources), "-o", str(program), "-lm"]
        subprocess.run(build, check=True)
        limits = [f"-max_total_time={seconds}", f"-max_len={MAX_INPUT_BYTES}"]
        command = [str(program), *limits, "-print_final_stats=1", "-verbosity=0"]
        if subprocess.run(command, cwd=FOLDER.parent, check=False).returncode:
            raise typer.Exit(1)


if __name__ == "__main__":
    run_function(main)
