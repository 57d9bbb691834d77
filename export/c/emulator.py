"""Run the C library of a model on emulated Cortex-M boards."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from edge_runtime import ConfigError

from .native import WARNINGS
from .source import string

FIRMWARE = Path(__file__).with_name("firmware")
COMPILER, SIZE, EMULATOR = "arm-none-eabi-gcc", "arm-none-eabi-size", "qemu-system-arm"
TOOLS = (COMPILER, SIZE, EMULATOR)
TIMEOUT = 900.0  # seconds of a run
# A virtual nanosecond is one instruction, so that timers of the board count instructions.
INSTRUCTION_COUNT = ("-icount", "shift=0,align=off,sleep=off")


@dataclass(frozen=True)
class Board:
    """An emulated board.

    Attributes:
        name: Name of the board in QEMU.
        core: Name of its processor.
        options: Options of the compiler.
        vectors: Address of the interrupt vectors.
        code: Address and size of the memory of the program in bytes.
        data: Address and size of the memory of the data in bytes.
        clock_mhz: Clock of the SysTick timer.
    """

    name: str
    core: str
    options: tuple[str, ...]
    vectors: int = 0
    code: tuple[int, int] = (0x400, (4 << 20) - 0x400)
    data: tuple[int, int] = (0x2100_0000, 16 << 20)
    clock_mhz: float = 25.0


HARD_FLOAT = ("-mfpu=auto", "-mfloat-abi=hard")
BOARDS = (
    Board("mps2-an385", "Cortex-M3", ("-mcpu=cortex-m3",)),
    Board("mps2-an386", "Cortex-M4F", ("-mcpu=cortex-m4", *HARD_FLOAT)),
    Board(
        "mps2-an500", "Cortex-M7", ("-mcpu=cortex-m7", *HARD_FLOAT), data=(0x6000_0000, 16 << 20)
    ),
    Board(
        "mps3-an547",
        "Cortex-M55",
        ("-mcpu=cortex-m55", "-mfloat-abi=hard"),
        vectors=0x1000_0000,
        code=(0x1100_0000, 2 << 20),
        data=(0x7000_0000, 16 << 20),
        clock_mhz=32.0,
    ),
)


@dataclass(frozen=True)
class BoardFigures:
    """Measurements of the library on a board.

    Attributes:
        instructions_per_second: Instructions per second of audio.
        largest_push: Instructions of the longest push of 20 ms.
        result: Instructions of an answer.
        push_stack: Stack of the pushes in bytes.
        result_stack: Stack of an answer in bytes.
        code_bytes: Size of the code of the library, without weights and tables.
    """

    instructions_per_second: int
    largest_push: int
    result: int
    push_stack: int
    result_stack: int
    code_bytes: int


def missing_tools() -> list[str]:
    """Return the names of the required programs that are not installed."""
    return [tool for tool in TOOLS if shutil.which(tool) is None]


def run_vectors(package: Path, board: Board, folder: Path) -> str:
    """Classify the test vectors of a library on a board.

    Args:
        package: Folder of the library.
        board: The board.
        folder: Folder for the program.

    Returns:
        The text that the test prints.

    Raises:
        ConfigError: If a program is missing or fails, or if an answer differs.
    """
    return run_program(package, board, package / "test" / "test_vectors.c", folder)


def run_program(
    package: Path, board: Board, main: Path, folder: Path, stdin: bytes | None = None
) -> str:
    """Run a program on a board.

    Args:
        package: Folder of the library, which is linked.
        board: The board.
        main: The source of the program.
        folder: Folder for the program.
        stdin: Standard input of the program.

    Returns:
        Its standard output.

    Raises:
        ConfigError: If a tool is missing, or the program fails.
    """
    defines: list[str] = []
    if stdin is not None:
        file = (folder / "input").resolve()
        file.write_bytes(stdin)
        defines.append(f"-DINPUT={string(str(file))}")
    return _run(_build(package, board, main, folder, defines), board)


def measure(package: Path, board: Board, folder: Path) -> BoardFigures:
    """Measure a library on a board.

    Args:
        package: Folder of the library.
        board: The board.
        folder: Folder for the program.

    Raises:
        ConfigError: If a program is missing or fails.
    """
    printed = run_program(package, board, FIRMWARE / "measure.c", folder)
    values = [int(value) for value in re.findall(r" (\d+)$", printed, re.MULTILINE)]
    per_second, largest_push, result, push_stack, result_stack = values
    return BoardFigures(
        instructions_per_second=per_second,
        largest_push=largest_push,
        result=result,
        push_stack=push_stack,
        result_stack=result_stack,
        code_bytes=_code_bytes(package, board, folder),
    )


def _build(package: Path, board: Board, main: Path, folder: Path, defines: list[str]) -> Path:
    """Compile a program for a board."""
    program = folder / f"{main.stem}-{board.name}.elf"
    symbols = {
        "VECTORS": board.vectors,
        "CODE": board.code[0],
        "CODE_SIZE": board.code[1],
        "DATA": board.data[0],
        "DATA_SIZE": board.data[1],
    }
    command = [
        COMPILER,
        *_compiler_options(board),
        f"-DCLOCK_MHZ={board.clock_mhz}",
        *defines,
        f"-I{package / 'src'}",
        f"-I{package / 'test'}",
        "-nostartfiles",
        "-Wl,--gc-sections",
        "--specs=rdimon.specs",
        f"-T{FIRMWARE / 'board.ld'}",
        *(f"-Wl,--defsym={name}={value:#x}" for name, value in symbols.items()),
        str(FIRMWARE / "startup.c"),
        str(main),
        *map(str, _sources(package)),
        "-o",
        str(program),
        "-lm",
    ]
    _output(command)
    return program


def _run(program: Path, board: Board) -> str:
    """Return the output of a program on a board."""
    command = [EMULATOR, "-machine", board.name, *INSTRUCTION_COUNT]
    command += ["-nographic", "-monitor", "none", "-serial", "none", "-kernel", str(program)]
    return _output([*command, "-semihosting-config", "enable=on,target=native"])


def _code_bytes(package: Path, board: Board, folder: Path) -> int:
    """Return the size of the code of the library without weights and tables in bytes."""
    sources = [str(source.resolve()) for source in _sources(package) if source.name != "model.c"]
    _output([COMPILER, *_compiler_options(board), "-c", *sources], folder)
    objects = [str(folder / f"{Path(source).stem}.o") for source in sources]
    _, *lines = _output([SIZE, *objects]).splitlines()
    return sum(int(text) + int(data) for text, data, *_ in map(str.split, lines))


def _compiler_options(board: Board) -> list[str]:
    return [*WARNINGS, "-O2", "-mthumb", *board.options]


def _sources(package: Path) -> list[Path]:
    return sorted(package.rglob("src/**/*.c"))


def _output(command: list[str], folder: Path | None = None) -> str:
    """Return the output of a program.

    Args:
        command: The program and its arguments.
        folder: Its working folder. Default: the current one.

    Raises:
        ConfigError: If the program is missing or fails.
    """
    name = command[0]
    if shutil.which(name) is None:
        raise ConfigError(f"program {name!r} not found; install it")
    result = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=TIMEOUT
    )
    if result.returncode:
        raise ConfigError(
            f"{name} failed with status {result.returncode}:\n{result.stdout}{result.stderr}"
        )
    return result.stdout
