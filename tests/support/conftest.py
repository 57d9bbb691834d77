"""Models of the C library need PyTorch, which a device does not have."""

import importlib.util

if importlib.util.find_spec("torch") is None:
    collect_ignore = ["c_models.py"]
