"""State that all requests share."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from .compute import ComputePool
from .metrics import Metrics
from .outbox import Hub
from .settings import Limits

if TYPE_CHECKING:
    from ..model import EmotionModel
    from .microphone import MicrophoneThread


class Service:
    """One model, and what the server keeps for all requests.

    Args:
        model: The model.
        limits: Limits of what clients may use.

    Attributes:
        metrics: Counters.
        pool: Threads that compute.
        hub: Events of the device's microphone.
        microphone: The thread that listens to it; None without `--microphone`.
        closing: Set once the server closes.
        profile_lock: Held while profiles are changed.
    """

    def __init__(self, model: EmotionModel, limits: Limits) -> None:
        self.model = model
        self.limits = limits
        self.metrics = Metrics()
        self.pool = ComputePool(limits.max_waiting, self.metrics)
        self.hub = Hub(self.metrics)
        self.microphone: MicrophoneThread | None = None
        self.closing = asyncio.Event()
        self.profile_lock = asyncio.Lock()

    async def close(self) -> None:
        """End streams and events; requests in progress are completed."""
        self.closing.set()
        if self.microphone is not None:  # it publishes the utterance in progress
            await asyncio.get_running_loop().run_in_executor(None, self.microphone.stop)
        await asyncio.sleep(0)  # for events that another thread has passed on
        self.hub.close()
