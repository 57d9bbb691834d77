"""What to say where edge-ser cannot run. Standard library alone, because setup.py asks it too."""

from __future__ import annotations

import platform
import struct

NO_32_BIT_ARM = (
    "onnxruntime, which runs the network, does not exist for 32-bit ARM; "
    "install the 64-bit Raspberry Pi OS (or another arm64 system), and edge-ser there"
)


def is_32_bit_arm() -> bool:
    """By the size of a pointer as well: 32-bit Python on a 64-bit kernel calls itself aarch64."""
    return struct.calcsize("P") == 4 and platform.machine().lower().startswith(("arm", "aarch64"))


def why_no_onnxruntime(error: ImportError) -> str:
    """What is wrong and what to do after `import onnxruntime` has failed."""
    if is_32_bit_arm():
        return NO_32_BIT_ARM
    if isinstance(error, ModuleNotFoundError) and error.name == "onnxruntime":
        return "onnxruntime is not installed; run `pip install onnxruntime`"
    return (
        f"onnxruntime cannot be imported ({' '.join(str(error).split())}); run "
        "`pip install --force-reinstall onnxruntime`"
    )


def why_no_soundfile(error: Exception) -> str:
    """The same of `import soundfile`, which is an OSError without its library."""
    if isinstance(error, ModuleNotFoundError) and error.name == "soundfile":
        return "soundfile is not installed; run `pip install soundfile`"
    return (
        f"soundfile or its library libsndfile cannot be loaded ({' '.join(str(error).split())}); "
        "run `pip install --force-reinstall soundfile`, or on Debian `apt-get install libsndfile1`"
    )
