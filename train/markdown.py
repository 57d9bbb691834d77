"""Markdown tables for reports and model cards."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tabulate import tabulate

from edge_runtime.datasets.naming_schemes import NOT_KNOWN
from edge_runtime.messages import printable
from edge_runtime.scoring.metrics import answer_names

_ALIGNMENTS = {"l": "left", "r": "right"}


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """Return a table of preformatted cells.

    Args:
        headers: Title of each column.
        rows: Cells of each row. Text of users needs `markdown_cell`.
        align: Alignment of each column, "l" or "r".

    Example:
        >>> print(markdown_table(["label", "recall %"], [["sad", "50.0"]], "lr"))
        | label   |   recall % |
        |:--------|-----------:|
        | sad     |       50.0 |
    """
    return tabulate(
        rows,
        headers=headers,
        tablefmt="pipe",
        colalign=[_ALIGNMENTS[column] for column in align] if rows else None,
        disable_numparse=True,
    )


def markdown_cell(text: str) -> str:
    r"""Return text with its Markdown escaped, for a cell of a table.

    Example:
        >>> markdown_cell("a|b *c*")
        'a\\|b \\*c\\*'
    """
    return re.sub(r"([|*`<\[])", r"\\\1", printable(text))


def confusion_markdown(confusion: list[list[int]], labels: list[str]) -> str:
    """Return a confusion matrix as a table: a row per true label, a column per answer."""
    answers = [markdown_cell(answer) for answer in answer_names(confusion, labels)]
    rows = [[markdown_cell(label), *map(str, row)] for label, row in zip(labels, confusion)]
    return markdown_table(["true \\ answer", *answers], rows, "l" + "r" * len(answers))


def group_scores_markdown(
    corpora: dict[str, dict[str, float]], groups: dict[str, dict[str, float]]
) -> str:
    """Return a table of the scores by corpus and by group of speakers.

    Args:
        corpora: `test_by_corpus` of a report, see `run_report`.
        groups: `test_by_group` of a report.
    """
    # Older reports do not count the answer "no speech".
    with_losses = all("lost" in row for row in [*corpora.values(), *groups.values()])
    if list(groups) == [NOT_KNOWN]:
        groups = {}
    scores = [*corpora.items(), *((f"speakers: {name}", row) for name, row in groups.items())]
    rows = [
        [
            markdown_cell(name),
            str(row["clips"]),
            str(row["speakers"] or "unknown"),
            f"{100 * row['uar']:.1f}",
            f"{row['ece']:.3f}",
            *([f"{100 * row['lost'] / row['clips']:.1f}"] if with_losses else []),
        ]
        for name, row in scores
    ]
    headers = ["tested", "clips", "speakers", "UAR %", "ECE", *(["no speech %"] * with_losses)]
    return markdown_table(headers, rows, "lrrrr" + "r" * with_losses)
