"""Short test ids for configurations."""

from __future__ import annotations

import dataclasses

from edge_runtime import MfccConfig


def config_id(config: MfccConfig) -> str:
    """Return the settings that differ from the defaults.

    >>> config_id(MfccConfig(n_mels=23, lifter=22.0))
    'n_mels=23,lifter=22.0'
    """
    values = [(field.name, getattr(config, field.name)) for field in dataclasses.fields(config)]
    changed = [f"{name}={value}" for name, value in values if value != getattr(MfccConfig(), name)]
    return ",".join(changed) or "default"
