"""The journal `run.jsonl`: one line per input, only ever appended to, whole after any kill."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self

from translate.batch.locks import lock
from translate.errors import InputError

Status = Literal["ok", "failed", "skipped"]
_START = b'{"input": '  # of every line


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What became of one input.

    Attributes:
        input: relative name.
        source: absolute path.
        status: `ok`, `failed`, or `skipped` (finished by an earlier run; not journaled again).
        output: relative path of the result, None if there is none.
        error: why it failed.
        note: what there is to say about the framing, and about faces left alone.
        seconds: decoding, its share of the device's time, and encoding.
        energy_before, energy_after: of the window; means over several faces, and over the frames
            of a moving picture. None where nothing was to be done.
        travel: L2 distance between source and result, in [0,1] pixels of the window.
        frames: 1, or more in a moving picture.
        faces: windows in each of them; 0 where the photo was left alone.
        window: width and height in pixels that the network saw.
        pixels: of the photo, all frames together.
        output_bytes: size of the result.
        settings: hash of everything that decides over the result's content.
        source_sha256: of the input file.
        time: when it ended, seconds since 1970.
    """

    input: str
    source: str
    status: Status
    output: str | None = None
    error: str | None = None
    note: str | None = None
    seconds: float = 0.0
    energy_before: float | None = None
    energy_after: float | None = None
    travel: float | None = None
    frames: int = 1
    faces: int = 1
    window: tuple[int, int] = (0, 0)
    pixels: int = 0
    output_bytes: int = 0
    settings: str = ""
    source_sha256: str = ""
    time: float = 0.0

    def line(self) -> bytes:
        """As one line of JSON in ASCII; numbers that JSON does not know become null."""
        plain = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in asdict(self).items()
        }
        return json.dumps(plain, allow_nan=False).encode("ascii") + b"\n"

    @classmethod
    def parse(cls, line: bytes) -> Self | None:
        """A record, or None for a line that is none: torn, or written by something else."""
        try:
            table: dict[str, Any] = json.loads(line)
            values = {f.name: table[f.name] for f in fields(cls) if f.name in table}
            values["window"] = width, height = tuple(values["window"])
            texts = [values[name] for name in ("input", "source", "settings", "source_sha256")]
            numbers = [values[name] for name in ("time", "pixels", "output_bytes", "frames")]
            record = cls(**values)
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
        fine = all(isinstance(text, str) for text in texts)
        fine = fine and all(isinstance(n, int | float) for n in [*numbers, width, height])
        return record if fine else None


class Results:
    """Which file in the results' folder was made last from what, by all journals there are.

    Args:
        out: folder of the results.
        journals: files; one that is not there counts as empty.

    Attributes:
        made: by the result's relative path, the last record.
        began: when the first of all records was written, None if there is none.
    """

    def __init__(self, out: Path, journals: Iterable[Path]) -> None:
        self.out = out
        records = [record for journal in journals for record in read(journal)]
        records.sort(key=lambda record: record.time)
        self.began = records[0].time if records else None
        self.made: dict[str, Record] = {r.output: r for r in records if r.output is not None}

    def finished(self, outputs: Iterable[str], settings: str, sha256: str) -> Record | None:
        """The record of a result that needs no second run: same source, same settings, whole."""
        for output in outputs:
            record = self.made.get(output)
            if (
                record is not None
                and record.status == "ok"
                and (record.settings, record.source_sha256) == (settings, sha256)
                and _size(self.out / output) == record.output_bytes
            ):
                return record
        return None


class Journal:
    """An open journal that this process alone appends to.

    Args:
        path: made with its folders if missing; a torn last line is cut off.

    Raises:
        InputError: it cannot be opened, is no journal, or another run writes to it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise InputError(
                f"Cannot write the journal {path}: {error.strerror}; use another OUT or --log."
            ) from error
        if lock(self._file, alone=True) is False:
            os.close(self._file)
            raise InputError(
                f"Another run writes to the journal {path}; wait for it, or use --shard or --log."
            )
        if not _START.startswith(os.pread(self._file, len(_START), 0)):
            os.close(self._file)
            raise InputError(
                f"{path} is no journal of a run, so nothing is written to it; use another --log."
            )
        os.ftruncate(self._file, whole_bytes(path))

    def append(self, record: Record) -> None:
        """Write one line, or nothing. Raises `OSError` as the file system does."""
        line = record.line()
        end = os.fstat(self._file).st_size
        try:
            while line:
                line = line[os.write(self._file, line) :]
        except OSError:
            os.ftruncate(self._file, end)
            raise

    def close(self) -> None:
        """Let go of the file and its lock."""
        os.close(self._file)


def read(path: Path) -> Iterator[Record]:
    """Records of a journal in order; lines that are none are passed over."""
    try:
        with path.open("rb") as file:
            for line in file:
                record = Record.parse(line) if line.endswith(b"\n") else None
                if record is not None:
                    yield record
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(
            f"Cannot read the journal {path}: {error.strerror}; use another --log."
        ) from error


def whole_bytes(path: Path) -> int:
    """Length of the file up to the end of its last whole line."""
    with path.open("rb") as file:
        position = file.seek(0, os.SEEK_END)
        while position > 0:
            start = max(0, position - 65536)
            file.seek(start)
            newline = file.read(position - start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            position = start
    return 0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
