"""Notes on inputs that were used although something about them is unusual."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

_receivers: list[Callable[[str], None]] = []


def note(subject: object, text: str) -> None:
    """Report a note, to the logger "edge_runtime" unless `notes_to` is in effect.

    Args:
        subject: The input.
        text: The note on it.
    """
    pass_on(f"{subject}: note: {text}")


def pass_on(message: str) -> None:
    """Report a note that another process collected.

    Args:
        message: The note.
    """
    if _receivers:
        _receivers[-1](message)
        return
    import logging  # takes longer than reading a clip

    logging.getLogger("edge_runtime").warning("%s", message)


@contextlib.contextmanager
def notes_to(receiver: Callable[[str], None]) -> Iterator[None]:
    """Pass notes to a function instead of the logger.

    Args:
        receiver: Called with each note, one line of text.
    """
    _receivers.append(receiver)
    try:
        yield
    finally:
        _receivers.remove(receiver)
