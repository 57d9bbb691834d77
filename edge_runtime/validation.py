"""Checks of numbers and mappings that come from a caller or from a file."""

from __future__ import annotations

import dataclasses
import math
import numbers
from typing import Any

from .errors import ConfigError
from .messages import brief_repr, shorten

# Default bound of every number: no setting comes near it, and float arithmetic with smaller
# numbers does not overflow. It excludes infinity and integers too large for a float.
MAX_NUMBER = 1e30


def is_number(
    value: Any, low: float = -MAX_NUMBER, high: float = MAX_NUMBER, *, above: float = -math.inf
) -> bool:
    """Return True if a value is a real number within bounds; bool and NaN are not numbers.

    Args:
        value: Any object.
        low: Smallest accepted number.
        high: Largest accepted number; `math.inf` accepts infinity.
        above: Exclusive lower bound.

    Example:
        >>> is_number(0.5, 0, 1), is_number(True), is_number("1"), is_number(float("nan"))
        (True, False, False, False)
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return False
    number: Any = value
    return bool(low <= number <= high and number > above)


def is_integer(value: Any, low: float = -MAX_NUMBER, high: float = MAX_NUMBER) -> bool:
    """Return True if a value is an integer within bounds; bool is not an integer.

    Args:
        value: Any object.
        low: Smallest accepted integer.
        high: Largest accepted integer.

    Example:
        >>> is_integer(3, 1, 5), is_integer(3.0), is_integer(True)
        (True, False, False)
    """
    return isinstance(value, numbers.Integral) and is_number(value, low, high)


def check_number(
    name: str,
    value: Any,
    low: float = -MAX_NUMBER,
    high: float = MAX_NUMBER,
    *,
    above: float = -math.inf,
    unit: str = "",
) -> None:
    """Raise ConfigError unless a setting is a real number within bounds.

    Args:
        name: Name of the setting, for the message.
        value: Its value.
        low: Smallest accepted number.
        high: Largest accepted number; `math.inf` accepts infinity.
        above: Exclusive lower bound.
        unit: Unit of the bounds, for the message.

    Raises:
        ConfigError: If the value is not a number, is NaN or lies outside the bounds.

    Example:
        >>> check_number("pause", 0.8, 0.2, 10, unit="seconds")
        >>> check_number("pause", 20, 0.2, 10, unit="seconds")
        Traceback (most recent call last):
        edge_runtime.errors.ConfigError: pause=20 must be from 0.2 to 10 seconds
    """
    if not is_number(value, low, high, above=above):
        expected = _range_text("number", low, high, above, unit)
        raise ConfigError(f"{name}={brief_repr(value)} must be {expected}")


def check_integer(
    name: str, value: Any, low: float = -MAX_NUMBER, high: float = MAX_NUMBER, *, unit: str = ""
) -> None:
    """Raise ConfigError unless a setting is an integer within bounds.

    Args:
        name: Name of the setting, for the message.
        value: Its value.
        low: Smallest accepted integer.
        high: Largest accepted integer.
        unit: Unit of the bounds, for the message.

    Raises:
        ConfigError: If the value is not an integer or lies outside the bounds.

    Example:
        >>> check_integer("threads", 0, 1)
        Traceback (most recent call last):
        edge_runtime.errors.ConfigError: threads=0 must be an integer of 1 or more
    """
    if not is_integer(value, low, high):
        expected = _range_text("integer", low, high, -math.inf, unit)
        raise ConfigError(f"{name}={brief_repr(value)} must be {expected}")


def check_fields(cls: type, values: Any, name: str) -> dict[str, Any]:
    """Return a mapping if its keys are exactly the fields of a dataclass.

    Args:
        cls: The dataclass.
        values: A value read from JSON.
        name: Name of the mapping, for the message.

    Raises:
        ConfigError: If `values` is not a dict, or if a key is missing or unknown.
    """
    if not isinstance(values, dict):
        raise ConfigError(f"{name}: expected an object, got {brief_repr(values)}")
    fields = {field.name for field in dataclasses.fields(cls)}
    for problem, keys in (("missing", fields - values.keys()), ("unknown", values.keys() - fields)):
        if keys:
            listed = shorten(", ".join(sorted(map(str, keys))))
            raise ConfigError(f"{name}: {problem} key {listed}")
    return values


def _range_text(kind: str, low: float, high: float, above: float, unit: str) -> str:
    noun = "an integer" if kind == "integer" else "a number"
    has_low, has_high = low > -MAX_NUMBER, high < MAX_NUMBER
    if has_low and has_high:
        bounds = f"from {low} to {high}"
        if kind == "number":
            return f"{bounds} {unit}".rstrip()
    elif above > -math.inf:
        bounds = f"above {above}" + (f" and at most {high}" if has_high else "")
    elif has_low:
        bounds = f"of {low} or more"
    elif has_high:
        bounds = f"of at most {high}"
    else:
        return f"a finite {kind}" if kind == "number" else "an integer"
    return f"{noun} {bounds} {unit}".rstrip()
