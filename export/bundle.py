"""The bundled model: its files in edge_runtime/models, its card, and its training report."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from edge_runtime.files import atomic_replace
from edge_runtime.inference.network import Network
from edge_runtime.model import BUNDLED_MODEL
from train.files import write_text

from .card_page import card_markdown, protocols_markdown
from .parity import INT8, WAVEFORM
from .parity_report import ParityReport

_LOGGER = logging.getLogger(__name__)

CARD = "MODEL_CARD.md"

# A model is bundled in a checkout, where these reports are.
REPORTS = BUNDLED_MODEL.parents[2] / "reports"
PROTOCOLS = ("emodb", "ravdess8", "ravdess4", "leave-corpus-out")  # in the card
TRAINING_REPORT = "bundled"


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
    figures = {name: f"{TRAINING_REPORT}.{name}" for name in ("curves.png", "calibration.png")}
    for source, target in (
        (out / INT8, BUNDLED_MODEL),
        (out / CARD, BUNDLED_MODEL.with_name(CARD)),
        (out / WAVEFORM, BUNDLED_MODEL.with_name("edge_ser.waveform.onnx")),
        (run / "report.json", REPORTS / f"{TRAINING_REPORT}.json"),
        *((run / name, REPORTS / copy) for name, copy in figures.items()),
    ):
        with atomic_replace(target) as temporary:
            shutil.copyfile(source, temporary)
    page = (run / "report.md").read_text(encoding="utf-8")
    for name, copy in figures.items():
        page = page.replace(f"({name})", f"({copy})")
    write_text(REPORTS / f"{TRAINING_REPORT}.md", page)
    _LOGGER.info("Bundled: %s", BUNDLED_MODEL)


def write_bundled_card() -> Path:
    """Write the card of the bundled model again, from the model and the committed reports."""
    parity = ParityReport.load(REPORTS / "parity.json")
    n_clips = max(link.clips for link in parity.links)
    # Without comparisons of machines, which use fewer clips.
    own = ParityReport([link for link in parity.links if link.clips == n_clips])
    page = BUNDLED_MODEL.with_name(CARD)
    card, size = Network.load(BUNDLED_MODEL).card, BUNDLED_MODEL.stat().st_size
    write_text(page, card_markdown(card, size, own.table(), bundled_protocols()))
    _LOGGER.info("%s", page)
    return page
