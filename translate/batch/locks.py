"""Who writes where: advisory locks, and temporary files that a killed run left behind."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from collections.abc import Generator
from pathlib import Path

from translate.errors import InputError

try:
    import fcntl
except ImportError:  # not a POSIX system: no locks, so only old leftovers are removed
    fcntl = None

_TEMPORARY = re.compile(r"\.[0-9a-f]{16}\.tmp")  # as in translate.files
OLD_S = 3600.0  # no image takes so long to write


def lock(file: int, *, alone: bool, wait: bool = False) -> bool | None:
    """Lock an open file or folder until it is closed.

    False if another process has it, None where the system knows no locks.
    """
    if fcntl is None:
        return None
    try:
        kind = fcntl.LOCK_EX if alone else fcntl.LOCK_SH
        fcntl.flock(file, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


@contextlib.contextmanager
def results_folder(out: Path) -> Generator[None]:
    """Hold `out` as a folder of results, after removing what killed runs left in it.

    Runs share the folder (each has its own journal). As long as one is at work, temporary files
    may be its own, so only those older than an hour go.

    Raises:
        InputError: the folder cannot be made, or nothing can be written to it.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / f".{secrets.token_hex(8)}.tmp"
        probe.touch()
        probe.unlink()
        handle = os.open(out, os.O_RDONLY)
    except OSError as error:
        raise InputError(f"Cannot write to {out}: {error.strerror}; use another OUT.") from error
    try:
        alone = lock(handle, alone=True)
        remove_leftovers(out, older_s=0.0 if alone else OLD_S)
        lock(handle, alone=False, wait=True)
        yield
    finally:
        os.close(handle)


def remove_leftovers(out: Path, *, older_s: float) -> int:
    """Remove temporary files of `translate.files.atomic_path` below `out`; how many they were."""
    limit, count = time.time() - older_s, 0
    for folder, _, names in os.walk(out):
        for name in filter(_TEMPORARY.fullmatch, names):
            path = Path(folder, name)
            with contextlib.suppress(OSError):
                if older_s == 0 or path.stat().st_mtime < limit:
                    path.unlink()
                    count += 1
    return count
