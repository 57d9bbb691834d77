"""Parity, sizes and cost of the C library: `python -m benchmarks.c_engine --data FOLDER`.

The C library of a model classifies recordings on this machine, on emulated processors and as
WebAssembly, whole and in chunks; its answers are compared with those of the Python package. Code,
constants and stack are measured as compiled for these processors, and instructions on emulated
microcontrollers. Processors whose compiler or emulator is not installed are left out, and named.
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer

from edge_runtime import ConfigError, EmotionModel, read_audio
from edge_runtime.datasets.corpora import scan
from edge_runtime.diagnostics.process_cost import process_costs
from edge_runtime.diagnostics.system_info import processor
from edge_runtime.model import model_path
from export.c.emulator import BOARDS, missing_tools, run_vectors
from export.c.emulator import measure as measure_board
from export.c.measure import measure
from export.c.native import WARNINGS
from export.c.package import write_package
from export.card import make_card
from export.graph import export_fp32, export_int8
from train.command import run_function
from train.gate.network import GateNetwork
from train.network import EmotionLSTM
from train.recipes import RECIPES

from .report import Out, command, publish, table

FOLDER = Path(__file__).resolve().parent
MAX_SECONDS = 120.0  # of a recording, as in c_batch.c
MAX_PROBABILITIES = 1e-4
CLIP = FOLDER.parent / "tests/data/voices/sad/speaker01-1.wav"
CORTEX_M4 = ["-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"]


@dataclass(frozen=True)
class Target:
    """A processor that runs the C library.

    Attributes:
        name: Its name in the report.
        compiler: The compiler and its options.
        emulator: The command that runs a program, if it is not run as it is.
        is_emulated: The processor is emulated, which is slow.
    """

    name: str
    compiler: tuple[str, ...]
    emulator: tuple[str, ...] = ()
    is_emulated: bool = True

    def missing(self) -> list[str]:
        """Return the programs that are not installed."""
        programs = (self.compiler[0], *self.emulator[:1])
        return [name for name in programs if shutil.which(name) is None]


ARMV6 = ("-march=armv6+fp", "-mfloat-abi=hard", "-marm", "--specs=rdimon.specs")
TARGETS = (
    Target("x86-64, gcc", ("gcc",), is_emulated=False),
    Target("x86-64, clang", ("clang",), is_emulated=False),
    Target("ARMv6, hard float", ("arm-none-eabi-gcc", *ARMV6), ("qemu-arm", "-cpu", "arm1176")),
    Target(
        "ARMv7, hard float",
        ("arm-linux-gnueabihf-gcc", "-static"),
        ("qemu-arm", "-cpu", "cortex-a7"),
    ),
    Target("riscv64", ("riscv64-linux-gnu-gcc", "-static"), ("qemu-riscv64",)),
    Target(
        "WebAssembly, node",
        ("clang", "--target=wasm32-wasi"),
        ("node", "--no-warnings", str(FOLDER / "c_run.mjs")),
    ),
)


@dataclass(frozen=True)
class Expected:
    """Recordings and the answers of the Python package.

    Attributes:
        clips: The samples, as c_batch.c reads them.
        labels: The answers.
        probabilities: float32 `(n_clips, n_labels)`.
    """

    clips: list[bytes]
    labels: list[str]
    probabilities: np.ndarray

    @classmethod
    def compute(cls, model: EmotionModel, files: Iterable[Path]) -> Expected:
        """Classify recordings with the Python package."""
        clips, labels, probabilities = [], [], []
        for file in files:
            samples = read_audio(file, model.sample_rate).astype(np.float32)
            if len(samples) > MAX_SECONDS * model.sample_rate:
                continue
            prediction = model.classify(samples)
            clips.append(struct.pack("<i", len(samples)) + samples.tobytes())
            labels.append(prediction.label)
            probabilities.append(list(prediction.probabilities.values()))
        return cls(clips, labels, np.array(probabilities, np.float32))

    def some(self, n: int) -> Expected:
        """Return at most `n` of the recordings, evenly spread."""
        chosen = evenly_spread(range(len(self.clips)), n)
        return Expected(
            [self.clips[k] for k in chosen],
            [self.labels[k] for k in chosen],
            self.probabilities[chosen],
        )


def evenly_spread(values: Iterable, n: int) -> list:
    """Return at most `n` of the values, evenly spread."""
    values = list(values)
    step = max(1, -(-len(values) // max(1, n)))
    return values[::step]


def compare(target: Target, package: Path, expected: Expected, folder: Path) -> list[str]:
    """Return the row of a target in the table of the parity.

    Raises:
        ConfigError: If the library cannot be compiled or run there.
    """
    program = folder / "batch"
    sources = [FOLDER / "c_batch.c", *sorted(package.rglob("src/**/*.c"))]
    options = [*target.compiler[1:], *WARNINGS, "-O2", f"-I{package / 'src'}"]
    run([target.compiler[0], *options, *map(str, sources), "-o", str(program), "-lm"])
    printed = run([*target.emulator, str(program)], b"".join(expected.clips))
    lines = [line.split("\t") for line in printed.splitlines()]
    whole, chunked = lines[::2], lines[1::2]
    probabilities = np.array([line[1:] for line in whole], np.float32)
    difference = np.abs(probabilities - expected.probabilities).max()
    by_chunks = np.array([line[1:] for line in chunked], np.float32)
    between = np.abs(by_chunks - probabilities).max()
    decisions = sum(line[0] != label for line, label in zip(whole, expected.labels, strict=True))
    decisions += sum(line[0] != other[0] for line, other in zip(whole, chunked, strict=True))
    holds = difference <= MAX_PROBABILITIES and between <= MAX_PROBABILITIES and not decisions
    return [
        f"numpy and onnxruntime → C on {target.name}",
        str(len(expected.clips)),
        f"{difference:.2g}",
        f"{between:.2g}",
        str(decisions),
        "yes" if holds else "no",
    ]


def run(arguments: list[str], stdin: bytes | None = None) -> str:
    """Run a program and return what it prints.

    Raises:
        ConfigError: If it fails.
    """
    result = subprocess.run(arguments, input=stdin, capture_output=True, check=False)
    if result.returncode:
        raise ConfigError(f"{arguments[0]} failed:\n{result.stderr.decode()[-2000:]}")
    return result.stdout.decode()


def parity(package: Path, expected: Expected, n_emulated: int) -> tuple[str, list[str]]:
    """Return the table of the parity, and notes on what is left out."""
    rows, notes = [], []
    fewer = expected.some(n_emulated)
    for target in TARGETS:
        if target.missing():
            notes.append(f"{target.name}: requires {', '.join(target.missing())}.")
            continue
        with tempfile.TemporaryDirectory() as folder:
            clips = fewer if target.is_emulated else expected
            rows.append(compare(target, package, clips, Path(folder)))
    header = ("comparison", "clips", "max Δ probability", "whole → chunks", "changed decisions")
    return table((*header, "within limit"), rows), notes


def sizes(package: Path) -> str:
    """Return the table of the sizes of the library."""
    rows = []
    for name, compiler, options in (
        ("x86-64", "gcc", []),
        ("ARMv7, Thumb", "arm-linux-gnueabihf-gcc", ["-mthumb"]),
        ("Cortex-M4F", "arm-none-eabi-gcc", CORTEX_M4),
        ("riscv64", "riscv64-linux-gnu-gcc", []),
    ):
        for level in ("-O2", "-Os"):
            if shutil.which(compiler):
                size = measure(package / "src", compiler, [*options, level])
                numbers = (size.code, size.constants, size.stack, size.variables)
                rows.append([f"{name}, {level}", *(f"{number:,}" for number in numbers)])
    return table(("processor", "code", "constants", "stack", "variables"), rows)


def write_untrained(name: str, folder: Path) -> Path:
    """Write the C library of an untrained network of a recipe, and return its folder.

    Sizes and instructions do not depend on the values of the weights.
    """
    recipe = RECIPES[name]
    width = recipe.mfcc_config.n_mfcc
    network = EmotionLSTM(replace(recipe.network, n_mfcc=width))
    if recipe.gate.speech:
        network = network.with_gate(GateNetwork(width, recipe.gate.gate_units))
    torch.manual_seed(0)
    for parameter in network.parameters():
        torch.nn.init.uniform_(parameter, -0.2, 0.2)
    network.std.fill_(50.0)
    if network.gate is not None:
        network.gate.std.fill_(40.0)
    stored = {
        "labels": ["angry", "happy", "neutral", "sad"],
        "mfcc_config": recipe.mfcc_config.to_dict(),
        "silence": recipe.silence and recipe.silence.to_dict(),
        "temperature": 1.0,
        "min_speech": 0.3,
        "licence": "none",
        "corpora": [],
        "scores": {},
    }
    model = folder / f"{name}.onnx"
    card = make_card(network, stored, name, "int8")
    export_fp32(network.eval(), card, model)
    export_int8(model, card, model)
    write_package(str(model), folder / name, "edge_ser", 8, 30.0)
    return folder / name


def states(libraries: dict[str, Path]) -> str:
    """Return the table of the sizes of the states, and of the constants, of several models."""
    rows = []
    for name, package in libraries.items():
        header = (package / "src" / "edge_ser.h").read_text(encoding="utf-8")
        state = re.search(r"STATE_BYTES (\d+)", header)
        assert state is not None
        size = measure(package / "src", "gcc", ["-Os"])
        rows.append([name, f"{int(state[1]):,}", f"{size.constants:,}"])
    return table(("model", "state", "constants"), rows)


def boards(libraries: dict[str, Path]) -> str:
    """Return the table of the microcontrollers, and check the test vectors on them."""
    if missing_tools():
        return f"Not measured: requires {', '.join(missing_tools())}."
    rows = []
    for name, package in libraries.items():
        # One core is enough to compare models; emulation is slow.
        has_all = name == next(iter(libraries))
        for board in BOARDS if has_all else [b for b in BOARDS if b.core == "Cortex-M4F"]:
            with tempfile.TemporaryDirectory() as folder:
                run_vectors(package, board, Path(folder))
                figures = measure_board(package, board, Path(folder))
            numbers = (figures.instructions_per_second, figures.largest_push, figures.result)
            stack = max(figures.push_stack, figures.result_stack)
            millions = [f"{number / 1e6:.2f}" for number in numbers]
            rows.append([f"{name}, {board.core} ({board.name})", *millions, f"{stack:,}"])
    header = ("model, core", "per second of audio", "largest push", "answer", "stack in bytes")
    return table(header, rows)


def processes(package: Path, rounds: int) -> str:
    """Return the table of whole processes."""
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "edge-ser-c"
        sources = [*package.glob("program/*.c"), *package.rglob("src/**/*.c")]
        run(["gcc", *WARNINGS, "-O2", *map(str, sources), "-o", str(program), "-lm"])
        weights = Path(folder) / "weights.pt"
        make_weights = (
            "import sys, torch; sys.path.insert(0, sys.argv[1]); "
            "from librosa_torch import Network; torch.save(Network().state_dict(), sys.argv[2])"
        )
        run([sys.executable, "-c", make_weights, str(FOLDER), str(weights)])
        script = str(FOLDER / "librosa_torch.py")
        commands = {
            "librosa + PyTorch": [sys.executable, script, str(weights), str(CLIP)],
            "`edge-ser classify`": [
                str(Path(sys.executable).with_name("edge-ser")),
                "classify",
                str(CLIP),
            ],
            "`edge-ser-c`": [str(program), str(CLIP)],
        }
        costs = process_costs(commands, rounds)
    rows = [
        [name, f"{cost.seconds:.3f}", f"{cost.peak_mib or 0.0:.1f}"] for name, cost in costs.items()
    ]
    return table(("process", "seconds", "peak MiB"), rows)


def main(
    data: Annotated[list[Path], typer.Option(help="Folder of recordings, or a manifest.")],
    model: Annotated[str | None, typer.Option(help="Model [default: the bundled one].")] = None,
    clips: Annotated[int, typer.Option(help="Maximum number of recordings.")] = 10_000,
    emulated_clips: Annotated[
        int, typer.Option(help="Maximum number of recordings on emulated processors.")
    ] = 160,
    rounds: Annotated[int, typer.Option(help="Alternating runs of whole processes.")] = 5,
    out: Out = None,
) -> None:
    """Report parity, sizes and cost of the C library of a model."""
    files = [clip.path for clip in scan(data)]
    loaded = EmotionModel.load(model_path(model))
    expected = Expected.compute(loaded, evenly_spread(files, clips))
    with tempfile.TemporaryDirectory() as folder:
        package = Path(folder) / "c"
        library = write_package(model, package, "edge_ser", 8, 30.0)
        libraries = {library.card.name: package}
        for recipe in ("default", "baseline"):
            libraries[f"recipe {recipe}"] = write_untrained(recipe, Path(folder))
        parity_table, notes = parity(package, expected, emulated_clips)
        sections = [
            f"# C library\n\n{command()} on {processor()}, with the model {library.card.name}.",
            "## Parity\n\nThe library, whole clips, next to the Python package; and in chunks of "
            "733 samples next to whole clips. Limit: probabilities within "
            f"{MAX_PROBABILITIES:g}, all decisions equal. 32-bit ARM and RISC-V are emulated by "
            "QEMU.\n\n" + "\n".join([parity_table, *notes]),
            "## Size\n\nBytes. Constants are weights and tables; the stack is that of the deepest "
            "chain of calls, with 256 bytes for functions of C.\n\n"
            + sizes(package)
            + "\n\nA model with clip statistics holds the frames of "
            f"{library.block_seconds:g} s in its state; the recipes have none, and untrained "
            "networks here.\n\n" + states(libraries),
            "## Microcontrollers\n\nMillions of instructions, counted by QEMU; pushes of 20 ms. "
            "The test vectors hold on all of them.\n\n" + boards(libraries),
            f"## Processes\n\nMedians of {rounds} alternating runs, from start to exit, on "
            f"`{CLIP.relative_to(FOLDER.parent)}`.\n\n" + processes(package, rounds),
        ]
    publish("\n\n".join(sections) + "\n", out)


if __name__ == "__main__":
    run_function(main)
