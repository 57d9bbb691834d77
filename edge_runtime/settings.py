"""Parse settings that are given as text, `NAME=VALUE`."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from .errors import ConfigError

_CONSTANTS = {"None": None, "True": True, "False": False}  # as Python and the docs write them


def parse_setting(setting: str, names: Collection[str]) -> tuple[str, Any]:
    """Split a setting into its name and its value.

    Args:
        setting: `NAME=VALUE`. The value is None, True, False or JSON, else text.
        names: The valid names.

    Raises:
        ConfigError: If there is no `=` or the name is unknown.

    Example:
        >>> parse_setting("hop_length=320", ["hop_length", "window"])
        ('hop_length', 320)
        >>> parse_setting("window=hamming", ["hop_length", "window"])
        ('window', 'hamming')
    """
    name, equals, text = setting.partition("=")
    if not equals or name not in names:
        raise ConfigError(
            f"{setting!r}: expected NAME=VALUE with one of the names {', '.join(names)}"
        )
    if text in _CONSTANTS:
        return name, _CONSTANTS[text]
    try:
        return name, json.loads(text)
    except (ValueError, RecursionError):
        return name, text
