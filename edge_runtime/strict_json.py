"""JSON without what Python's reader lets through and a strange file may hold."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from .messages import brief_repr


def loads(text: str | bytes) -> Any:
    """The value of a JSON text; ValueError for NaN, infinities, keys that come twice and nesting
    without end."""
    try:
        return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_object)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"it holds {name}, which is no number")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        count = Counter(name for name, _ in pairs)
        raise ValueError(f"it holds the key {brief_repr(max(count, key=count.__getitem__))} twice")
    return values
