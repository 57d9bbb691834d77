"""Rendering of the pages of reports from their JSON files."""

from __future__ import annotations

import logging
from pathlib import Path

from train.files import write_text
from train.run_folder import RunError, read_json

from .ablation import render_ablation
from .report_page import report_markdown
from .strangers_report import strangers_markdown

_LOGGER = logging.getLogger(__name__)


def render(report: Path) -> None:
    """Write the Markdown page of a report next to its JSON file.

    Raises:
        RunError: If the file is not such a report.
    """
    stored = read_json(report)
    page = report.with_suffix(".md")
    try:
        if "protocol" in stored:
            text = report_markdown(stored, page.stem)
        elif "strangers" in stored:
            text = strangers_markdown(stored)
        else:
            text = render_ablation(stored)
    except (KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"{report}: is not a report of `python -m evaluate protocol` or `ablation` ({error!r})"
        ) from error
    write_text(page, text)
    _LOGGER.info("%s", page)
