"""Constants and tables of the voice descriptors, the clip statistics and their linear branch."""

from __future__ import annotations

import numpy as np

from edge_runtime import ConfigError
from edge_runtime.features.descriptor_config import (
    DESCRIPTORS,
    SEMITONE_REFERENCE,
    DescriptorConfig,
)
from edge_runtime.features.frame_descriptors import FrameDescriptors
from edge_runtime.features.framing import Framing
from edge_runtime.features.functionals import functional_names
from edge_runtime.features.pitch import TINY, window_autocorrelation
from edge_runtime.inference.card import ModelCard
from edge_runtime.inference.known_voice import MAX_DEVIATION

from .front_end import Constants, band_tables
from .weights import ModelWeights


def statistics_constants(card: ModelCard, weights: ModelWeights, block_seconds: float) -> Constants:
    """Return the constants of the clip statistics.

    Args:
        card: The model card.
        weights: The weights of the model.
        block_seconds: Length of the blocks of the statistics.

    Raises:
        ConfigError: If the library does not support the sample rate.
    """
    config = card.mfcc_config
    if card.statistics is None:
        return Constants({"HAS_STATISTICS": 0, "WIDTH": config.n_mfcc})
    descriptors = DescriptorConfig.from_mfcc(config)
    frames = FrameDescriptors(descriptors)
    constants = Constants(
        {
            "HAS_STATISTICS": 1,
            "N_DESCRIPTORS": len(DESCRIPTORS),
            "WIDTH": config.n_mfcc + len(DESCRIPTORS),
            "TINY": np.float32(TINY),
        }
    )
    constants.add(_pitch(descriptors, frames))
    constants.add(_spectral(descriptors, frames))

    framing = Framing(config)
    computed = functional_names(config.n_mfcc)
    block_frames = max(1, round(block_seconds / config.frame_period))
    constants.macros |= {
        "BLOCK_FRAMES": block_frames,
        "TAIL_FRAMES": (framing.pad - 1) // framing.hop + 1 if framing.pad else 0,
        "N_FUNCTIONALS": len(computed),
        "STATISTICS_SCRATCH": block_frames + len(computed),
        "MAX_DEVIATION": np.float32(MAX_DEVIATION),
    }
    columns = [computed.index(name) for name in card.statistics]
    constants.tables["statistics_columns"] = np.array(columns, np.uint16)
    constants.tables["statistics_mean"] = weights.branch("mean")
    constants.tables["statistics_deviation"] = weights.branch("std")
    constants.tables["branch_weights"] = weights.branch("unknown_weights")
    constants.tables["branch_bias"] = weights.branch("unknown_bias")
    constants.macros["BRANCH_NETWORK"] = np.float32(weights.branch("unknown_network").item())
    return constants


def _pitch(config: DescriptorConfig, frames: FrameDescriptors) -> Constants:
    """Return the constants of the pitch tracker."""
    pitch = frames.pitch
    n_lags = len(pitch.lag_cost) + 2  # with a neighbour at either end
    # The autocorrelation at the rate of the lags is a Fourier transform of this length.
    length = config.n_fft * pitch.lag_rate / config.sample_rate
    if length != int(length) or int(length) & (int(length) - 1) or length > config.n_fft:
        raise ConfigError(
            f"mfcc_config: sample_rate={config.sample_rate} must be {pitch.lag_rate:g} times a "
            "power of two, for a model with clip statistics in C"
        )
    lags = np.arange(pitch.first_lag - 1, pitch.first_lag - 1 + n_lags)
    window = window_autocorrelation(config, lags / pitch.lag_rate * config.sample_rate)
    return Constants(
        {
            "N_CANDIDATES": config.n_candidates,
            "PITCH_REACH": config.reach,
            "PITCH_FLOOR": np.float32(config.pitch_floor),
            "LAG_RATE": np.float32(pitch.lag_rate),
            "FIRST_LAG": pitch.first_lag,
            "N_LAGS": n_lags,
            "LAG_FFT": int(length),
            "LAG_SCRATCH": 2 * int(length) + 2,
            "N_PITCH_BINS": len(pitch.weights),
            "OCTAVE_COST": np.float32(config.octave_cost),
            "OCTAVE_JUMP_COST": np.float32(config.octave_jump_cost),
            "VOICING_COST": np.float32(config.voicing_cost),
            "VOICING_THRESHOLD": np.float32(config.voicing_threshold),
        },
        {
            "pitch_filter": pitch.weights,
            "lag_weights": (1.0 / window).astype(np.float32),
            "lag_cost": np.pad(pitch.lag_cost, 1),
        },
    )


def _spectral(config: DescriptorConfig, frames: FrameDescriptors) -> Constants:
    """Return the constants of the descriptors of the spectrum."""
    constants = Constants(
        {
            "SEMITONE_REFERENCE": np.float32(SEMITONE_REFERENCE),
            "N_AUDITORY": config.n_bands,
            "N_DESCRIPTOR_BINS": config.n_bins,
            "N_SLOPE_BINS": len(frames.slopes),
            "BINS_PER_HZ": np.float32(config.n_fft / config.sample_rate),
            "BIN_300": frames.first_formant.start,
            "BIN_1000": frames.first_formant.stop,
            "BIN_2000": frames.split,
            "BIN_50": int(np.flatnonzero(frames.sums[:, -2])[0]),
        },
        {"slope_weights": frames.slopes},
    )
    constants.tables |= band_tables("auditory", frames.sums[:, :-2])
    return constants
