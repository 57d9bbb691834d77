"""Selection of the torch device."""

from __future__ import annotations

import torch

from edge_runtime import ConfigError


def pick_device(name: str) -> str:
    """Return the torch device for `--device`.

    Args:
        name: A torch device, or "auto" for an accelerator if available, else the CPU.

    Raises:
        ConfigError: If torch cannot use the device.

    Example:
        >>> pick_device("cpu")
        'cpu'
    """
    if name == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.zeros(1, device=name).cpu()  # fails for "meta", which computes nothing
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"--device {name} is not available in torch ({reason}); expected auto, cpu, cuda or mps"
        ) from error
    return name
