"""Draw the pictures of the documentation: `python -m scripts.readme_pictures`.

`docs/terminal.svg` is a recorded terminal session and `docs/timeline.png` a plotted timeline. Both
show the answers of the bundled model on the clips in `samples/`, right or wrong.
"""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from edge_runtime import read_audio

ROOT = Path(__file__).resolve().parents[1]
SAMPLES, DOCS = ROOT / "samples", ROOT / "docs"
SAMPLE_RATE = 16_000
PAUSE_SECONDS = 1.0
PEAK = 0.5  # the clips differ by 25 dB; a call on one line does not
COLUMNS = 100


def write_call(path: Path) -> None:
    """Write the sample clips, one after the other and equally loud, with pauses."""
    pause = np.zeros(round(PAUSE_SECONDS * SAMPLE_RATE), np.float32)
    parts = [pause]
    for file in sorted(SAMPLES.glob("*/*.wav")):
        clip = read_audio(file, SAMPLE_RATE)
        parts += [clip * (PEAK / np.abs(clip).max()), pause]
    soundfile.write(path, np.concatenate(parts), SAMPLE_RATE)


def terminal_output(arguments: list[str], folder: Path) -> str:
    """Return the output of `edge-ser` on a terminal, with its colours.

    Args:
        arguments: The arguments of the command.
        folder: The working directory.

    Raises:
        SystemExit: If the command fails.
    """
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
    environment.pop("NO_COLOR", None)
    environment["PYTHONPATH"] = str(ROOT)
    process = subprocess.Popen(
        [sys.executable, "-m", "edge_runtime", *arguments],
        cwd=folder,
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=environment,
        close_fds=True,
    )
    os.close(follower)
    chunks = []
    while True:
        try:
            chunk = os.read(leader, 65_536)
        except OSError:  # the other end is closed
            break
        if not chunk:
            break
        chunks.append(chunk)
    os.close(leader)
    output = b"".join(chunks).decode()
    if process.wait():
        raise SystemExit(output)
    return output.replace("\r\n", "\n")


def main() -> None:
    """Draw both pictures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_call(folder / "call.wav")
        (folder / "samples").symlink_to(SAMPLES)
        console = Console(record=True, width=COLUMNS, file=io.StringIO())
        for arguments in (["classify", "samples"], ["classify", "--timeline", "call.wav"]):
            console.print(f"$ edge-ser {' '.join(arguments)}", style="bold", highlight=False)
            console.print(Text.from_ansi(terminal_output(arguments, folder)))
        # Without the web font: a picture must not need the network.
        style = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
        picture = console.export_svg(title="edge-ser", unique_id="edge-ser", code_format=style)
        lines = [line.rstrip() for line in picture.splitlines()]
        (DOCS / "terminal.svg").write_text("\n".join(lines) + "\n", encoding="utf-8")
        plot = ["classify", "call.wav", "--plot", str(DOCS / "timeline.png"), "--force"]
        terminal_output(plot, folder)


if __name__ == "__main__":
    main()
