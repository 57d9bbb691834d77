"""Sizes of C structs, from their declarations.

`EDGE_SER_STATE_BYTES` must be a number in the header that users read. The members of the structs
are int, float, double, other structs, and arrays of these, which have the same size on all systems
with IEEE 754 floats and an int of 32 bits.
"""

from __future__ import annotations

import ast
import contextlib
import operator
import re
from collections.abc import Mapping
from functools import partial

from edge_runtime import ConfigError

SIZES = {"int": 4, "float": 4, "double": 8}
ALIGNMENT = 8  # of double; smaller on some systems

_STRUCT = re.compile(r"typedef struct \{(.*?)\} (\w+);", re.DOTALL)
_MEMBER = re.compile(r"(\w+) (\w+)((?:\[[^]]+\])*)")
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_IF = re.compile(r"#if (.+)")
_DEFINE = re.compile(r"#define (\w+) (.+)")

_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}


def struct_size(name: str, headers: list[str], constants: Mapping[str, int]) -> int:
    """Return the size of a struct in bytes.

    Args:
        name: Name of the struct.
        headers: Texts of the headers; a struct follows those that it contains. Structs with other
            types, such as pointers, are skipped.
        constants: Values of the macros that the sizes of arrays and the conditions use.

    Raises:
        ConfigError: If the struct is missing, or is not one that this module supports.

    Example:
        >>> struct_size("t", ["typedef struct { double x; float y[N + 1]; } t;"], {"N": 2})
        24
    """
    sizes, alignments, values = dict(SIZES), dict(SIZES), dict(constants)
    for header in headers:
        text = _conditional(_COMMENT.sub("", header), values)
        for body, struct in _STRUCT.findall(text):
            end, widest = 0, 1
            for kind, count in map(partial(_member, values), body.split(";")[:-1]):
                if kind not in sizes:
                    break
                end = _aligned(end, alignments[kind]) + count * sizes[kind]
                widest = max(widest, alignments[kind])
            else:
                sizes[struct], alignments[struct] = _aligned(end, widest), widest
    if name not in sizes:
        raise ConfigError(f"the size of the struct {name} is not known; check its members")
    return sizes[name]


def _aligned(size: int, alignment: int) -> int:
    return -(-size // alignment) * alignment


def _member(values: Mapping[str, int], text: str) -> tuple[str, int]:
    """Return the type of a member and how many of it there are; "" for other declarations."""
    match = _MEMBER.fullmatch(" ".join(text.split()))
    if match is None:
        return "", 0
    count = 1
    for size in re.findall(r"\[([^]]+)\]", match[3]):
        count *= _evaluated(size, values)
    return match[1], count


def _conditional(text: str, values: dict[str, int]) -> str:
    """Return the lines whose conditions hold; constants that they define are added to `values`."""
    lines, active = [], [True]
    for line in text.splitlines():
        if match := _IF.match(line):
            active.append(active[-1] and bool(_evaluated(match[1], values)))
        elif line.startswith("#if"):  # include guards
            active.append(active[-1])
        elif line.startswith("#else"):
            active[-1] = active[-2] and not active[-1]
        elif line.startswith("#endif"):
            active.pop()
        elif match := _DEFINE.match(line):
            with contextlib.suppress(ConfigError, SyntaxError):  # other macros
                if active[-1]:
                    values[match[1]] = _evaluated(match[2], values)
        elif active[-1]:
            lines.append(line)
    return "\n".join(lines)


def _evaluated(expression: str, values: Mapping[str, int]) -> int:
    """Return the value of an expression of constants, sums and products."""

    def value(node: ast.AST) -> int:
        if isinstance(node, ast.Expression):
            return value(node.body)
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            return node.value
        if isinstance(node, ast.Name) and node.id in values:
            return values[node.id]
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](value(node.left), value(node.right))
        raise ConfigError(f"the expression {expression!r} is not a sum or product of constants")

    return value(ast.parse(expression.strip(), mode="eval"))
