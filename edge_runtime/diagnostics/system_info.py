"""Properties of this machine: processor, board, operating system, installed packages."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
import struct
import subprocess
from pathlib import Path

# On ARM, Linux reports part numbers instead of names. These are the cores designed by ARM:
# https://github.com/util-linux/util-linux/blob/master/sys-utils/lscpu-arm.c
ARM_PARTS = {
    0xB76: "ARM1176",
    0xC07: "Cortex-A7",
    0xC08: "Cortex-A8",
    0xC09: "Cortex-A9",
    0xC0F: "Cortex-A15",
    0xD03: "Cortex-A53",
    0xD04: "Cortex-A35",
    0xD05: "Cortex-A55",
    0xD07: "Cortex-A57",
    0xD08: "Cortex-A72",
    0xD09: "Cortex-A73",
    0xD0A: "Cortex-A75",
    0xD0B: "Cortex-A76",
    0xD0C: "Neoverse-N1",
    0xD0D: "Cortex-A77",
    0xD40: "Neoverse-V1",
    0xD41: "Cortex-A78",
    0xD42: "Cortex-A78AE",
    0xD49: "Neoverse-N2",
    0xD4F: "Neoverse-V2",
}
ARM_LTD = 0x41  # "CPU implementer"; others have part numbers of their own


def processor() -> str:
    """Return the name of the processor, or "unknown" if the system does not report it."""
    try:
        name = processor_of(Path("/proc/cpuinfo").read_text(errors="replace"))
    except OSError:
        name = ""
    if not name and platform.system() == "Darwin":
        with contextlib.suppress(OSError):
            name = subprocess.run(
                ["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True
            ).stdout.strip()
    return name or platform.processor() or platform.machine() or "unknown"


def processor_of(cpuinfo: str) -> str:
    r"""Return the name of the processor in the text of Linux's /proc/cpuinfo, or "".

    Example:
        >>> processor_of("processor : 0\nCPU implementer : 0x41\nCPU part : 0xd08\n")
        'Cortex-A72'
    """
    # From the last core on: on a chip with two kinds of cores, the larger have higher numbers.
    pairs = [line.partition(":") for line in reversed(cpuinfo.splitlines())]
    values: dict[str, str] = {}
    for key, _, value in pairs:
        values.setdefault(key.strip(), value.strip())
    try:
        if int(values["CPU implementer"], 16) == ARM_LTD:
            return ARM_PARTS[int(values["CPU part"], 16)]
    except (KeyError, ValueError):
        pass
    return values.get("model name") or values.get("cpu model") or values.get("Hardware") or ""


def board() -> str | None:
    """Return the name of a single-board computer, or None on other machines.

    An example is "Raspberry Pi 4 Model B Rev 1.4".

    https://docs.kernel.org/devicetree/usage-model.html
    """
    try:
        return Path("/proc/device-tree/model").read_text(errors="replace").strip("\0\n ") or None
    except OSError:
        return None


def bits() -> int:
    """Return 32 or 64, the pointer size of this Python."""
    return 8 * struct.calcsize("P")


def system() -> str:
    """Return name and version of the operating system, and the machine type."""
    return f"{platform.system()} {platform.release()} {platform.machine()}"


def installed(package: str) -> str | None:
    """Return the version of an installed distribution, or None if it is missing."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
