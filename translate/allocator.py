"""Keep freed memory for the next step: on a CPU, page faults cost a quarter of the descent."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of mallopt's settings in glibc's malloc.h
_MMAP_BYTES = 32 * 2**20  # the most glibc takes
_TRIM_BYTES = 2**31 - 1


def keep_freed_memory() -> bool:
    """Tell glibc not to hand buffers of activations back to the system after every operation.

    Each operation of a step frees tensors of megabytes; by default the next one gets fresh pages,
    zeroed by the kernel one fault at a time. Acts on the whole process, so programs call it and
    the library does not; the environment variables MALLOC_MMAP_THRESHOLD_ and
    MALLOC_TRIM_THRESHOLD_ do the same from outside.

    Returns:
        Whether this C library took the settings; elsewhere than on glibc nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _MMAP_BYTES) and mallopt(_TRIM_THRESHOLD, _TRIM_BYTES))
