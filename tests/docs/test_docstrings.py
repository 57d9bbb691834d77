"""The docstrings of the public API: Google convention, with every section that applies."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import edge_runtime

SECTION = re.compile(r"^(Args|Attributes|Returns|Yields|Raises|Example|Examples|Note):$", re.M)


def public_functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Yield the functions and public methods of the API."""
    for name in edge_runtime.__all__:
        value = getattr(edge_runtime, name)
        if not inspect.isclass(value):
            yield name, value
            continue
        for attribute, member in vars(value).items():
            if attribute.startswith("_") and attribute != "__call__":
                continue
            if isinstance(member, (classmethod, staticmethod)):
                member = member.__func__
            if inspect.isfunction(member):
                yield f"{name}.{attribute}", member


def public_properties() -> Iterator[tuple[str, property]]:
    """Yield the properties of the API."""
    for name in edge_runtime.__all__:
        value = getattr(edge_runtime, name)
        if inspect.isclass(value):
            for attribute, member in vars(value).items():
                if isinstance(member, property) and not attribute.startswith("_"):
                    yield f"{name}.{attribute}", member


def sections(docstring: str) -> dict[str, str]:
    """Return the sections of a docstring by name; "" is the text before them."""
    parts = SECTION.split(inspect.cleandoc(docstring))
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2]))}


def entries(section: str) -> set[str]:
    """Return the names that an Args or Attributes section describes."""
    return set(re.findall(r"^    \*{0,2}(\w+)(?: \([^)]*\))?: \S", section, re.MULTILINE))


def problems(docstring: str | None, parameters: list[str], returns: bool) -> Iterator[str]:
    """Yield what a docstring lacks."""
    if not docstring:
        yield "has no docstring"
        return
    parts = sections(docstring)
    summary = parts[""].splitlines()[0]
    if not summary.endswith("."):
        yield f"the first line must be one sentence: {summary!r}"
    names = entries(parts.get("Args", "")) | entries(parts.get("Attributes", ""))
    for name in parameters:
        if name not in names:
            yield f"Args: does not describe {name}"
    # Google's guide: the section may be omitted after "Return …" or "Yield …".
    described = bool({"Returns", "Yields"} & parts.keys())
    if returns and not described and not summary.startswith(("Return ", "Yield ")):
        yield "has no Returns"


def parameters_of(function: Callable[..., Any]) -> list[str]:
    names = inspect.signature(function).parameters
    return [name for name in names if name not in ("self", "cls")]


def test_functions_and_methods_are_documented():
    found = []
    for name, function in public_functions():
        annotation = inspect.signature(function).return_annotation
        returns = annotation not in (None, "None", inspect.Signature.empty)
        own = name.partition(".")[0]
        if annotation in (own, "Self"):  # a class method that creates the object says so
            returns = False
        found += [
            f"{name}: {problem}"
            for problem in problems(function.__doc__, parameters_of(function), returns)
        ]
    assert not found, "\n" + "\n".join(found)


def test_classes_are_documented():
    found = []
    for name in edge_runtime.__all__:
        value = getattr(edge_runtime, name)
        if not inspect.isclass(value):
            continue
        if dataclasses.is_dataclass(value):
            parameters = [field.name for field in dataclasses.fields(value)]
        elif "__init__" in vars(value) and name != "EmotionModel":  # `load` creates that one
            parameters = parameters_of(value.__init__)
        else:
            parameters = []
        found += [
            f"{name}: {problem}" for problem in problems(value.__doc__, parameters, returns=False)
        ]
    assert not found, "\n" + "\n".join(found)


def test_properties_are_documented():
    found = [name for name, member in public_properties() if not inspect.getdoc(member)]
    assert not found


@pytest.mark.parametrize(
    "name",
    ["EmotionModel", "EmotionStream", "Listener", "SpeakerProfile", "TimelineStream", "Mfcc",
     "MfccStream", "classify_many", "read_audio"],
)  # fmt: skip
def test_the_main_names_have_an_example(name):
    assert ">>>" in (getattr(edge_runtime, name).__doc__ or "")
