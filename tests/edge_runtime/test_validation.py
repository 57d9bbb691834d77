"""Checks of numbers and mappings."""

import math
from dataclasses import dataclass

import numpy as np
import pytest

from edge_runtime import ConfigError
from edge_runtime.validation import check_fields, check_integer, check_number, is_number


@dataclass
class Settings:
    low: float
    high: float


@pytest.mark.parametrize(
    "value",
    [True, None, "1", math.nan, math.inf, 10**400, 1j, [1]],
    ids=["bool", "None", "text", "nan", "infinity", "huge integer", "complex", "list"],
)
def test_non_numbers_are_refused(value):
    assert not is_number(value)
    with pytest.raises(ConfigError, match="^gain=.* must be a finite number$") as refusal:
        check_number("gain", value)
    assert len(str(refusal.value)) < 200


def test_numpy_scalars_are_numbers():
    assert is_number(np.float32(0.5), 0, 1)
    check_integer("count", np.int64(3), 1, 5)


@pytest.mark.parametrize(
    "bounds, expected",
    [
        ({"low": 0, "high": 2, "unit": "dB"}, "from 0 to 2 dB"),
        ({"above": 5}, "a number above 5"),
        ({"above": 5, "high": 10}, "a number above 5 and at most 10"),
        ({"low": 6}, "a number of 6 or more"),
        ({"high": 2}, "a number of at most 2"),
    ],
    ids=["low and high", "above", "above and high", "low", "high"],
)
def test_message_states_the_bounds(bounds, expected):
    with pytest.raises(ConfigError) as refusal:
        check_number("gain", 5, **bounds)
    assert str(refusal.value) == f"gain=5 must be {expected}"


def test_infinity_is_accepted_on_request():
    check_number("max_size", math.inf, above=0, high=math.inf)


@pytest.mark.parametrize("value", [2.0, True, "2", 0, 6], ids=repr)
def test_integer_outside_the_range_is_refused(value):
    with pytest.raises(ConfigError, match="must be an integer from 1 to 5"):
        check_integer("count", value, 1, 5)


@pytest.mark.parametrize(
    "values, message",
    [
        ([1], r"settings: expected an object, got \[1\]"),
        ({"low": 1}, "settings: missing key high"),
        ({"low": 1, "high": 2, "a": 0, "b": 0}, "settings: unknown key a, b"),
    ],
    ids=["list", "missing", "unknown"],
)
def test_keys_must_be_the_fields(values, message):
    with pytest.raises(ConfigError, match=message):
        check_fields(Settings, values, "settings")


def test_complete_mapping_is_returned():
    assert Settings(**check_fields(Settings, {"low": 1, "high": 2}, "settings")).high == 2
