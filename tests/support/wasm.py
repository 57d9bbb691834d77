"""The tools that compile the C library of a model to WebAssembly."""

from __future__ import annotations

import functools
import shutil
import subprocess


@functools.cache
def missing_wasm() -> str:
    """Return why there is no compiler for WebAssembly; empty if there is one."""
    if shutil.which("clang") is None or shutil.which("wasm-ld") is None:
        return "clang or lld is not installed"
    command = ["clang", "--target=wasm32-wasi", "-nostartfiles", "-Wl,--no-entry"]
    source = "#include <math.h>\nfloat f(float x) { return expf(x); }"
    done = subprocess.run(
        [*command, "-x", "c", "-", "-o", "/dev/null"], input=source, capture_output=True, text=True
    )
    return "" if done.returncode == 0 else "wasi-libc or libclang-rt-dev-wasm32 is not installed"
