"""Reasons for which recordings failed."""

from __future__ import annotations

from edge_runtime.archive.error_reasons import Failure, describe_failures


def test_frequent_reasons_come_first():
    failures = [Failure(f"{n}.wav", f"{n}.wav: has 2 channels") for n in range(3)]
    failures += [Failure("x.wav", "x.wav: is truncated"), Failure("y.wav", "out of memory")]
    assert describe_failures(failures, 2) == [
        "0.wav and 2 more: has 2 channels",
        "x.wav: is truncated",
        "1 more for other reasons",
    ]
    assert describe_failures([]) == []
