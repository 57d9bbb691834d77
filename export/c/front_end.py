"""Constants and tables of the front end, the silence removal and the decision."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from edge_runtime import ConfigError, MfccConfig
from edge_runtime.audio.level import BLOCK_SECONDS
from edge_runtime.features.filterbank import band_matrix, cepstral_matrix, frame_window
from edge_runtime.features.framing import Framing
from edge_runtime.features.silence import SilenceConfig, SilenceGate
from edge_runtime.inference.arousal import MIN_PROBABILITY
from edge_runtime.inference.card import ModelCard

from .fft_tables import fft_twiddles

MAX_N_FFT = 1 << 14  # the indices of bins are 16-bit numbers


@dataclass
class Constants:
    """Constants of a model for its C source.

    Attributes:
        macros: Values of macros by name, without the prefix.
        tables: Constant arrays by name, without the prefix.
    """

    macros: dict[str, int | float | np.float32] = field(default_factory=dict)
    tables: dict[str, np.ndarray] = field(default_factory=dict)

    def add(self, other: Constants) -> None:
        """Add the constants of another part of the model."""
        self.macros |= other.macros
        self.tables |= other.tables


def check_front_end(config: MfccConfig) -> None:
    """Raise ConfigError if the C library does not support a front end."""
    n_fft = config.n_fft
    smallest = float(np.finfo(np.float32).tiny)
    for name, holds, expected in (
        (
            "n_fft",
            n_fft & (n_fft - 1) == 0 and 4 <= n_fft <= MAX_N_FFT,
            "a power of two, 4 to 16384",
        ),
        ("top_db", config.top_db is None, "None: the samples arrive in chunks"),
        ("pad_mode", not config.center or config.pad_mode == "constant", "'constant'"),
        ("amin", config.amin >= smallest, f"{smallest:.3g} or more: the arithmetic is float32"),
    ):
        if not holds:
            raise ConfigError(
                f"mfcc_config: {name}={getattr(config, name)!r} must be {expected}, for C"
            )


def front_end_constants(config: MfccConfig) -> Constants:
    """Return the constants of the MFCC.

    Raises:
        ConfigError: If the C library does not support the front end.
    """
    check_front_end(config)
    framing = Framing(config)
    psf = framing.psf
    window = frame_window(config)
    used = np.flatnonzero(window)  # a window may be shorter than the FFT
    start, end = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 1)
    macros: dict[str, int | float | np.float32] = {
        "N_FFT": config.n_fft,
        "N_BINS": config.n_fft // 2 + 1,
        "SPAN": framing.span,
        "HOP": framing.hop,
        "PAD": framing.pad,
        "PADS_LAST_FRAME": int(psf),
        "WINDOW_START": start,
        "WINDOW_LENGTH": end - start,
        "HAS_PREEMPHASIS": int(config.preemphasis > 0),
        "PREEMPHASIS": np.float32(config.preemphasis),
        "POWER": np.float32(config.power),
        "POWER_IS_1": int(config.power == 1),
        "POWER_IS_2": int(config.power == 2),
        "REPLACES_ZERO": int(psf),
        "AMIN": np.float32(np.finfo(float).eps if psf else config.amin),
        "LOG_OFFSET": np.float32(0 if psf else np.log(max(1.0, config.amin))),
        "FRAME_PERIOD": config.frame_period,
        "LEVEL_BLOCK": max(1, int(BLOCK_SECONDS * config.sample_rate)),
    }
    tables = {"window": window[start:end].astype(np.float32)}
    tables["twiddles"] = fft_twiddles(config.n_fft)
    bands = band_matrix(config)  # (n_bins, n_bands)
    macros["N_BANDS"] = bands.shape[1]
    tables |= band_tables("band", bands)
    # The logarithm is natural; librosa's is decimal.
    factor = 1.0 if psf else 1.0 / np.log(10.0)
    macros["N_MFCC"] = config.n_mfcc
    tables["cepstra"] = (cepstral_matrix(config).T * factor).astype(np.float32)
    return Constants(macros, tables)


def band_tables(name: str, bands: np.ndarray) -> dict[str, np.ndarray]:
    """Return the non-zero parts of bands: their first bins, lengths and weights.

    Args:
        name: Beginning of the names of the tables.
        bands: Weights `(n_bins, n_bands)`.
    """
    starts, lengths, weights = [], [], []
    for band in bands.T:
        inside = np.flatnonzero(band)
        first, last = (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (0, 0)
        starts.append(first)
        lengths.append(last - first)
        weights.append(band[first:last])
    return {
        f"{name}_start": np.array(starts, np.int16),
        f"{name}_length": np.array(lengths, np.int16),
        f"{name}_weights": np.concatenate([*weights, [0.0]]).astype(np.float32),  # never empty
    }


def silence_constants(silence: SilenceConfig | None, config: MfccConfig) -> Constants:
    """Return the constants of the silence removal."""
    if silence is None:
        return Constants({"HAS_SILENCE": 0})
    gate = SilenceGate(silence, config)
    return Constants(
        {
            "HAS_SILENCE": 1,
            "MARGIN": gate.margin,
            "DECAY": float(gate.decay),
            "RANGE_DB": float(silence.range_db),
            "FLOOR_DB": float(silence.floor_db),
            "RELATIVE_LEVEL": int(silence.relative),
        },
        {"to_level": gate.to_level.astype(np.float64), "per_db": gate.per_db.astype(np.float64)},
    )


def decision_constants(card: ModelCard) -> Constants:
    """Return the constants of the rule that turns logits into a label."""
    constants = Constants(
        {
            "TEMPERATURE": np.float32(card.temperature),
            "UNCERTAIN_BELOW": np.float32(card.uncertain_below),
            "SPEECH_ABOVE": np.float32(card.speech_above),
            "SPEECH_ABOVE_DBFS": np.float32(card.speech_above_dbfs),
            "HAS_AROUSAL": int(card.arousal is not None),
        }
    )
    if card.arousal is not None:
        constants.macros["AROUSAL_SCALE"] = np.float32(card.arousal.scale)
        constants.macros["AROUSAL_OFFSET"] = np.float32(card.arousal.offset)
        constants.macros["MIN_PROBABILITY"] = np.float32(MIN_PROBABILITY)
        constants.tables["is_aroused"] = np.array(
            [label in card.arousal.labels for label in card.labels], np.uint8
        )
    return constants
