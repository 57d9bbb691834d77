"""Collect recordings without speech from Debian packages: `python scripts/noise_library.py DIR`.

The speech gate generalises to noise that it was not trained on in proportion to the kinds of noise
that it was. These packages hold effects, animals, engines, instruments and music under free
licences, which each package states in `usr/share/doc`. Files in which Silero VAD finds speech, such
as songs and shouts, are left out. Requires apt-get, dpkg and the extra `vad`.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
import typer

from edge_runtime import EdgeSerError, read_audio
from edge_runtime.audio.silero import SAMPLE_RATE, SileroVad, speech_of_clip

# Package, pattern of its files, kind of noise.
SOURCES = (
    ("tuxpaint-stamps-default", "stamps/animals/**/*", "animals"),
    ("tuxpaint-stamps-default", "stamps/household/**/*", "household"),
    ("tuxpaint-stamps-default", "stamps/hobbies/**/*", "instruments"),
    ("tuxpaint-stamps-default", "stamps/[stvm]*/**/*", "objects"),
    ("lincity-ng-data", "sounds/*", "city"),
    ("torcs-data", "sound/**/*", "engines"),
    ("scorched3d-data", "wav/**/*", "explosions"),
    ("minetest-data", "sounds/*", "nature"),
    ("minetest-mod-homedecor", "sounds/*", "household"),
    ("minetest-mod-mesecons", "sounds/*", "household"),
    ("unknown-horizons", "audio/sounds/**/*", "village"),
    ("megaglest-data", "commondata/sounds/**/*", "battle"),
    ("supertux-data", "supertux2/sounds/**/*", "effects"),
    ("frozen-bubble-data", "**/*", "effects"),
    ("pingus-data", "sounds/*", "effects"),
    ("sound-icons", "**/*", "effects"),
    ("alienblaster-data", "**/*", "effects"),
    ("lmms-common", "samples/drums/*", "drums"),
    ("lmms-common", "samples/[ibs]*/*", "instruments"),
    ("lmms-common", "samples/effects/*", "electronic"),
    ("sonic-pi-samples", "samples/[bds][dnr]*", "drums"),
    ("sonic-pi-samples", "samples/tabla*", "drums"),
    ("sonic-pi-samples", "samples/[egm][el]*", "electronic"),
    ("sonic-pi-samples", "samples/ambi*", "ambience"),
    ("sonic-pi-samples", "samples/[gl][uo]*", "loops"),
    ("supertux-data", "music/**/*", "music"),
    ("extremetuxracer-data", "music/*", "music"),
    ("unknown-horizons", "audio/music/**/*", "music"),
)
AUDIO = {".wav", ".ogg", ".flac", ".oga"}
SPOKEN = ("_desc", "speech", "voice")  # parts of the names of spoken texts

MAX_SECONDS = 30.0
MIN_SECONDS = 0.1
MAX_SPEECH = 0.1  # share of the recording that Silero VAD takes for speech


def main(folder: Annotated[Path, typer.Argument(help="Folder for the recordings.")]) -> None:
    """Download the packages, and write their recordings as FLAC in a folder for each kind."""
    vad = SileroVad()
    with tempfile.TemporaryDirectory() as temporary:
        for package in sorted({package for package, _, _ in SOURCES}):
            subprocess.run(["apt-get", "download", package], cwd=temporary, check=True)
            (archive,) = Path(temporary).glob(f"{package}_*.deb")
            subprocess.run(["dpkg", "-x", archive, Path(temporary, package)], check=True)
            archive.unlink()
        for package, pattern, kind in SOURCES:
            files = sorted(Path(temporary, package).rglob(pattern))
            kept = [file for file in files if _store(file, folder / kind, package, vad)]
            typer.echo(f"{kind}: {len(kept)} of {package}")


def _store(file: Path, folder: Path, package: str, vad: SileroVad) -> bool:
    """Write the beginning of a recording; return False if it is left out."""
    if file.suffix not in AUDIO or any(part in str(file) for part in SPOKEN):
        return False
    try:
        samples = read_audio(file, SAMPLE_RATE)[: int(MAX_SECONDS * SAMPLE_RATE)]
    except EdgeSerError:
        return False
    is_audible = len(samples) >= MIN_SECONDS * SAMPLE_RATE and np.abs(samples).max() > 1e-3
    if not is_audible or (speech_of_clip(vad, samples) > 0.5).mean() > MAX_SPEECH:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / f"{package}-{file.stem}.flac", samples, SAMPLE_RATE)
    return True


if __name__ == "__main__":
    typer.run(main)
