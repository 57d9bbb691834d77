"""`edge-ser doctor`: problems of the installation and of recordings."""

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
from ..diagnostics.doctor_json import clip_row, report_row, unreadable_row
from ..diagnostics.finding import Finding, Severity
from ..errors import AudioError, EdgeSerError
from ..messages import printable
from .mqtt_options import BrokerOptions
from .option_groups import with_groups
from .options import JsonOption, ModelOption
from .terminal import Interruption, wrap_hanging

if TYPE_CHECKING:
    from ..diagnostics.recording_checks import Examination

MARKS = {Severity.ok: " ", Severity.note: "-", Severity.warning: "!"}
NAME_WIDTH = 12  # characters
MAX_LINE_WIDTH = 100  # longer lines are hard to read


@with_groups
def doctor(
    clips: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[CLIP...]", readable=False, help="Recordings, folders or patterns."
        ),
    ] = None,
    model: ModelOption = None,
    as_json: JsonOption = False,
    *,
    mqtt: BrokerOptions,
) -> None:
    """Find problems of the installation or of recordings.

    Without a clip: versions, machine, model and microphone, and with --mqtt the connection to the
    broker and its permissions. With clips: format, channels, length, level, clipping, DC offset,
    noise and bandwidth of each. A line is fine (no mark), a note (-) or a warning (!), followed by
    its effect on the result and the advice.

    \b
    Examples:
      edge-ser doctor
      edge-ser doctor clip.wav calls/
      edge-ser doctor --model my.onnx clip.wav
      edge-ser doctor --mqtt mqtt://anna@broker.local --mqtt-password-file password.txt
      edge-ser doctor --json clip.wav | jq '.clips[0].findings[] | select(.severity != "ok")'

    The exit status is 0, also with warnings, and 1 if a clip or the model cannot be read.
    """  # noqa: D301
    from ..diagnostics.installation_checks import (
        check_machine,
        check_microphone,
        check_model,
        check_packages,
    )

    broker = mqtt.broker()
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
    if broker is not None:
        from ..diagnostics.mqtt_checks import check_mqtt

        report.section("mqtt", check_mqtt(broker, mqtt.new_node()))
    failed = loaded is None
    for name in expand(clips or []):
        if isinstance(name, AudioError):  # a folder without recordings
            report.unreadable(str(name).partition(": ")[0], name)
            failed = True
            continue
        try:
            from ..diagnostics.recording_checks import examine

            examination = examine(name, loaded)
        except (EdgeSerError, ImportError, OSError) as error:  # such as a missing package
            report.unreadable(name, error)
            failed = True
        else:
            report.clip(examination)
    report.close()
    if failed:
        raise typer.Exit(1)


class _Report:
    """Prints each section as soon as it is complete, so that a crash loses no earlier one.

    Args:
        as_json: Print one JSON object at the end instead.
    """

    def __init__(self, as_json: bool) -> None:
        self.as_json = as_json
        self.all: list[Finding] = []
        self.checks: list[dict[str, Any]] = []
        self.clips: list[dict[str, Any]] = []

    def section(self, title: str, findings: Iterable[Finding]) -> None:
        """Add findings about the installation."""
        if not self.as_json:
            print(title, flush=True)
        for finding in findings:
            self.all.append(finding)
            self.checks.append({"section": title, **dataclasses.asdict(finding)})
            if not self.as_json:
                print(as_text(finding), flush=True)

    def clip(self, examination: Examination) -> None:
        """Add the findings about a recording."""
        self.all += examination.findings
        self.clips.append(clip_row(examination))
        if not self.as_json:
            print(printable(str(examination.path)))
            print("\n".join(map(as_text, examination.findings)), flush=True)

    def unreadable(self, path: str, error: Exception) -> None:
        """Add a recording that cannot be read, and print the error on stderr."""
        Interruption.check()
        message = printable(str(error))
        row = unreadable_row(str(path), message)
        advice = row["advice"]
        self.clips.append(row)
        has_path = os.path.normpath(path) in message
        print(f"edge-ser: {message if has_path else f'{path}: {message}'}", file=sys.stderr)
        if advice:
            print(f"edge-ser: {advice}", file=sys.stderr)

    def close(self) -> None:
        """Print the verdict."""
        report = report_row(self.checks, self.clips, self.all)
        if self.as_json:
            print(json.dumps(report, indent=2, ensure_ascii=False))
        else:
            print(f"verdict: {report['verdict']}")


def as_text(finding: Finding) -> str:
    """Return a finding as one line, and its meaning and advice below."""
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
