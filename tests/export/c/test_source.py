"""C literals and arrays, and the sizes of structs."""

from __future__ import annotations

import re
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_runtime import ConfigError
from export.c.source import array, comment, number, string
from export.c.state_size import struct_size

requires_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="requires gcc")


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_float32_literals_are_exact(value):
    literal = number(np.float32(value))
    assert re.fullmatch(r"-?\d+(\.\d+)?(e[+-]?\d+)?f", literal) and set(".e") & set(literal)
    assert np.float32(float(literal[:-1])) == np.float32(value)


@requires_gcc
def test_strings_survive_the_compiler(tmp_path):
    texts = ["plain", 'q"\\', "??/??=", "ä\u6012\U0001f600", "\\0", "a\x01b1", "*/ /* //"]
    lines = "".join(f"    puts({string(text)});\n" for text in texts)
    source = tmp_path / "strings.c"
    source.write_text(f"#include <stdio.h>\n{comment(texts[-1])}int main(void)\n{{\n{lines}}}\n")
    program = tmp_path / "strings"
    subprocess.run(["gcc", "-std=c99", "-trigraphs", source, "-o", program], check=True)
    printed = subprocess.run([program], capture_output=True, check=True).stdout.decode()
    assert printed == "".join(f"{text}\n" for text in texts)


@settings(max_examples=20)
@given(st.lists(st.integers(-128, 127), min_size=1, max_size=200))
def test_arrays_hold_their_values_in_short_lines(values):
    text = array("x", np.array(values, np.int8))
    assert text.startswith(f"const int8_t x[{len(values)}] = {{\n")
    assert [int(number) for number in re.findall(r"(-?\d+),", text)] == values
    assert max(map(len, text.splitlines())) <= 100


STRUCTS = """
#ifndef GUARD_H
#define GUARD_H
#define TWICE (2 * N) /* a constant */
#define NAME "text"
typedef struct {
    int first;
    double second; /* aligned */
    float third[TWICE + 1][3];
#if N > 2
    int unused[1000];
#else
    int used;
#endif
} inner;
typedef struct {
    const float *pointer;
} skipped;
typedef struct {
    float before;
    inner parts[2];
    int after;
} outer;
#endif
"""


@requires_gcc
def test_sizes_of_structs_are_those_of_the_compiler(tmp_path):
    source = tmp_path / "sizes.c"
    source.write_text(
        f"#define N 2\n{STRUCTS.replace('N > 2', '0')}"
        '#include <stdio.h>\nint main(void) { printf("%zu", sizeof(outer)); return 0; }\n'
    )
    subprocess.run(["gcc", source, "-o", tmp_path / "sizes"], check=True)
    size = subprocess.run([tmp_path / "sizes"], capture_output=True, check=True).stdout
    headers = [STRUCTS.replace("N > 2", "0")]
    assert struct_size("outer", headers, {"N": 2}) == int(size)


@pytest.mark.parametrize("name", ["skipped", "missing"])
def test_structs_of_unknown_size_are_refused(name):
    with pytest.raises(ConfigError, match=f"size of the struct {name} is not known"):
        struct_size(name, [STRUCTS.replace("N > 2", "0")], {"N": 2})
