"""What `benchmarks.long_run` found, as Markdown."""

from __future__ import annotations

from statistics import mean
from typing import Any


def as_markdown(found: dict[str, dict[str, Any]], hours: int, clips: int, processor: str) -> str:
    stream, sessions = found["one_stream"], found["sessions"]
    shorter = len(found["timeline"]["cpu"])
    once, threads, resampler = found["clips"], found["threads"], found["resampler"]
    rows = [
        row("`EmotionStream`, never flushed", hours, stream, stream["cpu"]["programme"]),
        row(
            "`EmotionStream`s, a rate after the other",
            len(sessions["cpu"]),
            sessions,
            sessions["cpu"],
        ),
        row("`TimelineStream`, 44.1 kHz", shorter, found["timeline"], found["timeline"]["cpu"]),
        row("`Listener`, 48 kHz", shorter, found["listener"], found["listener"]["cpu"]),
    ]
    kinds = ", ".join(f"{kind} {mean(each):.1f} s" for kind, each in stream["cpu"].items())
    drift = ", ".join(
        f"{stream['drift'][str(hour)]:.1e} after {hour} h" for hour in at_quarters(hours)
    )
    late = {name: found[name]["differences"] for name in ("timeline", "listener")}
    return f"""# A day, and ten thousand clips

`python -m benchmarks.long_run --hours {hours} --clips {clips}` on {processor}: voices, silence,
noise, clipping, clicks, an offset and denormal numbers, two minutes over and over, in pieces from
none to 2 s at random. Memory is the resident set, its slope that of a line through
the hours after a warm-up; times are of the processor.

| | hours | KiB an hour | state, KiB | first hour, s | last hour, s |
|---|---:|---:|---:|---:|---:|
{chr(10).join(rows)}

- Denormal numbers: an hour of each takes {kinds}.
- One stream for {hours} h: its probabilities are off those of exact sums by {drift};
  the time stamp of its end is off by {stream["late"]:g} s.
- Streams of 8, 16, 22.05, 44.1 and 48 kHz, each up to two minutes long, against `classify` of the
  same samples at once: {max(sessions["worst"]):.1e} at most ({sessions["worst"][0]:.1e} in the
  first hour, {sessions["worst"][-1]:.1e} in the last), {sessions["wrong"]} other labels.
- `TimelineStream` and `Listener`: every step and utterance of two minutes against those of a fresh
  one that heard four minutes before it, several times: probabilities differ by at most
  {differences(late)}.
  Of {found["timeline"]["compared"]} steps and {found["listener"]["compared"]} utterances \
{found["timeline"]["missing"] + found["listener"]["missing"]} differ in time or label.
- {resampler["pushed"]:,} samples at 48 kHz (more than 32 bits count) through one resampler: \
{resampler["lost"]} samples lost,
  the last two minutes differ by {resampler["error"]:.1e} from a fresh one's.
- {clips:,} clips of random lengths through one `EmotionModel`: {once["slope"]:.0f} KiB per thousand
  in the second half; the answers to twenty clips change by {once["changed"]:.1e} at most from
  before to after (scipy's FFT takes over from numpy's on the way).
- Eight threads on one model, {threads["clips"]} clips, each classified and streamed: \
{threads["different"]} answers
  differ in any bit from those of one thread.
"""


def row(name: str, hours: int, part: dict[str, Any], like: list[float]) -> str:
    state = f"{part['state'] / 1024:.0f}" if "state" in part else ""
    return f"| {name} | {hours} | {part['slope']:.1f} | {state} | {like[0]:.1f} | {like[-1]:.1f} |"


def at_quarters(hours: int) -> list[int]:
    return sorted({1, hours // 2, hours})


def differences(late: dict[str, dict[str, float]]) -> str:
    return " and ".join(f"{max(each.values()):.1e} ({name})" for name, each in late.items())
