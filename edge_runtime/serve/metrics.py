"""Counters in the text format of Prometheus.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from pathlib import Path

SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # upper bounds of the histogram


class Metrics:
    """Counters of the server. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._durations: dict[str, list[float]] = {}  # by route: buckets, count and sum
        self._counters: dict[tuple[str, str], float] = {}
        self.streams = 0
        self.waiting = 0

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request.

        Args:
            method: Its method.
            route: Template of its path.
            status: Status of the answer.
            seconds: Time until the end of the answer.
        """
        with self._lock:
            self._requests[method, route, status] += 1
            values = self._durations.setdefault(route, [0.0] * (len(SECONDS) + 2))
            for k, bound in enumerate(SECONDS):
                values[k] += seconds <= bound
            values[-2] += 1
            values[-1] += seconds

    def count(self, name: str, label: str = "", by: float = 1) -> None:
        """Increase a counter.

        Args:
            name: Name of the counter, without prefix.
            label: Value of its label "kind"; empty for none.
            by: The increase.
        """
        with self._lock:
            self._counters[name, label] = self._counters.get((name, label), 0.0) + by

    def text(self, model: str) -> str:
        """Return all values.

        Args:
            model: Name of the model.
        """
        with self._lock:
            lines = ["# TYPE edge_ser_requests_total counter"]
            lines += [
                f'edge_ser_requests_total{{method="{m}",route="{route}",status="{status}"}} {n}'
                for (m, route, status), n in sorted(self._requests.items())
            ]
            lines.append("# TYPE edge_ser_request_seconds histogram")
            for route, values in sorted(self._durations.items()):
                name = f'edge_ser_request_seconds_bucket{{route="{route}",le='
                lines += [f'{name}"{b:g}"}} {v:.0f}' for b, v in zip(SECONDS, values)]
                lines.append(f'{name}"+Inf"}} {values[-2]:.0f}')
                lines.append(f'edge_ser_request_seconds_count{{route="{route}"}} {values[-2]:.0f}')
                lines.append(f'edge_ser_request_seconds_sum{{route="{route}"}} {values[-1]:.6f}')
            named = ""
            for (name, label), value in sorted(self._counters.items()):
                if name != named:
                    lines.append(f"# TYPE edge_ser_{name}_total counter")
                    named = name
                labels = f'{{kind="{label}"}}' if label else ""
                lines.append(f"edge_ser_{name}_total{labels} {value:g}")
            gauges = {
                "streams": float(self.streams),
                "uploads_waiting": float(self.waiting),
                "resident_memory_bytes": float(resident_bytes()),
            }
        for name, value in gauges.items():
            lines += [f"# TYPE edge_ser_{name} gauge", f"edge_ser_{name} {value:.0f}"]
        lines += ["# TYPE edge_ser_model_info gauge", f'edge_ser_model_info{{name="{model}"}} 1']
        return "\n".join(lines) + "\n"


def resident_bytes() -> int:
    """Return the memory of this process; 0 where the system does not report it."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
