"""The measurements of a machine as a Markdown table."""

from __future__ import annotations

from .bench import Measurements, Timing
from .process_cost import ProcessCost


def as_markdown(m: Measurements) -> str:
    """Return the results as a Markdown table."""
    rows = [
        ("processor", f"{m.processor}, {m.cores} core{'s' if m.cores > 1 else ''}"),
        ("system", m.system),
        ("versions", ", ".join(f"{k} {v or 'missing'}" for k, v in m.versions.items())),
        ("model", f"{m.model}, {m.model_bytes:,} bytes"),
        ("clip", f"{m.clip}, {m.clip_seconds:.1f} s"),
        ("`edge-ser classify`, whole process", _cost_text(m.classify_process)),
        ("`edge-ser --help`, whole process", _cost_text(m.help_process)),
        ("loading the model", f"{1000 * m.load:.1f} ms"),
        ("MFCC of the clip", _timing_text(m.mfcc)),
        ("network", _timing_text(m.network)),
        ("classification, from samples", _timing_text(m.classify)),
        (
            "real-time factor",
            f"{m.real_time_factor:.2g} ({1 / m.real_time_factor:,.0f} hours of audio per hour)",
        ),
        ("throughput", f"{m.clips_per_second:,.0f} clips per second"),
        ("stream in chunks of 10 ms", _share_text(m.stream_10ms, m.clip_seconds)),
        ("stream in chunks of 100 ms", _share_text(m.stream_100ms, m.clip_seconds)),
    ]
    head = [f"| edge-ser {m.edge_ser} | {m.board or m.processor} |", "|---|---|"]
    return "\n".join([*head, *(f"| {name} | {value} |" for name, value in rows)])


def _cost_text(cost: ProcessCost) -> str:
    memory = (
        "peak memory not reported by this system"
        if cost.peak_mib is None
        else f"peak {cost.peak_mib:.0f} MiB"
    )
    return f"{cost.seconds:.2f} s, {memory}"


def _timing_text(timing: Timing) -> str:
    return f"{1000 * timing.p50:.2f} ms (95 % within {1000 * timing.p95:.2f} ms)"


def _share_text(seconds: float, clip_seconds: float) -> str:
    return f"{100 * seconds / clip_seconds:.1f} % of one core"
