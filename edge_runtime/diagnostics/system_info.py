"""What machine this is: its processor, its cores, its system, the versions of what is installed."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
import struct
import subprocess
from pathlib import Path

# What an ARM processor under Linux says of itself instead of a name: the part numbers of ARM's
# own cores, https://github.com/util-linux/util-linux/blob/master/sys-utils/lscpu-arm.c
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
ARM_LTD = 0x41  # "CPU implementer"; others number their parts on their own


def processor() -> str:
    """The name of the processor, as far as the system tells."""
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
    """The name in the text of Linux's /proc/cpuinfo, "" if there is none.

    >>> processor_of("processor : 0\\nCPU implementer : 0x41\\nCPU part : 0xd08\\n")
    'Cortex-A72'
    """
    # The last core comes first: where a chip has two kinds, the larger have the higher numbers.
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
    """The name of a single-board computer such as "Raspberry Pi 4 Model B Rev 1.4", if it is one.

    https://docs.kernel.org/devicetree/usage-model.html
    """
    try:
        return Path("/proc/device-tree/model").read_text(errors="replace").strip("\0\n ") or None
    except OSError:
        return None


def bits() -> int:
    """Of this Python: 32 or 64, whatever the processor could do."""
    return 8 * struct.calcsize("P")


def system() -> str:
    """Name and version of the operating system, and the kind of machine."""
    return f"{platform.system()} {platform.release()} {platform.machine()}"


def installed(package: str) -> str | None:
    """The version of an installed distribution, None if it is missing."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
