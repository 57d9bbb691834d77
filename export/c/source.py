"""C source text: literals, arrays and comments."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

import numpy as np

WIDTH = 100  # columns

C_TYPES = {
    "float32": "float",
    "float64": "double",
    "int8": "int8_t",
    "int16": "int16_t",
    "int32": "int32_t",
    "uint8": "uint8_t",
    "uint16": "uint16_t",
}


def number(value: float | int | np.generic) -> str:
    """Return a value as a C literal of its type; float32 gets the suffix f.

    Example:
        >>> number(np.float32(0.5)), number(2.0), number(3)
        ('0.5f', '2.0', '3')
    """
    if isinstance(value, (int, np.integer)):
        return str(int(value))
    digits = f"{value:.9g}" if isinstance(value, np.float32) else repr(float(value))
    if not any(mark in digits for mark in ".e"):
        digits += ".0"
    return digits + ("f" if isinstance(value, np.float32) else "")


def string(text: str) -> str:
    r"""Return text as a C string literal in UTF-8, safe for any text.

    Example:
        >>> string('say "ä"')
        '"say \\"\\303\\244\\""'
    """
    plain = set(range(32, 127)) - set(b'"\\?')  # two question marks begin a trigraph
    escaped = {ord('"'): '\\"', ord("\\"): "\\\\"}
    return (
        '"'
        + "".join(
            chr(byte) if byte in plain else escaped.get(byte, f"\\{byte:03o}")
            for byte in text.encode()
        )
        + '"'
    )


def comment(text: str) -> str:
    """Return text as a block comment, wrapped; its paragraphs are divided by empty lines."""
    safe = text.encode("ascii", "replace").decode().replace("*/", "* /").replace("/*", "/ *")
    paragraphs = [
        textwrap.wrap(paragraph, WIDTH - 3, break_on_hyphens=False)
        for paragraph in safe.split("\n\n")
    ]
    lines = [line for paragraph in paragraphs for line in (*paragraph, "")][:-1]
    return "/* " + "\n".join(f" * {line}".rstrip() for line in lines)[3:] + " */\n"


def declaration(name: str, values: np.ndarray) -> str:
    """Return the declaration of a constant array in a header."""
    return f"extern const {C_TYPES[values.dtype.name]} {name}[{values.size}];\n"


def array(name: str, values: np.ndarray) -> str:
    """Return the definition of a constant array.

    Args:
        name: Name in C.
        values: Values of a type of `C_TYPES`; more than one dimension is flattened.
    """
    kind = C_TYPES[values.dtype.name]
    return f"const {kind} {name}[{values.size}] = {{\n{_rows(map(number, values.ravel()))}}};\n"


def strings(name: str, texts: Iterable[str]) -> str:
    """Return the definition of a constant array of strings."""
    literals = [string(text) for text in texts]
    return f"const char *const {name}[{len(literals)}] = {{\n{_rows(literals)}}};\n"


def _rows(literals: Iterable[str]) -> str:
    """Return literals in indented lines, each followed by a comma."""
    lines, line = [], ""
    for literal in literals:
        if line and len(line) + len(literal) + 6 > WIDTH:
            lines.append(line)
            line = ""
        line += f"{' ' if line else '    '}{literal},"
    return "".join(f"{line}\n" for line in (*lines, line) if line)
