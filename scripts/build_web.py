"""Build the page that needs no server: `python -m scripts.build_web [--model FILE] [--out DIR]`.

The page is that of `edge-ser serve` with everything in the browser. `web/` has what differs; the
answers, the picture, the microphone and the style come from `edge_runtime/serve/page`. The result
is static files for any web server, with the model and its engine.
"""

from __future__ import annotations

import hashlib
import html
import json
import shutil
from pathlib import Path
from typing import Annotated

import onnx
import typer

from edge_runtime import EdgeSerError, __version__
from edge_runtime.diagnostics.model_info import describe
from edge_runtime.inference.network import Network

ROOT = Path(__file__).resolve().parents[1]
WEB = ROOT / "web"
PAGE = ROOT / "edge_runtime" / "serve" / "page"
SHARED = ("answers.js", "audio.js", "chart.js", "recorder.js", "style.css", "icon.svg")
MODEL = ROOT / "edge_runtime" / "models" / "edge_ser.onnx"
ENGINE = ROOT / "examples" / "node" / "node_modules" / "onnxruntime-web" / "dist"
ANSWERS = ("  <!-- answers", "<!-- end of answers -->")  # of the page of the server


def answers_of_page() -> str:
    """Return the part of the page of the server that shows the answers."""
    text = (PAGE / "index.html").read_text(encoding="utf-8")
    start, end = (text.index(mark) for mark in ANSWERS)
    return text[text.index("\n", start) + 1 : end].rstrip()


def waveform_graph(model: Path) -> bytes:
    """Return the waveform graph of a model, with the probability of speech of each frame.

    Args:
        model: The model file; the graph lies next to it.

    Raises:
        EdgeSerError: If there is none.
    """
    path = model.with_name(f"{model.stem.removesuffix('.int8')}.waveform.onnx")
    if not path.is_file():
        raise EdgeSerError(f"{path} not found; export the model again")
    proto = onnx.load(path)
    for node in proto.graph.node:
        if node.op_type == "Sigmoid":  # the speech gate
            node_output = onnx.helper.make_tensor_value_info(
                "frame_speech", onnx.TensorProto.FLOAT, ["batch", "n_frames"]
            )
            proto.graph.node.append(
                onnx.helper.make_node("Identity", [node.output[0]], ["frame_speech"])
            )
            proto.graph.output.append(node_output)
            break
    return proto.SerializeToString()


def build(model: Path, out: Path, title: str = "edge-ser") -> None:
    """Write the page.

    Args:
        model: The model file.
        out: The folder; a former page is replaced.
        title: Title of the page.

    Raises:
        EdgeSerError: If the model or the engine is missing, or `out` has other content.
    """
    if not ENGINE.is_dir():
        raise EdgeSerError(f"{ENGINE} not found; run `make node`")
    if out.exists() and not (out / "sw.js").is_file() and (out.is_file() or any(out.iterdir())):
        raise EdgeSerError(f"{out} exists and is not a page of this program")
    card = {**describe(Network.load(model)), "file": model.name, "version": __version__}
    graph = waveform_graph(model)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for name in SHARED:
        shutil.copy(PAGE / name, out / name)
    for path in WEB.iterdir():
        shutil.copy(path, out / path.name)
    shutil.copy(ENGINE / "ort.wasm.bundle.min.mjs", out / "onnxruntime.js")
    shutil.copy(ENGINE / "ort-wasm-simd-threaded.wasm", out / "onnxruntime.wasm")
    (out / "model.bin").write_bytes(graph)
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
    model: Annotated[Path, typer.Option(help="Model file.")] = MODEL,
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
