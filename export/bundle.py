"""The bundled model: its files in edge_runtime/models, its card, and its training report."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

from edge_runtime.files import atomic_replace
from edge_runtime.inference.network import Network
from edge_runtime.model import BUNDLED_MODEL
from train.files import write_text
from train.run_report import run_markdown

from .card_page import card_markdown, protocols_markdown
from .parity import INT8, WAVEFORM
from .parity_report import ParityReport

_LOGGER = logging.getLogger(__name__)

CARD = "MODEL_CARD.md"

# A model is bundled in a checkout, where these reports are.
REPORTS = BUNDLED_MODEL.parents[2] / "reports"
PROTOCOLS = ("emodb", "ravdess8", "ravdess4", "leave-corpus-out")  # in the card
TRAINING_REPORT = "bundled"
FIGURES = {name: f"{TRAINING_REPORT}.{name}" for name in ("curves.png", "calibration.png")}


def bundled_protocols() -> str:
    """Return the section of the bundled model's card on cross-validation."""
    files = [REPORTS / f"{name}.json" for name in PROTOCOLS]
    return protocols_markdown([file for file in files if file.exists()])


def bundle_export(run: Path, out: Path) -> None:
    """Copy an export to edge_runtime/models, and its training report to `REPORTS`.

    Args:
        run: The run folder.
        out: Folder of the exported files.
    """
    bundled_waveform = BUNDLED_MODEL.with_name("edge_ser.waveform.onnx")
    waveform = [(out / WAVEFORM, bundled_waveform)] if (out / WAVEFORM).exists() else []
    if not waveform:
        bundled_waveform.unlink(missing_ok=True)  # of another model
    for source, target in (
        *waveform,
        (out / INT8, BUNDLED_MODEL),
        (out / CARD, BUNDLED_MODEL.with_name(CARD)),
        (run / "report.json", REPORTS / f"{TRAINING_REPORT}.json"),
        *((run / name, REPORTS / copy) for name, copy in FIGURES.items()),
    ):
        with atomic_replace(target) as temporary:
            shutil.copyfile(source, temporary)
    _write_training_page((run / "report.md").read_text(encoding="utf-8"))
    _LOGGER.info("Bundled: %s", BUNDLED_MODEL)


def _write_training_page(page: str) -> None:
    """Write the page of the training report, with the names that its figures have in `REPORTS`."""
    for name, copy in FIGURES.items():
        page = page.replace(f"({name})", f"({copy})")
    write_text(REPORTS / f"{TRAINING_REPORT}.md", page)


def write_bundled_pages() -> None:
    """Write the card and the training report of the bundled model again.

    The sources are the model and the JSON files of the committed reports.
    """
    network = Network.load(BUNDLED_MODEL)
    parity = ParityReport.load(REPORTS / "parity.json")
    n_clips = max(link.clips for link in parity.links)
    # Without comparisons of machines, which use fewer clips.
    own = ParityReport([link for link in parity.links if link.clips == n_clips])
    size = BUNDLED_MODEL.stat().st_size
    page = card_markdown(network.card, size, own.table(), bundled_protocols())
    write_text(BUNDLED_MODEL.with_name(CARD), page)
    training = json.loads((REPORTS / f"{TRAINING_REPORT}.json").read_text(encoding="utf-8"))
    _write_training_page(run_markdown(training, list(network.labels)))
