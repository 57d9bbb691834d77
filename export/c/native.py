"""Compile the C library of a model for this machine, and call it."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_runtime import ConfigError

WARNINGS = (
    "-std=c99",
    "-pedantic",
    "-Wall",
    "-Wextra",
    "-Wconversion",
    "-Wdouble-promotion",
    "-Wshadow",
    "-Wundef",
    "-Wstrict-prototypes",
    "-Wmissing-prototypes",
    "-Wvla",
    "-Werror",
)

FUNCTIONS = (
    "init",
    "reset",
    "push_i16",
    "push_f32",
    "result",
    "frame_speech",
    "label",
    "version",
    "license",
    "state_bytes",
    "sample_rate",
)
WASM_STACK_BYTES = 16384


@dataclass(frozen=True)
class NativeAnswer:
    """An answer of the C library.

    Attributes:
        label: Name of the label, "no speech" or "uncertain".
        guess: The most probable label.
        probabilities: Probability of each label, float32 `(n_labels,)`.
        speech: Probability of speech.
        arousal: Probability of an aroused voice; None if the model does not predict it.
    """

    label: str
    guess: str
    probabilities: np.ndarray
    speech: float
    arousal: float | None


def compile_library(
    source: Path, target: Path, compiler: str = "gcc", options: Iterable[str] = ("-O2",)
) -> Path:
    """Compile the C library of a model to a shared library.

    Args:
        source: The folder `src` of the library.
        target: The file to write.
        compiler: The compiler.
        options: Options of the compiler, in addition to warnings, which are errors.

    Returns:
        The file.

    Raises:
        ConfigError: If the compiler is missing, or rejects the source.
    """
    _compile(compiler, source, ["-shared", "-fPIC", *options], target)
    return target


def compile_wasm(source: Path, target: Path, prefix: str = "edge_ser") -> Path:
    """Compile the C library of a model to a WebAssembly module that imports nothing.

    It exports its functions, `memory`, and `__heap_base`, from which on the memory is free.

    Args:
        source: The folder `src` of the library.
        target: The file to write.
        prefix: Prefix of the symbols.

    Returns:
        The file.

    Raises:
        ConfigError: If clang or wasi-libc is missing.
    """
    exports = [*(f"{prefix}_{name}" for name in FUNCTIONS), "__heap_base"]
    options = [
        "--target=wasm32-wasi",
        "-O2",
        "-nostartfiles",
        "-Wl,--no-entry",
        "-Wl,--strip-all",
        "-Wl,--stack-first",
        f"-Wl,-z,stack-size={WASM_STACK_BYTES}",
        *(f"-Wl,--export={name}" for name in exports),
    ]
    _compile("clang", source, options, target)
    return target


def _compile(compiler: str, source: Path, options: Iterable[str], target: Path) -> None:
    if shutil.which(compiler) is None:
        raise ConfigError(f"compiler {compiler!r} not found; install it")
    files = sorted(map(str, source.rglob("*.c")))
    command = [compiler, *WARNINGS, *options, *files, "-o", str(target), "-lm"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        raise ConfigError(f"{compiler} rejects the C library:\n{result.stderr}")


class NativeModel:
    """A compiled C library.

    Args:
        path: A file of `compile_library`.
        n_labels: Number of labels of the model.
        prefix: Prefix of its symbols.

    Attributes:
        state_bytes: Size of a state.
    """

    def __init__(self, path: Path, n_labels: int, prefix: str = "edge_ser") -> None:
        class Answer(ctypes.Structure):
            _fields_ = (
                ("label", ctypes.c_int),
                ("guess", ctypes.c_int),
                ("confidence", ctypes.c_float),
                ("probabilities", ctypes.c_float * n_labels),
                ("speech", ctypes.c_float),
                ("arousal", ctypes.c_float),
            )

        self._answer = Answer()
        self._library = ctypes.CDLL(str(path))
        self._prefix = prefix
        for name in ("label", "version", "license"):
            self._function(name).restype = ctypes.c_char_p
        self._function("state_bytes").restype = ctypes.c_size_t
        self._function("frame_speech").restype = ctypes.c_float
        self.state_bytes = int(self._function("state_bytes")())
        # Filled with a pattern: a library that reads memory it did not set is then noticed.
        self._state = (ctypes.c_uint64 * (self.state_bytes // 8 + 1))(*[0x7FC07FC07FC07FC0] * 8)
        self.call("init", self._state)

    def _function(self, name: str) -> ctypes._NamedFuncPointer:
        function: ctypes._NamedFuncPointer = getattr(self._library, f"{self._prefix}_{name}")
        return function

    def call(self, name: str, *arguments: object) -> int:
        """Call a function of the library, and return its status."""
        return int(self._function(name)(*arguments))

    def text(self, name: str, *arguments: int) -> str:
        """Return the result of a function that returns text."""
        text: bytes = self._function(name)(*arguments)
        return text.decode()

    def reset(self) -> None:
        """Begin the next clip."""
        self._function("reset")(self._state)

    def push(self, samples: np.ndarray) -> int:
        """Add samples, float32 or int16 `(n_samples,)`, and return the status."""
        samples = np.ascontiguousarray(samples)
        name = "push_i16" if samples.dtype == np.int16 else "push_f32"
        pointer = samples.ctypes.data_as(ctypes.c_void_p)
        return self.call(name, self._state, pointer, ctypes.c_size_t(len(samples)))

    def frame_speech(self) -> float:
        """Return the probability of speech of the last frame."""
        return float(self._function("frame_speech")(self._state))

    def result(self) -> NativeAnswer | None:
        """Return the answer so far, or None before the first frame."""
        if self.call("result", self._state, ctypes.byref(self._answer)):
            return None
        answer = self._answer
        return NativeAnswer(
            self.text("label", answer.label),
            self.text("label", answer.guess),
            np.array(answer.probabilities, np.float32),
            float(answer.speech),
            float(answer.arousal) if answer.arousal >= 0 else None,
        )

    def classify(self, samples: np.ndarray, chunk: int | None = None) -> NativeAnswer | None:
        """Return the answer for a clip.

        Args:
            samples: float32 or int16 `(n_samples,)`.
            chunk: Samples in a push. Default: all of them.
        """
        self.reset()
        step = chunk or max(1, len(samples))
        for start in range(0, len(samples), step):
            self.push(samples[start : start + step])
        return self.result()
