"""Build the page that needs no server: `python -m scripts.build_web [--model FILE] [--out DIR]`.

The page is that of `edge-ser serve` with everything in the browser. `web/` has what differs; the
answers, the picture, the microphone and the style come from `edge_runtime/serve/page`. The result
is static files for any web server, with the model and its engine.
"""

from __future__ import annotations

import functools
import hashlib
import html
import json
import shutil
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from edge_runtime import EdgeSerError, __version__
from edge_runtime.diagnostics.model_info import describe
from edge_runtime.inference.network import Network
from edge_runtime.model import model_path
from export.c.library import PREFIX, Library
from export.c.native import compile_wasm

ROOT = Path(__file__).resolve().parents[1]
WEB = ROOT / "web"
PAGE = ROOT / "edge_runtime" / "serve" / "page"
SHARED = ("answers.js", "audio.js", "chart.js", "recorder.js", "style.css", "icon.svg")
BLOCK_SECONDS = 30.0  # of clip statistics, as in the runtime
ANSWERS = ("  <!-- answers", "<!-- end of answers -->")  # of the page of the server


def answers_of_page() -> str:
    """Return the part of the page of the server that shows the answers."""
    text = (PAGE / "index.html").read_text(encoding="utf-8")
    start, end = (text.index(mark) for mark in ANSWERS)
    return text[text.index("\n", start) + 1 : end].rstrip()


@functools.cache
def engine_of(model: Path) -> bytes:
    """Return the C library of a model as WebAssembly.

    Raises:
        EdgeSerError: If the library does not support the model, or a compiler is missing.
    """
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name, "src"), Path(name, "engine.wasm")
        Library(model, BLOCK_SECONDS).write(source, PREFIX)
        compile_wasm(source, target, PREFIX)
        return target.read_bytes()


def build(model: str | None, out: Path, title: str = "edge-ser") -> None:
    """Write the page.

    Args:
        model: An .onnx file, the name of a bundled model, or None for the default model.
        out: The folder; a former page is replaced.
        title: Title of the page.

    Raises:
        EdgeSerError: If the model or a compiler is missing, or `out` has other content.
    """
    if out.exists() and not (out / "sw.js").is_file() and (out.is_file() or any(out.iterdir())):
        raise EdgeSerError(f"{out} exists and is not a page of this program")
    path = model_path(model)
    card = {**describe(Network.load(path)), "file": path.name, "version": __version__}
    engine = engine_of(path)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for name in SHARED:
        shutil.copy(PAGE / name, out / name)
    for source in WEB.iterdir():
        shutil.copy(source, out / source.name)
    (out / "engine.wasm").write_bytes(engine)
    (out / "model.json").write_text(json.dumps(card), encoding="utf-8")
    _fill(out / "index.html", {"@ANSWERS@": answers_of_page(), "@TITLE@": html.escape(title)})
    files = sorted(path.name for path in out.iterdir() if path.name != "sw.js")
    digest = hashlib.sha256((out / "sw.js").read_bytes())
    for name in files:
        digest.update(name.encode() + b"\0" + (out / name).read_bytes())
    _fill(out / "sw.js", {"@VERSION@": digest.hexdigest()[:16], "@FILES@": json.dumps(files)})


def _fill(path: Path, values: dict[str, str]) -> None:
    text = path.read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(name, value)
    path.write_text(text, encoding="utf-8")


def main(
    model: Annotated[
        str | None, typer.Option(help="Model file, or name of a bundled model.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the page.")] = ROOT / ".cache" / "web",
    title: Annotated[str, typer.Option(help="Title of the page.")] = "edge-ser",
) -> None:
    """Build the page that needs no server."""
    try:
        build(model, out, title)
    except EdgeSerError as error:
        raise SystemExit(f"error: {error}") from error
    size = sum(path.stat().st_size for path in out.iterdir())
    typer.echo(f"{out}: {size:,} bytes")


if __name__ == "__main__":
    typer.run(main)
