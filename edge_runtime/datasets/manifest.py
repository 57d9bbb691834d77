"""Manifests: CSV files `path,label[,speaker][,split][,corpus]`, one line per recording."""

from __future__ import annotations

import csv
from pathlib import Path

from ..messages import system_reason
from .clip import SPLITS, Clip, DatasetError, canonical_label, corpus_name, normalise_text

HEADER_HINT = (
    "the first line must name the columns: path,label are required; speaker,split,corpus are "
    "optional"
)
MAX_LISTED_LINES = 5  # invalid lines in an error


def read_manifest(manifest: Path, default_corpus: str) -> list[Clip]:
    """Read the clips of a manifest.

    Invalid lines are errors: a line that is skipped or guessed at would yield another dataset than
    the intended one.

    Args:
        manifest: The file. Its paths are absolute, or relative to its folder.
        default_corpus: Corpus of lines that do not specify one.

    Raises:
        DatasetError: If the manifest is empty or invalid, with the numbers of the invalid lines.
    """
    columns, rows = _read_rows(manifest)
    clips, problems = [], []
    for line, values in rows:
        row = dict(zip(columns, values))
        label, split = row["label"].strip(), row.get("split", "").strip().lower() or None
        if len(values) > len(columns):
            problems.append(
                f"line {line}: {len(values)} values for {len(columns)} columns; put quotes around "
                "values that contain a comma"
            )
        elif not row["path"].strip() or not normalise_text(label):
            problems.append(f"line {line}: path or label is empty")
        elif "\0" in row["path"]:
            problems.append(f"line {line}: path contains a zero byte")
        elif split not in (None, *SPLITS):
            problems.append(f"line {line}: split={split!r} must be {', '.join(SPLITS)} or empty")
        else:
            corpus = corpus_name(row.get("corpus", "")) or default_corpus
            speaker = normalise_text(row.get("speaker", ""))
            clips.append(
                Clip(
                    manifest.parent / row["path"].strip(),
                    canonical_label(label),
                    f"{corpus}/{speaker}" if speaker else None,
                    split,
                    corpus,
                    label,
                )
            )
    if not rows:
        raise DatasetError(f"{manifest}: contains no recording, only a header")
    if problems:
        more = (
            f"; and {len(problems) - MAX_LISTED_LINES:,} more invalid lines"
            if len(problems) > MAX_LISTED_LINES
            else ""
        )
        raise DatasetError(f"{manifest}, {'; '.join(problems[:MAX_LISTED_LINES])}{more}")
    return clips


def _read_rows(manifest: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the columns, and the number and the values of every line that is not empty."""
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            rows = [(reader.line_num, row) for row in reader if any(map(str.strip, row))]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = system_reason(error) if isinstance(error, OSError) else str(error)
        raise DatasetError(
            f"{manifest}: cannot be read as a manifest: {reason}; expected CSV in UTF-8"
        ) from error
    columns = [normalise_text(name).lower() for name in header]
    missing = {"path", "label"}.difference(columns)
    if missing:
        raise DatasetError(
            f"{manifest}: has no column {', '.join(sorted(missing))}; {HEADER_HINT}, "
            f"separated by commas; found: {','.join(header)[:200] or 'an empty file'}"
        )
    repeated = sorted({name for name in columns if name and columns.count(name) > 1})
    if repeated:
        raise DatasetError(f"{manifest}: has the column {', '.join(repeated)} twice; {HEADER_HINT}")
    return columns, [(line, row + [""] * (len(columns) - len(row))) for line, row in rows]
