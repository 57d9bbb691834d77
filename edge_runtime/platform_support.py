"""Messages for platforms and installations on which edge-ser cannot run.

This module uses the standard library alone, because setup.py reads it.
"""

from __future__ import annotations

import platform
import struct

NO_32_BIT_ARM = (
    "onnxruntime, which runs the network, does not exist for 32-bit ARM; "
    "install edge-ser on the 64-bit Raspberry Pi OS, or another arm64 system"
)


def is_32_bit_arm() -> bool:
    """Return True on 32-bit ARM.

    The size of a pointer counts as well: 32-bit Python on a 64-bit kernel reports aarch64.
    """
    return struct.calcsize("P") == 4 and platform.machine().lower().startswith(("arm", "aarch64"))


def why_no_onnxruntime(error: ImportError) -> str:
    """Explain why `import onnxruntime` failed, and what to do."""
    if is_32_bit_arm():
        return NO_32_BIT_ARM
    if isinstance(error, ModuleNotFoundError) and error.name == "onnxruntime":
        return "onnxruntime is not installed; run `pip install onnxruntime`"
    return (
        f"onnxruntime cannot be imported ({' '.join(str(error).split())}); run "
        "`pip install --force-reinstall onnxruntime`"
    )


def why_no_soundfile(error: Exception) -> str:
    """Explain why `import soundfile` failed, and what to do.

    The error is an OSError if libsndfile is missing.
    """
    if isinstance(error, ModuleNotFoundError) and error.name == "soundfile":
        return "soundfile is not installed; run `pip install soundfile`"
    return (
        f"soundfile or its library libsndfile cannot be loaded ({' '.join(str(error).split())}); "
        "run `pip install --force-reinstall soundfile`, or on Debian `apt-get install libsndfile1`"
    )
