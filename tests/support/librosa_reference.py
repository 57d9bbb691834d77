"""librosa's features for the settings of an `MfccConfig`."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from edge_runtime import MfccConfig

librosa = pytest.importorskip("librosa")  # not installed on devices


def librosa_mel(samples: np.ndarray, config: MfccConfig) -> np.ndarray:
    """Return `librosa.feature.melspectrogram`, shape `(n_frames, n_mels)`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # short clips, empty filters
        return librosa.feature.melspectrogram(
            y=samples,
            sr=config.sample_rate,
            n_fft=config.n_fft,
            hop_length=config.hop_length,
            win_length=config.win_length,
            window=config.window,
            center=config.center,
            pad_mode=config.pad_mode,
            power=config.power,
            n_mels=config.n_mels,
            fmin=config.fmin,
            fmax=config.fmax,
            htk=config.htk,
            norm=config.norm,
            dtype=np.float64 if samples.dtype == np.float64 else np.float32,
        ).T


def librosa_log_mel(samples: np.ndarray, config: MfccConfig) -> np.ndarray:
    """Return `librosa.power_to_db` of the mel spectrogram, shape `(n_frames, n_mels)`."""
    return librosa.power_to_db(librosa_mel(samples, config), amin=config.amin, top_db=config.top_db)


def librosa_mfcc(samples: np.ndarray, config: MfccConfig) -> np.ndarray:
    """Return `librosa.feature.mfcc` of the log-mel spectrogram, shape `(n_frames, n_mfcc)`."""
    return librosa.feature.mfcc(
        S=librosa_log_mel(samples, config).T,
        n_mfcc=config.n_mfcc,
        dct_type=config.dct_type,
        norm=config.dct_norm,
        lifter=config.lifter,
    ).T
