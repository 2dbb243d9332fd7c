"""The app's own temporary folder: private, swept while it runs, gone when it ends."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from translate.ui.limits import FILES_KEPT_S, SWEEP_EVERY_S


@contextmanager
def private_folder() -> Generator[Path]:
    """A new folder that Gradio puts uploads and results in. Enter before Gradio is imported."""
    folder = Path(tempfile.mkdtemp(prefix="translate-")).resolve()
    old = os.environ.get("GRADIO_TEMP_DIR")
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    try:
        yield folder
    finally:
        if old is None:
            del os.environ["GRADIO_TEMP_DIR"]
        else:
            os.environ["GRADIO_TEMP_DIR"] = old
        shutil.rmtree(folder, ignore_errors=True)


def _below(folder: Path) -> Generator[Path]:
    """What is in a folder, the innermost first; what goes meanwhile is passed over."""
    for parent, folders, files in os.walk(folder, topdown=False):
        for name in (*files, *folders):
            yield Path(parent, name)


class Sweeper:
    """Deletes what is old in a folder, in a thread of its own, until it is closed.

    Files that are there at the start (pictures of the page itself) stay.

    Args:
        folder: to sweep.
        age_s: how long a file is kept after it was written or last handed out.
        every_s: between two rounds.
    """

    def __init__(
        self, folder: Path, age_s: float = FILES_KEPT_S, every_s: float = SWEEP_EVERY_S
    ) -> None:
        self.folder, self.age_s, self.every_s = folder, age_s, every_s
        self.kept = frozenset(_below(folder))
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)
        self._thread.start()

    def sweep(self) -> int:
        """One round; returns how many files were deleted."""
        oldest, deleted = time.time() - self.age_s, 0
        for path in _below(self.folder):
            if path in self.kept:
                continue
            try:
                status = path.lstat()
                if max(status.st_ctime, status.st_mtime) > oldest:
                    continue
                if path.is_dir() and not path.is_symlink():
                    path.rmdir()
                else:
                    path.unlink()
                    deleted += 1
            except OSError:  # a folder with younger files, or somebody was faster
                continue
        return deleted

    def close(self) -> None:
        """Stop; what is there stays."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closed.wait(self.every_s):
            self.sweep()
