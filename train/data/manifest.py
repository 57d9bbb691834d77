"""Manifests: `path,label[,speaker][,split][,corpus]`, a line per recording."""

from __future__ import annotations

import csv
from pathlib import Path

from edge_runtime.messages import system_reason

from .clip import SPLITS, Clip, DatasetError, canonical_label, corpus_name, plain

HEADER_HINT = "wanted a first line path,label,speaker,split"
MAX_LISTED_LINES = 5  # wrong lines that an error names


def read_manifest(manifest: Path, name: str) -> list[Clip]:
    """The clips of a manifest; paths are absolute or relative to its folder, and `name` is the
    corpus of lines that name none.

    Raises DatasetError, with the numbers of the lines, for what is not as it should be: a line
    that is guessed at or left out would be another data set than the one that was meant.
    """
    names, rows = _rows(manifest)
    clips, wrong = [], []
    for line, values in rows:
        row = dict(zip(names, values))
        label, split = row["label"].strip(), row.get("split", "").strip().lower() or None
        if len(values) > len(names):
            wrong.append(
                f"line {line}: {len(values)} values for {len(names)} columns; a value "
                "with a comma in it needs quotes around it"
            )
        elif not row["path"].strip() or not plain(label):
            wrong.append(f"line {line}: path or label is empty")
        elif "\0" in row["path"]:
            wrong.append(f"line {line}: path holds a zero byte")
        elif split not in (None, *SPLITS):
            wrong.append(f"line {line}: split={split!r} must be {', '.join(SPLITS)} or empty")
        else:
            corpus = corpus_name(row.get("corpus", "")) or name
            speaker = plain(row.get("speaker", ""))
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
        raise DatasetError(f"{manifest}: has no line below its first, and so no recording")
    if wrong:
        more = (
            f"; and {len(wrong) - MAX_LISTED_LINES:,} more such lines"
            if len(wrong) > MAX_LISTED_LINES
            else ""
        )
        raise DatasetError(f"{manifest}, {'; '.join(wrong[:MAX_LISTED_LINES])}{more}")
    return clips


def _rows(manifest: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The columns, and the number and the values of every line that is not empty."""
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            rows = [(reader.line_num, row) for row in reader if any(map(str.strip, row))]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        said = system_reason(error) if isinstance(error, OSError) else str(error)
        raise DatasetError(
            f"{manifest}: is not a manifest that can be read: {said}; wanted CSV in UTF-8"
        ) from error
    names = [plain(name).lower() for name in header]
    lacking = {"path", "label"}.difference(names)
    if lacking:
        raise DatasetError(
            f"{manifest}: has no column {', '.join(sorted(lacking))}; {HEADER_HINT}, and commas "
            f"between the columns; found: {','.join(header)[:200] or 'nothing'}"
        )
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise DatasetError(f"{manifest}: has the column {', '.join(twice)} twice; {HEADER_HINT}")
    return names, [(line, row + [""] * (len(names) - len(row))) for line, row in rows]
