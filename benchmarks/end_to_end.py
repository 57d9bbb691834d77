"""Cost of whole processes, from start to exit: `python -m benchmarks.end_to_end`.

Compares `edge-ser classify clip.wav` with a script that does the same with librosa and PyTorch:
medians of wall time and peak memory (maximum resident set) over alternating runs. A Python process
that only imports numpy and onnxruntime is the lower bound for `classify`.
"""

from __future__ import annotations

import compileall
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

import edge_runtime
from edge_runtime.diagnostics.process_cost import process_costs
from edge_runtime.diagnostics.system_info import processor
from train.command import run_function

from .report import Out, command, publish, table

FOLDER = Path(__file__).resolve().parent
BASELINE = "librosa + PyTorch"
CLIP = Path("tests/data/voices/sad/speaker01-1.wav")


def main(
    clip: Annotated[Path, typer.Option(help="The clip to classify.")] = CLIP,
    rounds: Annotated[int, typer.Option(help="Alternating runs.")] = 11,
    out: Out = None,
) -> None:
    """Report time and memory of whole processes next to librosa + PyTorch."""
    # pip compiles a package when it installs it, and Python when it first runs a checkout, unless
    # PYTHONDONTWRITEBYTECODE forbids that: then every start would compile what it imports.
    compileall.compile_dir(edge_runtime.__path__[0], quiet=1)
    edge_ser = str(Path(sys.executable).with_name("edge-ser"))
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.pt"
        make_weights = (
            "import sys, torch; sys.path.insert(0, sys.argv[1]); "
            "from librosa_torch import Network; torch.save(Network().state_dict(), sys.argv[2])"
        )
        subprocess.run([sys.executable, "-c", make_weights, str(FOLDER), str(weights)], check=True)
        script = str(FOLDER / "librosa_torch.py")
        commands = {
            BASELINE: [sys.executable, script, str(weights), str(clip)],
            "`edge-ser classify`": [edge_ser, "classify", str(clip)],
            "`import numpy, onnxruntime`": [sys.executable, "-c", "import numpy, onnxruntime"],
            "`edge-ser --help`": [edge_ser, "--help"],
        }
        costs = process_costs(commands, rounds)
    medians = {name: (cost.seconds, cost.peak_mib or 0.0) for name, cost in costs.items()}
    seconds, mib = medians[BASELINE]
    rows = (
        [name, f"{own:.2f}", f"{memory:.0f}", f"{seconds / own:.1f}", f"{mib / memory:.1f}"]
        for name, (own, memory) in medians.items()
    )
    publish(
        f"""# Whole processes

{command()} on {processor()}: medians of {rounds} alternating runs, from start to exit.

{table(["process", "seconds", "peak MiB", "times faster", "times smaller"], rows)}
""",
        out,
    )


if __name__ == "__main__":
    run_function(main)
