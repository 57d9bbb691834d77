"""Findings: what was checked, the result, its effect on predictions, and what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Severity(str, Enum):
    """Effect of a finding on predictions.

    Attributes:
        ok: No effect.
        note: Predictions may be less reliable.
        warning: Predictions are unreliable or not possible.
    """

    ok = "ok"
    note = "note"
    warning = "warning"


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        name: Name of the check.
        severity: Effect on predictions.
        found: The result, for people.
        meaning: Its effect on predictions; empty for no effect.
        advice: The remedy; empty if not needed.
    """

    name: str
    severity: Severity
    found: str
    meaning: str = ""
    advice: str = ""


def verdict(findings: Iterable[Finding]) -> str:
    """Summarise findings in a few words.

    Example:
        >>> verdict([Finding("level", Severity.ok, "-20 dBFS")])
        'fine'
        >>> verdict([Finding("noise", Severity.warning, "3 dB"), Finding("level", Severity.ok, "")])
        '1 problem (1 warning)'
    """
    counts = Counter(finding.severity for finding in findings)
    problems = [(severity, counts[severity]) for severity in (Severity.warning, Severity.note)]
    parts = [f"{n} {severity.value}{'s' * (n > 1)}" for severity, n in problems if n]
    total = sum(n for _, n in problems)
    if not total:
        return "fine"
    return f"{total} problem{'s' * (total > 1)} ({', '.join(parts)})"
