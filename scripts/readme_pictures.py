"""`python -m scripts.readme_pictures`: the pictures of the README, from synthesised voices.

What the model says of such voices means nothing; the pictures show what the program shows.
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

from train.data.demo_corpus import PROSODIES, SAMPLE_RATE, synthesise, voices

HERE = Path(__file__).resolve().parent
COLUMNS = 100


def write_call(path: Path) -> None:
    """Half a minute of two synthesised voices that take turns, with pauses."""
    rng = np.random.default_rng(4)
    speakers = voices(2)
    parts = [np.zeros(SAMPLE_RATE // 2, np.float32)]
    for k, prosody in enumerate([*PROSODIES.values()] * 4):
        parts.append(synthesise(speakers[k % 2], prosody, rng).astype(np.float32))
        parts.append(np.zeros(int(rng.uniform(0.2, 1.6) * SAMPLE_RATE), np.float32))
    soundfile.write(path, np.concatenate(parts), SAMPLE_RATE)


def shown(arguments: list[str], folder: Path) -> str:
    """What `edge-ser` prints on a terminal, with its colours."""
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
    environment.pop("NO_COLOR", None)
    environment["PYTHONPATH"] = str(HERE.parent)
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
    pieces = []
    while True:
        try:
            piece = os.read(leader, 65_536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        pieces.append(piece)
    os.close(leader)
    if process.wait():
        raise SystemExit(b"".join(pieces).decode())
    return b"".join(pieces).decode().replace("\r\n", "\n")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_call(folder / "call.wav")
        (folder / "samples").symlink_to(HERE.parent / "samples")
        console = Console(record=True, width=COLUMNS, file=io.StringIO())
        for arguments in (["classify", "samples"], ["classify", "--timeline", "call.wav"]):
            console.print(f"$ edge-ser {' '.join(arguments)}", style="bold", highlight=False)
            console.print(Text.from_ansi(shown(arguments, folder)))
        # Without the font that it would fetch: a picture needs no network.
        look = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
        picture = console.export_svg(title="edge-ser", unique_id="edge-ser", code_format=look)
        (HERE / "terminal.svg").write_text(picture, encoding="utf-8")
        shown(["classify", "call.wav", "--plot", str(HERE / "timeline.png"), "--force"], folder)


if __name__ == "__main__":
    main()
