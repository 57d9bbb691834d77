"""Parity report: JSON and a Markdown page."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, field
from pathlib import Path

from edge_runtime import EdgeSerError
from train.files import report_path, with_extra_suffix, write_json, write_text
from train.markdown import markdown_table
from train.run_folder import has_keys, refuse_to_overwrite

from .parity import Link

_LOGGER = logging.getLogger(__name__)

PARITY_KEYS = {"links", "sizes"}  # of a parity report


@dataclass(frozen=True)
class ParityReport:
    """Comparisons of a model, and the sizes of its files.

    Attributes:
        links: The comparisons.
        sizes: Size in bytes of each model file.
    """

    links: list[Link] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> ParityReport:
        """Read the JSON file of a report.

        Raises:
            EdgeSerError: If the file is not a parity report.
        """
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            return cls([Link(**row) for row in stored["links"]], stored["sizes"])
        except (ValueError, TypeError, KeyError) as error:
            raise EdgeSerError(f"{path}: is not a parity report ({error!r})") from error

    @property
    def holds(self) -> bool:
        """True if all comparisons are within their limits."""
        return all(link.holds for link in self.links)

    def write(self, report: Path) -> None:
        """Log the comparisons, and write them to `report`.json and .md."""
        write_json(
            with_extra_suffix(report, ".json"),
            {
                "sizes": self.sizes,
                "holds": self.holds,
                "links": [asdict(link) for link in self.links],
            },
        )
        write_text(with_extra_suffix(report, ".md"), self.markdown())
        _LOGGER.info("%s", self.table())
        for name, size in self.sizes.items():
            _LOGGER.info("%s: %s bytes", name, f"{size:,}")

    def markdown(self) -> str:
        """Return the page of the report."""
        rows = [[name, f"{size:,}"] for name, size in self.sizes.items()]
        files = f"\n{markdown_table(['file', 'bytes'], rows, 'lr')}\n" if rows else ""
        return f"""# Parity

Each row compares two implementations on the same clips, one clip at a time. The clips include \
training clips: only differences of the scores are meaningful. Δ is the largest absolute \
difference or, for accuracy and UAR, second minus first in percentage points.

{self.table()}
{files}"""

    def table(self) -> str:
        """Return the comparisons as a Markdown table."""
        headers = ["comparison", "clips", "max Δ features", "max Δ logits", "max Δ probability"]
        headers += ["changed decisions", "Δ accuracy", "Δ UAR", "limit", "within limit"]
        rows = [
            [
                link.name,
                str(link.clips),
                _cell(link.features, ".2g"),
                _cell(link.logits, ".2g"),
                _cell(link.probabilities, ".2g"),
                _cell(link.decisions, "d"),
                _cell(link.accuracy, "+.2f", 100),
                _cell(link.uar, "+.2f", 100),
                link.limit,
                "yes" if link.holds else "NO",
            ]
            for link in self.links
        ]
        return markdown_table(headers, rows, "lrrrrrrrll")


def _cell(value: float | None, form: str, scale: float = 1) -> str:
    return "" if value is None else format(scale * value, form)


def check_parity_path(report: Path) -> Path:
    """Return the path of a report without suffix, after checking that it can be written.

    Raises:
        RunError: If a file that is not a parity report would be overwritten.
    """
    report = report_path(report)
    file = with_extra_suffix(report, ".json")
    ours = has_keys(file, PARITY_KEYS)
    refuse_to_overwrite((file, with_extra_suffix(report, ".md")), "--report", ours)
    return report


def render_parity(file: Path) -> None:
    """Write the Markdown page of a parity report next to its JSON file.

    Raises:
        EdgeSerError: If the file is not a parity report.
    """
    page = file.with_suffix(".md")
    write_text(page, ParityReport.load(file).markdown())
    _LOGGER.info("%s", page)
