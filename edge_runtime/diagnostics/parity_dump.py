"""`python -m edge_runtime.diagnostics.parity_dump`: store the outputs for clips on this machine.

`python -m export device` compares it with what another machine makes of the same clips.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..audio.read import read_audio
from ..errors import EdgeSerError
from ..files import atomic_replace, sha256
from ..inference.network import network_of
from ..messages import system_reason
from ..model import EmotionModel


@dataclass(frozen=True)
class DeviceOutputs:
    """What one machine makes of clips."""

    machine: str  # as `uname -m` calls it
    model: str  # SHA-256 of the model file
    clips: tuple[str, ...]  # SHA-256 of each file: a clip is known by that, whatever its name
    features: tuple[np.ndarray, ...]  # float32 (n_frames, n_mfcc) each, silence included
    logits: np.ndarray  # float32 (n_clips, n_labels)
    probabilities: np.ndarray  # float32 (n_clips, n_labels)

    @classmethod
    def of(cls, model: EmotionModel, files: Iterable[str | os.PathLike[str]]) -> DeviceOutputs:
        """Raises AudioError for a file that cannot be used."""
        clips, features, heard = [], [], []
        for file in map(Path, files):
            samples = read_audio(file, model.sample_rate)
            clips.append(sha256(file))
            features.append(network_of(model).front_end(samples))
            heard.append(network_of(model).run(network_of(model).speech_frames(samples)))
        return cls(
            platform.machine(),
            sha256(network_of(model).path),
            tuple(clips),
            tuple(features),
            np.stack([each.logits for each in heard]),
            np.stack([each.probabilities for each in heard]),
        )

    def save(self, path: Path) -> None:
        """As an .npz file."""
        with atomic_replace(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(
                file,
                machine=self.machine,
                model=self.model,
                clips=np.array(self.clips),
                n_frames=np.array([len(frames) for frames in self.features]),
                features=np.concatenate(self.features),
                logits=self.logits,
                probabilities=self.probabilities,
            )

    @classmethod
    def load(cls, path: Path) -> DeviceOutputs:
        """Raises EdgeSerError if the file is missing or holds something else."""
        try:
            with np.load(path, allow_pickle=False) as stored:
                ends = np.cumsum(stored["n_frames"])[:-1]
                return cls(
                    str(stored["machine"]),
                    str(stored["model"]),
                    tuple(map(str, stored["clips"])),
                    tuple(np.split(stored["features"], ends)),
                    stored["logits"],
                    stored["probabilities"],
                )
        except Exception as error:  # zipfile, numpy and the system each have their own
            raise EdgeSerError(
                f"{path}: cannot be read ({system_reason(error)}); wanted what "
                "`python -m edge_runtime.diagnostics.parity_dump` writes"
            ) from error


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m edge_runtime.diagnostics.parity_dump",
        description="Store features, logits and probabilities of clips, to be compared with those "
        "of another machine.",
    )
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP")
    parser.add_argument("--out", type=Path, required=True, help="the .npz file to write")
    parser.add_argument("--model", type=Path, help="an .onnx model [default: the bundled one]")
    parser.add_argument("--force", action="store_true", help="replace a file that is there")
    options = parser.parse_args()
    if options.out.exists() and not options.force:
        parser.error(f"{options.out}: exists already; give --force to replace it")
    try:
        DeviceOutputs.of(EmotionModel.load(options.model), options.clips).save(options.out)
    except EdgeSerError as error:
        sys.exit(f"edge-ser: {error}")
    except OSError as error:
        sys.exit(f"edge-ser: {options.out}: cannot be written: {system_reason(error)}")
    print(f"{options.out}: {len(options.clips)} clips on {platform.machine()}")


if __name__ == "__main__":
    main()
