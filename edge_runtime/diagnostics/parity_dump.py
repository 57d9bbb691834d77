"""Outputs of one machine for a set of clips, stored for comparison with another machine.

`edge-ser parity-dump` writes the file on the device, and `python -m export device` compares it with
the outputs for the same clips on this machine.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..audio.level import peak_dbfs
from ..audio.read import read_audio
from ..errors import EdgeSerError
from ..files import atomic_replace, sha256
from ..inference.network import HasNetwork, Network, network_of
from ..messages import system_reason


@dataclass(frozen=True)
class DeviceOutputs:
    """Features, logits and probabilities that one machine computes for a set of clips.

    Attributes:
        machine: Machine type, as in `uname -m`.
        model: SHA-256 of the model file.
        clips: SHA-256 of each clip; identifies clips independent of their names.
        features: MFCC of each clip with its silent frames, float32 `(n_frames, n_mfcc)`.
        logits: Float32 `(n_clips, n_labels)`.
        probabilities: Float32 `(n_clips, n_labels)`.
        no_speech: Which clips are answered with "no speech", bool `(n_clips,)`.
    """

    machine: str
    model: str
    clips: tuple[str, ...]
    features: tuple[np.ndarray, ...]
    logits: np.ndarray
    probabilities: np.ndarray
    no_speech: np.ndarray

    @classmethod
    def compute(
        cls, model: HasNetwork | Network, files: Iterable[str | os.PathLike[str]]
    ) -> DeviceOutputs:
        """Compute the outputs for audio files on this machine.

        Args:
            model: The model.
            files: Paths of the clips.

        Raises:
            AudioError: If a file cannot be read.
        """
        network = network_of(model)
        clips, features, outputs, levels = [], [], [], []
        for file in map(Path, files):
            samples = read_audio(file, network.sample_rate)
            clips.append(sha256(file))
            features.append(network.front_end.mfcc(samples))
            outputs.append(network.run_clip(samples))
            levels.append(peak_dbfs(samples, network.sample_rate))
        card = network.card
        quiet = np.array(levels) < card.speech_above_dbfs
        return cls(
            machine=platform.machine(),
            model=sha256(network.path),
            clips=tuple(clips),
            features=tuple(features),
            logits=np.stack([output.logits for output in outputs]),
            probabilities=np.stack([output.probabilities for output in outputs]),
            no_speech=quiet | (np.array([output.speech for output in outputs]) < card.speech_above),
        )

    def save(self, path: Path) -> None:
        """Write an .npz file.

        Raises:
            EdgeSerError: If the file cannot be written.
        """
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
                no_speech=self.no_speech,
            )

    @classmethod
    def load(cls, path: Path) -> DeviceOutputs:
        """Read a file that `save` wrote.

        Raises:
            EdgeSerError: If the file is missing or has other content.
        """
        try:
            with np.load(path, allow_pickle=False) as stored:
                ends = np.cumsum(stored["n_frames"])[:-1]
                return cls(
                    machine=str(stored["machine"]),
                    model=str(stored["model"]),
                    clips=tuple(map(str, stored["clips"])),
                    features=tuple(np.split(stored["features"], ends)),
                    logits=stored["logits"],
                    probabilities=stored["probabilities"],
                    no_speech=stored["no_speech"],
                )
        except Exception as error:  # zipfile, numpy and the system raise different classes
            raise EdgeSerError(
                f"{path}: cannot be read ({system_reason(error)}); expected a file that `edge-ser "
                "parity-dump` wrote"
            ) from error
