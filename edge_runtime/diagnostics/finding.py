"""`Finding`: one thing that was looked at, what was found, and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Severity(str, Enum):
    ok = "ok"
    note = "note"  # worth knowing; the answers may still be good
    warning = "warning"  # the answers suffer, or there are none


@dataclass(frozen=True)
class Finding:
    """`found` is for people; `meaning` and `advice` are empty where nothing is to be done."""

    name: str
    severity: Severity
    found: str
    meaning: str = ""  # for the answer
    advice: str = ""


def verdict(findings: Iterable[Finding]) -> str:
    """All of them in a few words.

    >>> verdict([Finding("level", Severity.ok, "-20 dBFS")])
    'fine'
    >>> verdict([Finding("noise", Severity.warning, "3 dB"), Finding("level", Severity.ok, "")])
    '1 thing to look at (1 warning)'
    """
    counts = Counter(finding.severity for finding in findings)
    wrong = [(severity, counts[severity]) for severity in (Severity.warning, Severity.note)]
    parts = [f"{n} {severity.value}{'s' * (n > 1)}" for severity, n in wrong if n]
    total = sum(n for _, n in wrong)
    if not total:
        return "fine"
    return f"{total} thing{'s' * (total > 1)} to look at ({', '.join(parts)})"
