"""Rows of the front end and statistics of clips, from one FFT."""

from __future__ import annotations

import numpy as np

from edge_runtime import MfccConfig
from edge_runtime.features.front_end import FrontEnd
from edge_runtime.features.running_functionals import RunningFunctionals


class StatisticsFrontEnd:
    """Computes the rows and the statistics of a clip, as the device does.

    Args:
        config: The settings of the MFCC.

    Attributes:
        names: Names of the statistics.
        sample_rate: Rate of the samples in Hz.
        width: Columns of a row: coefficients, then voice descriptors.

    Raises:
        ConfigError: If the voice descriptors do not support the settings.
    """

    def __init__(self, config: MfccConfig) -> None:
        self._front_end = FrontEnd(config, with_descriptors=True)
        self.names = self._running().names
        self.sample_rate = config.sample_rate
        self.width = self._front_end.width

    def __call__(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows, float32 `(n_frames, width)`, and the statistics of a clip.

        The statistics are float32 `(n_statistics,)`, NaN where they are undefined.
        """
        rows = self._front_end(samples)
        running = self._running()
        running.push(rows)
        return rows, running.values()

    def _running(self) -> RunningFunctionals:
        config = self._front_end.config
        return RunningFunctionals(config.n_mfcc, config.frame_period)
