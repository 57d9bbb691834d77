"""What computes: the CPU, or an accelerator that torch knows."""

from __future__ import annotations

import torch

from edge_runtime import ConfigError


def pick_device(name: str) -> str:
    """`name` as torch has it; "auto" is an accelerator where there is one, else the CPU.

    >>> pick_device("cpu")
    'cpu'
    """
    if name == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.zeros(1, device=name).cpu()  # "meta" computes nothing
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).partition("\n")[0]
        raise ConfigError(
            f"--device {name}: torch cannot use it ({reason}); wanted auto, cpu, cuda or mps"
        ) from error
    return name
