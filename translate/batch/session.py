"""What a run is asked for, and the checks that it harms nothing, before anything is loaded."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from translate.batch.inputs import Found, Selection, find_inputs
from translate.batch.journal import Record, Results
from translate.batch.locks import OLD_S
from translate.batch.naming import Format
from translate.batch.plan import WHOLE, Item, Shard, check_out, make_plan, source_of
from translate.errors import InputError

JOURNAL = "run.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Which files, and where to.

    Attributes:
        sources: see `find_inputs`.
        out: folder of the results.
        selection: which files of folders.
        file_format, suffix, shard, limit: see `make_plan`.
        log: journal; None is `run.jsonl` in `out`, with a shard's number in its name.
        overwrite: make finished results anew, and replace files of others.
    """

    sources: tuple[str, ...]
    out: Path
    selection: Selection = field(default_factory=Selection)
    file_format: Format = "auto"
    suffix: str = ""
    shard: Shard = WHOLE
    limit: int | None = None
    log: Path | None = None
    overwrite: bool = False

    @property
    def journal(self) -> Path:
        """File this run appends to."""
        if self.log is not None:
            return self.log
        if self.shard.count == 1:
            return self.out / JOURNAL
        return self.out / f"run-{self.shard.index}-of-{self.shard.count}.jsonl"

    @property
    def journals(self) -> list[Path]:
        """Files that tell what is finished: its own, and those of other shards."""
        return [*dict.fromkeys([self.journal, *sorted(self.out.glob("run*.jsonl"))])]


@dataclass(frozen=True, slots=True)
class Session:
    """A checked request.

    Attributes:
        request: as asked.
        found: what the search gave.
        items: the plan.
        results: of earlier runs.
    """

    request: Request
    found: Found
    items: list[Item]
    results: Results

    def problems(self, digest: str) -> list[Record]:
        """Records of folders that could not be searched, under the settings' hash."""
        return [
            Record(
                input=relative,
                source=relative,
                status="failed",
                error=reason,
                settings=digest,
                time=time.time(),
            )
            for relative, reason in self.found.unreadable
        ]


def open_session(request: Request, listed: bytes = b"") -> Session:
    """Search, plan and check; nothing is written.

    Raises:
        InputError: there is nothing to do, or results of others are in the way.
        SettingsError: OUT cannot take results.
    """
    out = request.out
    check_out(request.sources, out)
    found = find_inputs(request.sources, request.selection, out=out, listed=listed)
    if not found.inputs and not found.unreadable:
        raise InputError(
            f"No images in {' '.join(request.sources)} ({found.left_out} other files or links); "
            "check IN, --include and --exclude."
        )
    items = make_plan(
        found,
        out,
        file_format=request.file_format,
        suffix=request.suffix,
        shard=request.shard,
        limit=request.limit,
    )
    results = Results(out, request.journals)
    if not request.overwrite:
        sources = {source_of(i) for i in found.inputs}
        check_strangers(items, results, sources, since=_began(request, results))
    return Session(request, found, items, results)


def check_strangers(
    items: Iterable[Item], results: Results, sources: set[str], *, since: float
) -> None:
    """Refuse to replace files that these sources did not make.

    Args:
        items: the plan.
        results: of earlier runs.
        sources: absolute paths of all inputs.
        since: files without a record are taken for results of a killed run if they are not older.

    Raises:
        InputError: a result's name is taken by another program's file, or by the result of
            another photo that is still there.
    """
    for item in items:
        for output in item.outputs.values():
            path, record = results.out / output, results.made.get(output)
            if record is None:
                stranger = "something else" if _older(path, since) else ""
            else:
                moved = record.source not in sources and _exists(record.source)
                stranger = record.source if moved and _exists(path) else ""
            if stranger:
                raise InputError(
                    f"{path} is in the way of the result of {item.path}: it was made from "
                    f"{stranger}; use another OUT, or pass --overwrite to replace it."
                )


def _began(request: Request, results: Results) -> float:
    """No result of earlier runs is older than this."""
    times = [journal.stat().st_mtime for journal in request.journals if journal.exists()]
    if results.began is not None:
        times.append(results.began)
    return min(times, default=math.inf) - OLD_S


def _older(path: Path, since: float) -> bool:
    try:
        return path.stat().st_mtime < since
    except OSError:
        return False


def _exists(path: Path | str) -> bool:
    return os.path.exists(path)  # noqa: PTH110 (False for a name too long)
