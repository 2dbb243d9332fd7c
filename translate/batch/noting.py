"""What every kind of run does with a record: note it, and end where it must."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Protocol

from translate.batch.journal import Record


class Log(Protocol):
    """Where records go: a `Journal`, or what stands in for one."""

    path: Path

    def append(self, record: Record) -> None:
        """Write one line. Raises `OSError` as the file system does."""
        ...


class Noting:
    """The journal of a run, and why it ended.

    Args:
        journal: open.
        stop: set it to begin nothing more; the run sets it when it has to end.
        fail_fast: end at the first failure.

    Attributes:
        ended: why the run stopped before its end by itself, or None.
    """

    def __init__(self, journal: Log, stop: threading.Event | None, *, fail_fast: bool) -> None:
        self.journal = journal
        self.stop = stop or threading.Event()
        self.fail_fast = fail_fast
        self.ended: str | None = None

    def note(self, record: Record) -> Record:
        """Journal a record, unless it was skipped; gives it back."""
        if record.status == "skipped":
            return record
        try:
            self.journal.append(record)
        except OSError as error:
            self.end(f"the journal {self.journal.path} cannot be written ({error.strerror})")
        if record.status == "failed" and self.fail_fast:
            self.end("the first failure, as --fail-fast says")
        return record

    def end(self, reason: str) -> None:
        """Begin nothing more; the first reason counts."""
        self.ended = self.ended or reason
        self.stop.set()
