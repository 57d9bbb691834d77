"""The bundled models: their files in edge_runtime/models, their cards, and their reports."""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx

from edge_runtime.files import atomic_replace
from edge_runtime.inference.card import ModelCard
from edge_runtime.inference.network import Network
from edge_runtime.model import BUNDLED_MODEL, OPEN_MODEL
from train.files import write_text
from train.run_page import run_markdown

from .card_page import card_markdown
from .card_strangers import STRANGERS, strangers_markdown, strangers_scores
from .graph import write_model
from .parity import INT8, WAVEFORM
from .parity_report import ParityReport

_LOGGER = logging.getLogger(__name__)

CARD = "MODEL_CARD.md"

# A model is bundled in a checkout, where these reports are.
REPORTS = BUNDLED_MODEL.parents[2] / "reports"


@dataclass(frozen=True)
class Bundle:
    """The files of a bundled model.

    Attributes:
        model: The int8 model.
        card: The page of its card.
        report: Stem of its training report in `REPORTS`.
        parity: Stem of its parity report in `REPORTS`.
        strangers: Its rows in the report on corpora that are left out.
    """

    model: Path
    card: Path
    report: str
    parity: str
    strangers: str

    @property
    def waveform(self) -> Path:
        """The waveform graph."""
        return self.model.with_suffix(".waveform.onnx")

    @property
    def figures(self) -> dict[str, str]:
        """Names of the figures of a training report, and of their copies in `REPORTS`."""
        return {name: f"{self.report}.{name}" for name in ("curves.png", "calibration.png")}

    def scores(self) -> dict[str, Any]:
        """Return the scores of the recipe on corpora that were left out, for the card."""
        return strangers_scores(REPORTS / f"{STRANGERS}.json", self.strangers)

    def strangers_section(self) -> str:
        """Return the section of the card on these scores."""
        return strangers_markdown(REPORTS / f"{STRANGERS}.json", self.strangers)


BUNDLES = {
    bundle.model.stem: bundle
    for bundle in (
        Bundle(BUNDLED_MODEL, BUNDLED_MODEL.with_name(CARD), "bundled", "parity", "model"),
        Bundle(
            OPEN_MODEL,
            OPEN_MODEL.with_name("MODEL_CARD_OPEN.md"),
            "bundled-open",
            "parity-open",
            "open-model",
        ),
    )
}


def bundle_export(bundle: Bundle, run: Path, out: Path) -> None:
    """Copy an export to edge_runtime/models, and its reports to `REPORTS`.

    Args:
        bundle: The bundled model to replace.
        run: The run folder.
        out: Folder of the exported files.
    """
    waveform = [(out / WAVEFORM, bundle.waveform)] if (out / WAVEFORM).exists() else []
    if not waveform:
        bundle.waveform.unlink(missing_ok=True)  # of another model
    for source, target in (
        *waveform,
        (out / INT8, bundle.model),
        (out / CARD, bundle.card),
        (out / "parity.json", REPORTS / f"{bundle.parity}.json"),
        (out / "parity.md", REPORTS / f"{bundle.parity}.md"),
        (run / "report.json", REPORTS / f"{bundle.report}.json"),
        *((run / name, REPORTS / copy) for name, copy in bundle.figures.items()),
    ):
        with atomic_replace(target) as temporary:
            shutil.copyfile(source, temporary)
    _write_training_page(bundle, (run / "report.md").read_text(encoding="utf-8"))
    _LOGGER.info("Bundled: %s", bundle.model)


def _write_training_page(bundle: Bundle, page: str) -> None:
    """Write the page of the training report, with the names that its figures have in `REPORTS`."""
    for name, copy in bundle.figures.items():
        page = page.replace(f"({name})", f"({copy})")
    write_text(REPORTS / f"{bundle.report}.md", page)


def current_card(bundle: Bundle) -> ModelCard:
    """Return the card of a bundled model with the scores of the committed reports."""
    card = Network.load(bundle.model).card
    return dataclasses.replace(card, scores={**card.scores, **bundle.scores()})


def update_scores() -> None:
    """Write the scores on corpora that were left out to the cards in the bundled models."""
    for bundle in BUNDLES.values():
        card = current_card(bundle)
        for file in (bundle.model, bundle.waveform):
            write_model(onnx.load(file), card, file)


def write_bundled_pages() -> None:
    """Write the cards and the training reports of the bundled models again.

    The sources are the models and the JSON files of the committed reports.
    """
    for bundle in BUNDLES.values():
        network = Network.load(bundle.model)
        parity = ParityReport.load(REPORTS / f"{bundle.parity}.json")
        n_clips = max(link.clips for link in parity.links)
        # Without comparisons of machines, which use fewer clips.
        own = ParityReport([link for link in parity.links if link.clips == n_clips])
        size = bundle.model.stat().st_size
        page = card_markdown(network.card, size, own.table(), bundle.strangers_section())
        write_text(bundle.card, page)
        training = json.loads((REPORTS / f"{bundle.report}.json").read_text(encoding="utf-8"))
        _write_training_page(bundle, run_markdown(training, list(network.labels)))
