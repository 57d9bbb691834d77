"""Labels and speakers of recordings, read from their paths by regular expressions of the user."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from .clip import Clip, DatasetError, canonical_label, normalise_text

MAX_LISTED_CODES = 10  # in an error


class LabelPattern:
    """Reads the label, or a code for it, from the path of a recording.

    Args:
        pattern: Regular expression searched for in the path below the root; its first group is the
            label or its code.
        codes: Maps codes to labels; clips whose code maps to "" are left out. Default: the codes
            are the labels.

    Raises:
        DatasetError: If the expression is not valid or has no group.
    """

    def __init__(self, pattern: str, codes: Mapping[str, str] | None = None) -> None:
        self.pattern = pattern
        self._codes = codes
        self._expression = _expression(pattern, "--label-pattern", "the label")

    def read(self, files: list[Path], root: Path) -> dict[Path, tuple[str, str]]:
        """Return code and label of the files below a root; empty if the pattern matches none.

        Raises:
            DatasetError: If the pattern matches some of the files only, or a code has no label.
        """
        found = {file: _search(self._expression, file, root) for file in files}
        unmatched = [file for file, code in found.items() if not code]
        if len(unmatched) == len(files):
            return {}
        if unmatched:
            raise DatasetError(
                f"--label-pattern {self.pattern!r}: does not match {len(unmatched):,} of the "
                f"{len(files):,} paths below {root}, such as "
                f"{os.path.relpath(unmatched[0], root)!r}; move these files, or change the pattern"
            )
        codes = Counter(found.values())
        if self._codes is not None:
            self._check_codes(codes, self._codes)
        labels = {code: canonical_label((self._codes or {}).get(code, code)) for code in codes}
        return {file: (code, labels[code]) for file, code in found.items() if labels[code]}

    def _check_codes(self, found: Counter[str], codes: Mapping[str, str]) -> None:
        missing = sorted(found.keys() - codes.keys())
        if not missing:
            return
        listed = ", ".join(f"{code} ({found[code]:,} clips)" for code in missing[:MAX_LISTED_CODES])
        more = len(missing) - MAX_LISTED_CODES
        raise DatasetError(
            f"--label-codes: no label for {listed}"
            + (f" and {more} more" if more > 0 else "")
            + f"; add {missing[0]}=LABEL, or {missing[0]}= to leave these clips out"
        )


class SpeakerPattern:
    """Reads the speaker from the path of a recording.

    Args:
        pattern: Regular expression searched for in the path below the root; its first group is the
            speaker.

    Raises:
        DatasetError: If the expression is not valid or has no group.
    """

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self._expression = _expression(pattern, "--speaker-pattern", "the speaker")

    def apply(self, clip: Clip, root: Path) -> Clip:
        """Return a clip with the speaker in its path, or the same clip if the pattern fails."""
        name = _search(self._expression, clip.path, root)
        return replace(clip, speaker=f"{clip.corpus}/{name}") if name else clip


def parse_codes(text: str) -> dict[str, str]:
    """Return the labels of codes that are given as `CODE=label,CODE=label`.

    >>> parse_codes("ANG=angry, HAP=happy")
    {'ANG': 'angry', 'HAP': 'happy'}

    Raises:
        DatasetError: If an entry has no "=" or no code, or a code occurs twice.
    """
    codes: dict[str, str] = {}
    for entry in filter(None, map(str.strip, text.split(","))):
        code, equals, label = map(str.strip, entry.partition("="))
        if not equals or not code:
            raise DatasetError(f"--label-codes {entry!r}: expected CODE=LABEL")
        if code in codes:
            raise DatasetError(f"--label-codes: the code {code!r} is given twice")
        codes[code] = label
    if not codes:
        raise DatasetError(f"--label-codes {text!r}: expected CODE=LABEL, separated by commas")
    return codes


def _expression(pattern: str, option: str, content: str) -> re.Pattern[str]:
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise DatasetError(f"{option} {pattern!r}: {error}") from error
    if not expression.groups:
        raise DatasetError(f"{option} {pattern!r}: requires a (group) for {content}")
    return expression


def _search(expression: re.Pattern[str], file: Path, root: Path) -> str:
    """Return the first group of an expression in the path below a root, or ""."""
    match = expression.search(Path(os.path.relpath(file, root)).as_posix())
    return normalise_text(match[1] or "") if match else ""
