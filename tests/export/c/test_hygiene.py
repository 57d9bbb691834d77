"""The C library has no heap, no writable variable, little stack, and no undefined behaviour."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from edge_runtime.model import BUNDLED_MODEL
from export.c.measure import measure
from export.c.package import write_package

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("gcc") is None, reason="requires gcc"),
]

ALLOWED = {"memcpy", "memmove", "memset"} | {
    name + suffix
    for name in ("exp", "fabs", "fmax", "fmin", "log", "log10", "log2", "pow", "sqrt", "tanh")
    for suffix in ("", "f")
}


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    out = tmp_path_factory.mktemp("package") / "c"
    write_package(str(BUNDLED_MODEL), out, "edge_ser", 8, 30.0)
    return out


def test_library_imports_mathematics_alone_and_has_no_variables(package):
    measured = measure(package / "src", "gcc", ["-O2", "-fno-builtin"])
    assert set(measured.imports) <= ALLOWED
    assert measured.variables == 0
    assert measured.code < 48 << 10


def test_stack_is_within_the_stated_bound(package):
    assert 300 < measure(package / "src", "gcc", ["-Os"]).stack <= 2048


def test_sanitizers_find_nothing_in_the_vectors(package, tmp_path):
    files = [*(package / "test").glob("*.c"), *(package / "src").rglob("*.c")]
    options = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    program = tmp_path / "vectors"
    command = ["gcc", "-std=c99", *options, *files, "-o", program, "-lm"]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if "cannot find" in built.stderr:
        pytest.skip("requires the sanitizers of gcc")
    assert built.returncode == 0, built.stderr
    result = subprocess.run([program], capture_output=True, text=True, check=False)
    assert result.returncode == 0 and "0 failures" in result.stdout, result.stdout + result.stderr


@pytest.mark.skipif(shutil.which("cppcheck") is None, reason="requires cppcheck")
def test_cppcheck_finds_nothing(package):
    checks = "--enable=warning,portability,performance"
    # In one configuration, that of the model; its weights alone would take minutes.
    command = ["cppcheck", "--std=c99", checks, "--quiet", "--error-exitcode=1", "--max-configs=1"]
    files = [
        file
        for folder in ("src", "program")
        for file in (package / folder).rglob("*.c")
        if file.name != "model.c"
    ]
    result = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
