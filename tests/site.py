"""A running web app for tests: `python app.py` in a process of its own, on a free port."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]


class Site(NamedTuple):
    """Where it is, and its process."""

    url: str
    pid: int
    folder: Path

    @property
    def temp(self) -> Path:
        """The app's own temporary folder."""
        (only,) = self.folder.glob("translate-*")
        return only


@contextmanager
def run_site(folder: Path, *arguments: str) -> Iterator[Site]:
    """Serve until the block ends; then nothing may be left in `folder`, its temporary files'."""
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "app.py"), "--port", "0", "--device", "cpu", *arguments],
        # One thread: the browser that watches needs a core of its own.
        env=os.environ | {"TMPDIR": str(folder), "NO_PROXY": "127.0.0.1", "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
    )
    assert process.stderr is not None
    try:
        lines: list[str] = []
        for line in process.stderr:
            lines.append(line)
            if match := re.search(r"serving .* on (http://\S+)", line):
                break
        else:
            raise AssertionError("".join(lines))
        yield Site(match[1], process.pid, folder)
    finally:
        process.terminate()
        rest = process.stderr.read()
        process.stderr.close()
        assert process.wait(60) == 0, rest
        assert "Traceback" not in rest, rest
        assert not list(folder.glob("translate-*"))
