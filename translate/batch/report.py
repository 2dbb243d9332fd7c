"""How far a run is, and what came of it, in words."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

from translate.batch.journal import Record

SHOWN = 20
"""Failures that the summary repeats; the journal has them all."""


class Tally:
    """Counts the records of a run.

    Args:
        total: inputs of the run.
        clock: seconds; for tests.
    """

    def __init__(self, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.total = total
        self.clock = clock
        self.started = clock()
        self.counts: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self.failures: list[str] = []

    def add(self, record: Record) -> None:
        """Count one."""
        self.counts[record.status] += 1
        if record.note and record.status == "ok":
            self.notes[record.note] += 1
        if record.error and len(self.failures) < SHOWN:
            self.failures.append(record.error)

    @property
    def handled(self) -> int:
        """Inputs that are through, whatever came of them."""
        return self.counts.total()

    @property
    def rate(self) -> float:
        """Images per second, without those skipped."""
        worked = self.handled - self.counts["skipped"]
        return worked / max(self.clock() - self.started, 1e-9)

    def pace(self) -> str:
        """Speed and time left, for a bar."""
        if self.rate < 1e-6:
            return ""
        return f"{self.rate:.2f} images/s, {duration((self.total - self.handled) / self.rate)} left"

    def line(self) -> str:
        """Everything about the progress in one line."""
        parts = [f"{self.handled}/{self.total}"]
        parts += [f"{self.counts[s]} {s}" for s in ("failed", "skipped") if self.counts[s]]
        return ", ".join([*parts, *filter(None, [self.pace()])])

    def summary(self) -> list[str]:
        """What came of the run, with the reasons for failures."""
        skipped, failed = self.counts["skipped"], self.counts["failed"]
        lines = [
            f"{self.counts['ok']} translated, {skipped} skipped (finished before), {failed} failed "
            f"in {duration(self.clock() - self.started)}, {self.rate:.2f} images/s"
        ]
        if self.handled < self.total:
            lines.append(f"{self.total - self.handled} not begun; start the same run again")
        lines += [f"note ({count} times): {note}" for note, count in self.notes.most_common()]
        lines += [f"failed: {reason}" for reason in self.failures]
        if failed > len(self.failures):
            lines.append(f"… and {failed - len(self.failures)} more; the journal has every reason")
        return lines


def duration(seconds: float) -> str:
    """12 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
