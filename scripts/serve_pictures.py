"""Draw the pictures of both pages: `python -m scripts.serve_pictures`.

They are the page of `edge-ser serve`, and that of `make web`. It requires `make node`, Chromium and
the compiler of `make web`.
"""

from __future__ import annotations

import sys
import tempfile
import wave
from pathlib import Path

import numpy as np

from scripts.build_web import build

ROOT = Path(__file__).resolve().parents[1]


def conversation(path: Path) -> Path:
    """Write the sample clips, one after the other, as one recording."""
    parts: list[np.ndarray] = []
    for clip in sorted((ROOT / "samples").glob("*/*.wav")):
        with wave.open(str(clip)) as file:
            rate = file.getframerate()
            parts += [np.frombuffer(file.readframes(file.getnframes()), "<i2")]
            parts += [np.zeros(rate, "<i2")]
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(np.concatenate(parts).tobytes())
    return path


def main() -> None:
    """Write `docs/serve-*.png` and `docs/web-*.png`."""
    sys.path.insert(0, str(ROOT / "tests"))
    from support.browser import use_page
    from support.servers import running_server
    from support.static_server import serve_folder

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = conversation(folder / "conversation.wav")
        options = {"microphone": clip, "clip": clip, "pictures": ROOT / "docs"}
        with running_server(folder=folder) as server:
            use_page(server.url, "looks", **options)
        build(None, folder / "page")
        with serve_folder(folder / "page") as site:
            use_page(site.url, "looks", script="web.mjs", **options)


if __name__ == "__main__":
    main()
