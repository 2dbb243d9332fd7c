"""How a program uses a CPU: what it asks of the C library and of OpenMP before torch is there."""

from __future__ import annotations

import ctypes
import os
import sys

# Names of mallopt's settings in glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_MMAP_BYTES = 32 * 2**20  # the most glibc takes
_TRIM_BYTES = 2**31 - 1
_ARENAS = 2

_SPINS = "20000"
"""Rounds, half a millisecond to a whole one, that a thread waits for others before it sleeps. GNU's
OpenMP has 300,000, and with another busy program on a core a walk took five to thirty times as long
as its share: each waited for threads that its own waiting kept from running. So many cost 1 % of a
walk that has the cores for itself (`benchmarks/busy.py --busy 0`), 3,000 a quarter of it."""


def wait_briefly() -> None:
    """Have OpenMP's threads leave a core soon that they have nothing to do on.

    Says nothing where the environment says already how they wait, and nothing to other OpenMPs than
    GNU's, which torch has on Linux. Call it before torch is imported.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)


def keep_freed_memory() -> bool:
    """Tell glibc not to hand buffers of activations back to the system after every operation: page
    faults cost a quarter of a descent.

    Each operation of a step frees tensors of megabytes; by default the next one gets fresh pages,
    zeroed by the kernel one fault at a time. What is kept stays little because threads share few
    arenas: with one of their own each, a server's memory grows with every thread that ever had a
    large picture. Acts on the whole process, so programs call it before they start threads, and the
    library does not; the environment variables MALLOC_MMAP_THRESHOLD_, MALLOC_TRIM_THRESHOLD_ and
    MALLOC_ARENA_MAX do the same from outside.

    Returns:
        Whether this C library took the settings; elsewhere than on glibc nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library
        return False
    settings = {
        _MMAP_THRESHOLD: _MMAP_BYTES,
        _TRIM_THRESHOLD: _TRIM_BYTES,
        _ARENA_MAX: _ARENAS,
    }
    return all(mallopt(name, value) for name, value in settings.items())
