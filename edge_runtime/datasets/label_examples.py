"""Examples of what was read from file names, for errors about labels that seem to be wrong."""

from __future__ import annotations

import os
from collections import Counter

from .clip import Clip

N_EXAMPLES = 5
MAX_SUGGESTED_LABELS = 12


def examples(clips: list[Clip]) -> str:
    """Return a text with a few of the clips, what was read from each, and what to do.

    Args:
        clips: Clips whose labels seem to be wrong.
    """
    step = max(1, len(clips) // N_EXAMPLES)
    lines = [
        f"{os.path.join(clip.path.parent.name, clip.path.name)!r} gives {clip.label!r} "
        f"(speaker {(clip.speaker or 'unknown').rpartition('/')[2]})"
        for clip in clips[::step][:N_EXAMPLES]
    ]
    return (
        f"read from the paths: {', '.join(lines)}; if the label is in the file names, give "
        f"--label-pattern{suggested_pattern([clip.path.stem for clip in clips])} and, for codes, "
        "--label-codes CODE=LABEL,…; otherwise use folders of labels or a manifest"
    )


def suggested_pattern(stems: list[str]) -> str:
    r"""Return a pattern for the part of the file names that looks like a label, or "".

    Such a part consists of letters and has few values, each of several clips.

    >>> suggested_pattern([f"{k}_IT_{code}_X" for k in range(9) for code in ("ANG", "SAD")])
    " '(?:^|/)(?:[^_/]+_){2}([^_./]+)[^/]*$' (ANG, SAD)"
    >>> suggested_pattern([f"take-{k}.{code}" for k in range(9) for code in ("ANG", "SAD")])
    " '(?:^|/)(?:[^./]+\\.){1}([^./]+)[^/]*$' (ANG, SAD)"
    """
    for separator in "_-. ":
        rows = [stem.split(separator) for stem in stems]
        if len({len(row) for row in rows}) > 1:
            continue
        for k in range(len(rows[0])):
            counts = Counter(row[k] for row in rows)
            if 2 <= len(counts) <= MAX_SUGGESTED_LABELS and all(
                code.isalpha() and count > 1 for code, count in counts.items()
            ):
                end = r"\." if separator == "." else separator
                before = f"(?:[^{separator}/]+{end}){{{k}}}" if k else ""
                pattern = f"(?:^|/){before}([^{separator.strip('.')}./]+)[^/]*$"
                return f" '{pattern}' ({', '.join(sorted(counts))})"
    return ""
