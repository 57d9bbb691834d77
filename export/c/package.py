"""Write the C library of a model with its program, tests and description."""

from __future__ import annotations

import logging
from pathlib import Path

from edge_runtime import ConfigError
from edge_runtime.model import model_path
from edge_runtime.validation import check_integer, check_number
from train.files import write_text
from train.run_folder import refuse_to_overwrite

from .library import Library, check_prefix, renamed
from .native import compile_wasm
from .packaging import packaging_files, packaging_names
from .readme import readme
from .vectors import vectors

_LOGGER = logging.getLogger(__name__)

FOLDER = Path(__file__).parent
LICENCE = FOLDER.parents[1] / "LICENSE"  # of the code
MAX_VECTORS = 100
MIN_BLOCK_SECONDS, MAX_BLOCK_SECONDS = 1.0, 600.0
MARKER = Path("src", "engine", "model.c")  # of a folder that this module wrote


def write_package(
    model: str | None,
    out: Path,
    prefix: str,
    n_vectors: int,
    block_seconds: float,
    *,
    wasm: bool = False,
) -> Library:
    """Write the C library of a model.

    Args:
        model: An .onnx file, the name of a bundled model, or None for the default model.
        out: The folder to write.
        prefix: Prefix of all symbols.
        n_vectors: Number of test vectors.
        block_seconds: Length of the blocks of clip statistics.
        wasm: Compile `engine.wasm`, too.

    Returns:
        The library.

    Raises:
        ConfigError: If an argument is out of range, or the library does not support the model.
        ModelError: If the model cannot be loaded.
        RunError: If the folder has other files of these names.
    """
    check_prefix(prefix)
    check_integer("--vectors", n_vectors, 1, MAX_VECTORS)
    check_number(
        "--block-seconds", block_seconds, MIN_BLOCK_SECONDS, MAX_BLOCK_SECONDS, unit="seconds"
    )
    library = Library(model_path(model), block_seconds)
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out {out}: expected a folder, got a file")
    refuse_to_overwrite(
        (out / name for name in ("src", "program", "test", "README.md", *packaging_names())),
        "--out",
        (out / MARKER).exists(),
    )
    out.mkdir(parents=True, exist_ok=True)
    library.write(out / "src", prefix)
    for name in ("program", "test"):
        (out / name).mkdir(exist_ok=True)
        for file in sorted((FOLDER / name).glob("*.[ch]")):
            text = renamed(file.read_text(encoding="utf-8"), prefix)
            write_text(out / name / file.name, text)
    write_text(out / "test" / "vectors.h", renamed(vectors(library.network, n_vectors), prefix))
    sources = sorted(file.relative_to(out).as_posix() for file in out.rglob("src/**/*.c"))
    for name, text in packaging_files(library, sources, prefix).items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        write_text(out / name, text)
    write_text(out / "LICENSE", LICENCE.read_text(encoding="utf-8"))
    write_text(out / "README.md", readme(library, prefix))
    if wasm:
        compile_wasm(out / "src", out / "engine.wasm", prefix)
    _LOGGER.info("Written: %s, with a state of %.1f KiB", out, library.state_bytes / 1024)
    return library
