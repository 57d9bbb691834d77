"""`python -m benchmarks.end_to_end`: whole processes, from start to exit, as a Markdown table.

`edge-ser classify clip.wav` beside a script that does the same with librosa and PyTorch, in turn;
medians of the wall time and of the peak memory (maximum resident set). Below `classify` cannot get:
a Python that does nothing but import numpy and onnxruntime.
"""

from __future__ import annotations

import argparse
import compileall
import subprocess
import sys
import tempfile
from pathlib import Path

import edge_runtime
from edge_runtime.diagnostics.process_cost import process_costs
from edge_runtime.diagnostics.system_info import processor

from .command import command

HERE = Path(__file__).resolve().parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clip", type=Path, default=Path("tests/data/voices/sad/speaker01-1.wav"))
    parser.add_argument("--out", type=Path, default=Path("reports/end-to-end.md"))
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args()
    # As pip does when it installs a package, and Python when it first runs one from a checkout,
    # unless PYTHONDONTWRITEBYTECODE forbids that: then every start would compile what it imports.
    compileall.compile_dir(edge_runtime.__path__[0], quiet=1)
    edge_ser = str(Path(sys.executable).with_name("edge-ser"))
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder) / "weights.pt"
        make_weights = (
            "import sys, torch; sys.path.insert(0, sys.argv[1]); "
            "from librosa_torch import Network; torch.save(Network().state_dict(), sys.argv[2])"
        )
        subprocess.run([sys.executable, "-c", make_weights, str(HERE), str(weights)], check=True)
        commands = {
            "librosa + PyTorch": [
                sys.executable,
                str(HERE / "librosa_torch.py"),
                str(weights),
                str(options.clip),
            ],
            "`edge-ser classify`": [edge_ser, "classify", str(options.clip)],
            "importing numpy and onnxruntime alone": [
                sys.executable,
                "-c",
                "import numpy, onnxruntime",
            ],
            "`edge-ser --help`": [edge_ser, "--help"],
        }
        costs = process_costs(commands, options.rounds)
    medians = {name: (cost.seconds, cost.peak_mib or 0.0) for name, cost in costs.items()}
    slow = medians["librosa + PyTorch"]
    lines = [
        "# Whole processes",
        "",
        f"{command()} on {processor()}: medians of {options.rounds} alternating runs.",
        "",
        "| process | seconds | peak MiB | faster by | smaller by |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {name} | {seconds:.2f} | {mib:.0f} "
            f"| {slow[0] / seconds:.1f} | {slow[1] / mib:.1f} |"
            for name, (seconds, mib) in medians.items()
        ),
        "",
    ]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
