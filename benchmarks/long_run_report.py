"""The results of `benchmarks.long_run` as Markdown."""

from __future__ import annotations

from statistics import mean
from typing import Any

from .report import table

HEADER = ("stream", "hours", "KiB per hour", "state, KiB", "first hour, s", "last hour, s")


def as_markdown(results: dict[str, dict[str, Any]], hours: int, clips: int, processor: str) -> str:
    """Return the report of the results of all parts."""
    stream, sessions = results["one_stream"], results["sessions"]
    timeline, listener = results["timeline"], results["listener"]
    classify, threads, resampler = results["clips"], results["threads"], results["resampler"]
    rows = [
        row("`EmotionStream`, never flushed", hours, stream, stream["cpu"]["programme"]),
        row("`EmotionStream`, short, all rates", len(sessions["cpu"]), sessions, sessions["cpu"]),
        row("`TimelineStream`, 44.1 kHz", len(timeline["cpu"]), timeline, timeline["cpu"]),
        row("`Listener`, 48 kHz", len(timeline["cpu"]), listener, listener["cpu"]),
    ]
    kinds = ", ".join(f"{kind} {mean(seconds):.1f} s" for kind, seconds in stream["cpu"].items())
    drift = ", ".join(
        f"{stream['drift'][str(hour)]:.1e} after {hour} h"
        for hour in sorted({1, hours // 2, hours})
    )
    return f"""# Endurance

`python -m benchmarks.long_run --hours {hours} --clips {clips}` on {processor}. Two minutes of
voices, silence, noise, clipping, clicks, DC offset and denormal numbers are repeated, in chunks of
up to 2 s. Memory is the slope of the resident set after a warm-up; times are CPU times.

{table(HEADER, rows)}

- Denormal numbers: CPU time per hour of audio: {kinds}.
- `EmotionStream` over {hours} h: probabilities differ from exact sums by
  {drift}.
  The time stamp of its end is off by {stream["late"]:g} s.
- Short streams at 8, 16, 22.05, 44.1 and 48 kHz against `classify` of the same samples: at most
  {max(sessions["worst"]):.1e} ({sessions["worst"][0]:.1e} in the first hour, \
{sessions["worst"][-1]:.1e} in the last), {sessions["wrong"]} different labels.
- `TimelineStream` and `Listener` against new ones that start four minutes earlier, several times:
  {timeline["missing"] + listener["missing"]} of {timeline["compared"]} steps and \
{listener["compared"]} utterances differ in time or label. Probabilities differ by at
  most {max(timeline["differences"].values()):.1e} (timeline) and \
{max(listener["differences"].values()):.1e} (listener).
- {resampler["pushed"]:,} samples at 48 kHz (more than 32 bits can count) through one resampler:
  {resampler["lost"]} samples lost; the last two minutes differ by {resampler["error"]:.1e} from a \
new resampler's.
- {clips:,} clips of random lengths through one `EmotionModel`: {classify["slope"]:.0f} KiB per \
thousand clips in
  the second half. Probabilities of twenty probe clips change by at most {classify["changed"]:.1e}
  (scipy's FFT replaces numpy's on the way).
- Eight threads with one model, {threads["clips"]} clips, each classified and streamed: \
{threads["different"]} results differ in
  any bit from those of one thread.
"""


def row(name: str, hours: int, part: dict[str, Any], cpu: list[float]) -> list[str]:
    """Return the cells of one stream."""
    state = f"{part['state'] / 1024:.0f}" if "state" in part else ""
    return [name, str(hours), f"{part['slope']:.1f}", state, f"{cpu[0]:.1f}", f"{cpu[-1]:.1f}"]
