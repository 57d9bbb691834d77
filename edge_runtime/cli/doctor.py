"""`edge-ser doctor`: what is wrong with an installation or with a recording."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..audio.paths import expand
from ..diagnostics.finding import Finding, Severity, verdict
from ..errors import AudioError, EdgeSerError
from ..messages import printable
from .terminal import Interruption, wrap_hanging

if TYPE_CHECKING:
    from ..diagnostics.recording_checks import Examination

MARKS = {Severity.ok: " ", Severity.note: "-", Severity.warning: "!"}
NAME_WIDTH = 12
MAX_LINE_WIDTH = 100  # longer lines are hard to read


def doctor(
    clips: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[CLIP]...",
            readable=False,
            help="Recordings to look at, folders or patterns [default: none].",
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", readable=False, help="An .onnx model [default: the bundled one]."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, as JSON.")] = False,
) -> None:
    """Find out why edge-ser fails, or answers strangely.

    Without a clip it looks at the installation: versions, machine, model, microphone. With clips
    it looks at each as the model hears it: format, channels, length, level, clipping, constant
    offset, noise, bandwidth. Every line is fine (no mark), a note (-) or a warning (!); under
    those stands what it means for the answer and what to do.

    Examples:

    \b
      edge-ser doctor
      edge-ser doctor clip.wav calls/
      edge-ser doctor --model my.onnx clip.wav
      edge-ser doctor --json clip.wav | jq '.clips[0].findings[] | select(.severity != "ok")'

    The exit status is 0, with warnings too, and 1 if a clip cannot be read or the model does not
    load.
    """
    from ..diagnostics.installation_checks import (
        check_machine,
        check_microphone,
        check_model,
        check_packages,
    )

    report = _Report(as_json)
    if not clips:
        report.section("machine", check_machine())
        report.section("packages", check_packages())
    loaded, findings = check_model(model)
    Interruption.check()
    if not clips or loaded is None:
        report.section("model", findings)
    if not clips:
        report.section("microphone", check_microphone())
    failed = loaded is None
    for found in expand(clips or []):
        if isinstance(found, AudioError):  # a folder without recordings
            report.unreadable(str(found).partition(": ")[0], found)
            failed = True
            continue
        try:
            from ..diagnostics.recording_checks import examine

            examination = examine(found, loaded)
        except (EdgeSerError, ImportError, OSError) as error:  # a package may be missing
            report.unreadable(found, error)
            failed = True
        else:
            report.clip(examination)
    report.close()
    if failed:
        raise typer.Exit(1)


class _Report:
    """Prints each section as soon as it is known: what crashes comes after what did not."""

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.all: list[Finding] = []
        self.checks: list[dict[str, Any]] = []
        self.clips: list[dict[str, Any]] = []

    def section(self, title: str, findings: Iterable[Finding]) -> None:
        if not self.as_json:
            print(title, flush=True)
        for finding in findings:
            self.all.append(finding)
            self.checks.append({"section": title, **dataclasses.asdict(finding)})
            if not self.as_json:
                print(as_text(finding), flush=True)

    def clip(self, examination: Examination) -> None:
        self.all += examination.findings
        values = dataclasses.asdict(examination)
        self.clips.append({"file": str(values.pop("path")), **values})
        if not self.as_json:
            print(printable(str(examination.path)))
            print("\n".join(map(as_text, examination.findings)), flush=True)

    def unreadable(self, path: str, error: Exception) -> None:
        Interruption.check()
        said = printable(str(error))
        self.clips.append({"file": str(path), "error": said})
        named = os.path.normpath(path) in said
        print(f"edge-ser: {said if named else f'{path}: {said}'}", file=sys.stderr)

    def close(self) -> None:
        bad = sum("error" in clip for clip in self.clips)
        words = verdict(self.all)
        if bad:
            words = f"{bad} unreadable" + ("" if words == "fine" else f"; {words}")
        if self.as_json:
            values = {"checks": self.checks, "clips": self.clips, "verdict": words}
            print(json.dumps(values, indent=2, ensure_ascii=False))
        else:
            print(f"verdict: {words}")


def as_text(finding: Finding) -> str:
    """One line, and below it what it means and what to do, where that is something."""
    first = f"{MARKS[finding.severity]} {finding.name:{NAME_WIDTH}} {finding.found}"
    lines = [wrap_hanging(first, NAME_WIDTH + 3, sys.stdout)]
    indent = " " * (NAME_WIDTH + 3)
    width = min(shutil.get_terminal_size().columns, MAX_LINE_WIDTH)
    for text in (finding.meaning, finding.advice):
        lines += textwrap.wrap(
            text,
            width,
            initial_indent=indent,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(lines)
