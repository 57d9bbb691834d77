"""Measure the compiled C library: code, constants, stack, and symbols of other libraries."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_NODE = re.compile(r'node: \{ title: "([^"]+)" label: "([^"]*)"')
_STACK = re.compile(r"(\d+) bytes \(([\w,]+)\)")
_EDGE = re.compile(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"')

# Functions of C and of its mathematics use stack that the compiler does not report.
LIBRARY_STACK_BYTES = 256


@dataclass(frozen=True)
class Measurement:
    """Sizes of a compiled library in bytes.

    Attributes:
        code: Machine code.
        constants: Weights and tables.
        variables: Writable data outside of the states.
        stack: The deepest chain of calls.
        imports: Functions of other libraries.
    """

    code: int
    constants: int
    variables: int
    stack: int
    imports: tuple[str, ...]


def measure(source: Path, compiler: str, options: list[str]) -> Measurement:
    """Compile a library, and measure it.

    Args:
        source: The folder `src` of the library.
        compiler: A gcc of version 10 or newer.
        options: Options of the processor, and of the optimisation.
    """
    prefix = compiler.removesuffix("gcc")
    with tempfile.TemporaryDirectory() as folder:
        files = sorted(source.rglob("*.c"))
        flags = ["-std=c99", "-fno-pie", "-ffunction-sections", "-fcallgraph-info=su", *options]
        subprocess.run(
            [compiler, *flags, "-c", *(str(file.resolve()) for file in files)],
            cwd=folder,
            check=True,
        )
        objects = sorted(map(str, Path(folder).glob("*.o")))
        sizes = subprocess.run(
            [f"{prefix}size", "-A", *objects], capture_output=True, text=True, check=True
        ).stdout
        symbols = subprocess.run(
            [f"{prefix}nm", *objects], capture_output=True, text=True, check=True
        ).stdout
        graphs = "".join(file.read_text() for file in Path(folder).glob("*.ci"))
    sections = [line.split()[:2] for line in sizes.splitlines() if line.startswith(".")]
    return Measurement(
        code=_total(sections, (".text",)),
        constants=_total(sections, (".rodata", ".data.rel.ro")),
        variables=_total(sections, (".data", ".bss")),
        stack=_deepest(graphs) + LIBRARY_STACK_BYTES,
        imports=tuple(sorted(_imports(symbols))),
    )


def _total(sections: list[list[str]], names: tuple[str, ...]) -> int:
    """Return the size of the sections that begin with one of the names."""
    longer = {".data": (".data.rel.ro",)}
    return sum(
        int(size)
        for section, size in sections
        for name in names
        if section.startswith(name) and not section.startswith(longer.get(name, ("none",)))
    )


def _imports(symbols: str) -> Iterator[str]:
    """Yield the undefined symbols that no object of the library defines."""
    defined, undefined = set(), set()
    for line in symbols.splitlines():
        match line.split():
            case [_, kind, name] if kind != "U":
                defined.add(name)
            case ["U", name]:
                undefined.add(name)
    yield from undefined - defined


def _deepest(graphs: str) -> int:
    """Return the stack of the deepest chain of calls.

    Raises:
        ValueError: If functions call each other in a circle, or need stack of no fixed size.
    """
    own: dict[str, int] = {}
    for name, label in _NODE.findall(graphs):
        stack = _STACK.search(label)
        if stack and stack[2] == "dynamic":
            raise ValueError(f"{name} needs stack of no fixed size")
        own[name] = max(own.get(name, 0), int(stack[1]) if stack else 0)
    calls: dict[str, set[str]] = {}
    for caller, called in _EDGE.findall(graphs):
        calls.setdefault(caller, set()).add(called)
    depths: dict[str, int] = {}

    def depth(name: str, above: tuple[str, ...]) -> int:
        if name in above:
            raise ValueError(f"{name} calls itself")
        if name not in depths:
            below = [depth(called, (*above, name)) for called in calls.get(name, ())]
            depths[name] = own.get(name, 0) + max(below, default=0)
        return depths[name]

    return max(depth(name, ()) for name in own)
