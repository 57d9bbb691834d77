"""Work on shards that kills its process for some recordings."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from edge_runtime.archive.manifest import Recording
from edge_runtime.archive.settings import ArchiveSettings
from edge_runtime.archive.work import Outcome, ShardWork


class KillingWork(ShardWork):
    """Dies at recordings whose name contains "kill"; at "once" only the first time."""

    def __reduce__(self) -> tuple[Any, ...]:
        return KillingWork, (self._out, self.settings)

    def process(self, recording: Recording) -> Outcome:
        """Process a recording, or kill the process."""
        if "kill" in recording.uri:
            os.kill(os.getpid(), signal.SIGKILL)
        if "once" in recording.uri:
            marker = Path(recording.uri + ".marker")
            if not marker.exists():
                marker.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return super().process(recording)


def killing_work(out: str, settings: ArchiveSettings) -> KillingWork:
    """Return the work for an archive."""
    return KillingWork(out, settings)
