"""The choice of events that `listen` and the server publish."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..inference.prediction import NO_SPEECH

if TYPE_CHECKING:
    from ..streaming.listen_events import ListenEvent


class NoiseFilter:
    """Hides utterances without speech. Every "start" keeps its "end".

    Args:
        all: Hide nothing.
    """

    def __init__(self, all: bool = False) -> None:
        self._all = all
        self._started = False

    def select(self, events: Iterable[ListenEvent]) -> list[ListenEvent]:
        """Return the events that are not hidden."""
        selected = []
        for event in events:
            if self._all or self._started or not is_noise(event):
                selected.append(event)
            if event.kind in ("start", "end"):
                self._started = event.kind == "start"
        return selected


def is_noise(event: ListenEvent) -> bool:
    """Return True for an utterance without speech."""
    return event.prediction is not None and event.prediction.label == NO_SPEECH
