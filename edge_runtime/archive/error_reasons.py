"""The reasons for which recordings of an archive failed, the most frequent first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from ..messages import shorten

MAX_REASON_LENGTH = 200  # characters


class Failure(NamedTuple):
    """A recording that could not be processed.

    Attributes:
        uri: Its path or address.
        error: The message, which may begin with the address.
    """

    uri: str
    error: str

    @property
    def reason(self) -> str:
        """The message without the address."""
        return shorten(self.error.replace(f"{self.uri}: ", ""), MAX_REASON_LENGTH)


def describe_failures(failures: Iterable[Failure], max_reasons: int = 3) -> list[str]:
    """Return a line for each of the most frequent reasons, and the number of the others.

    Args:
        failures: The recordings that failed.
        max_reasons: Number of reasons that get a line.

    Example:
        >>> describe_failures([Failure("a.wav", "a.wav: no such file"), Failure("b.wav", "empty")])
        ['a.wav: no such file', 'b.wav: empty']
    """
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    for failure in failures:
        counts[failure.reason] += 1
        first.setdefault(failure.reason, failure.uri)
    lines = []
    for reason, count in counts.most_common(max_reasons):
        others = f" and {count - 1:,} more" if count > 1 else ""
        lines.append(f"{first[reason]}{others}: {reason}")
    if rest := sum(counts.values()) - sum(count for _, count in counts.most_common(max_reasons)):
        lines.append(f"{rest:,} more for other reasons")
    return lines
