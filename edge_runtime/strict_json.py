"""A strict JSON reader for untrusted text.

Python's reader accepts NaN, infinities and duplicate keys, of which it keeps the last.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from .messages import brief_repr


def loads(text: str | bytes) -> Any:
    """Parse a JSON text.

    Raises:
        ValueError: If the text is not JSON, contains NaN, an infinity or a duplicate key, or is
            nested too deeply.

    Example:
        >>> loads('{"a": [1, null]}')
        {'a': [1, None]}
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_unique_keys)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not supported")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        duplicate = max(counts, key=counts.__getitem__)
        raise ValueError(f"duplicate key {brief_repr(duplicate)}")
    return values
