"""Short test ids for configurations."""

from __future__ import annotations

import dataclasses

from edge_runtime import MfccConfig


def config_id(config: MfccConfig) -> str:
    """Return the settings that differ from the defaults of the convention.

    >>> config_id(MfccConfig(n_mels=23, lifter=22.0))
    'librosa,n_mels=23,lifter=22.0'
    """
    is_librosa = config.convention == "librosa"
    default = MfccConfig() if is_librosa else MfccConfig.python_speech_features()
    names = [field.name for field in dataclasses.fields(config)]
    changed = [name for name in names if getattr(config, name) != getattr(default, name)]
    return ",".join([config.convention, *(f"{name}={getattr(config, name)}" for name in changed)])
