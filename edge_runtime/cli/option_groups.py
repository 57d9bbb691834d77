"""Groups of options that several commands share: a dataclass whose fields are the options."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from typing import Any, get_type_hints


def with_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Replace each parameter of a command whose type is a dataclass by the fields of that class.

    The fields are annotated like parameters of a Typer command. The command gets an instance.

    Args:
        command: A function with annotated parameters.

    Returns:
        A function with one parameter for each option.

    Example:
        >>> @dataclasses.dataclass
        ... class Size:
        ...     width: int = 1
        ...     height: int = 2
        >>> @with_groups
        ... def draw(name: str, size: Size) -> None:
        ...     print(name, size)
        >>> list(inspect.signature(draw).parameters)
        ['name', 'width', 'height']
        >>> draw(name="box", width=3)
        box Size(width=3, height=2)
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, type] = {}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if dataclasses.is_dataclass(hints[name]):
            groups[name] = hints[name]
            parameters += _parameters(hints[name])
        else:
            parameters.append(
                parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[name])
            )

    @functools.wraps(command)
    def expanded(**values: Any) -> None:
        for name, group in groups.items():
            fields = [field.name for field in dataclasses.fields(group)]
            values[name] = group(**{key: values.pop(key) for key in fields if key in values})
        command(**values)

    expanded.__annotations__ = {p.name: p.annotation for p in parameters}
    vars(expanded)["__signature__"] = inspect.Signature(parameters)
    return expanded


def _parameters(group: type) -> list[inspect.Parameter]:
    """Return a parameter for each field of a dataclass."""
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty
            if field.default is dataclasses.MISSING
            else field.default,
            annotation=hints[field.name],
        )
        for field in dataclasses.fields(group)
    ]
