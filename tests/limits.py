"""Bounds that end what would otherwise take the machine with it."""

from __future__ import annotations

import faulthandler
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HANG_S = 900


@contextmanager
def memory_within(spare: int) -> Iterator[None]:
    """Within the block the process may allocate so many bytes more, whatever it held before."""
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmSize:\s+(\d+) kB", status)
    assert found is not None
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (int(found[1]) * 1024 + spare, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextmanager
def no_hang() -> Iterator[None]:
    """A block that never ends ends the process, with the place where it hangs."""
    faulthandler.dump_traceback_later(HANG_S, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
