"""Atomic writing: a temporary name in the same folder, renamed when complete."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Generator
from pathlib import Path


@contextlib.contextmanager
def atomic_path(target: str | os.PathLike[str]) -> Generator[Path]:
    """A temporary sibling of `target`: renamed to it on success, removed on any failure.

    Missing parent folders are made. A link is followed, so the file it names is replaced and the
    link stays. The temporary name is short and does not hold the target's own name: a target near
    the file system's length limit still works. Raises `OSError` as the file system does.
    """
    real = Path(os.path.realpath(target))
    if real.is_dir():
        raise IsADirectoryError(f"{target} is a folder")
    real.parent.mkdir(parents=True, exist_ok=True)
    temporary = real.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        yield temporary
        temporary.replace(real)
    finally:
        temporary.unlink(missing_ok=True)
