"""Return freed memory to the system: a server runs for months.

https://man7.org/linux/man-pages/man3/mallopt.3.html
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8

# glibc raises these to twice the largest block that was freed, and keeps as much.
MMAP_BYTES, TRIM_BYTES = 4 << 20, 8 << 20
ARENAS = 2  # by default eight for each core


def configure() -> Callable[[], object]:
    """Limit what the C library and Python keep, and return a function that frees the rest.

    Other systems than Linux with glibc keep their settings.
    """
    gc.collect()
    gc.freeze()  # the modules and the model stay
    gc.set_threshold(700, 10, 10)  # connections leave cycles
    try:
        library = ctypes.CDLL(None)
        library.mallopt(_M_ARENA_MAX, ARENAS)
        library.mallopt(_M_MMAP_THRESHOLD, MMAP_BYTES)
        library.mallopt(_M_TRIM_THRESHOLD, TRIM_BYTES)
        trim = library.malloc_trim
    except (AttributeError, OSError, TypeError):
        return lambda: None

    def free() -> None:
        trim(0)

    return free
