"""The plan of a run: which input becomes which result, and that nothing is overwritten by it."""

from __future__ import annotations

import functools
import hashlib
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from translate.batch.inputs import Found, Input
from translate.batch.naming import Format, Names, name_results
from translate.errors import SettingsError

_PICTURE = re.compile(r"\.(png|jpe?g|webp|gif|bmp|tiff?|heic|avif)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Shard:
    """Share `index` (from 1) of `count`: disjoint, complete, and stable when inputs are added."""

    index: int = 1
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Self:
        """`2/4` -> the second of four.

        Raises:
            SettingsError: anything else.
        """
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise SettingsError(f"shard is {text!r}; use i/n with i from 1 to n, for example 2/4")
        return cls(int(match[1]), int(match[2]))

    def takes(self, relative: str) -> bool:
        """Whether an input belongs to this share."""
        digest = hashlib.sha256(os.fsencode(relative)).digest()
        return int.from_bytes(digest[:8], "big") % self.count == self.index - 1


WHOLE = Shard()


@dataclass(frozen=True, slots=True)
class Item:
    """An input and the results it may become.

    Attributes:
        path: what to open.
        relative: its name in the journal.
        outputs: see `translate.batch.naming.Names`; paths below the folder of the results.
    """

    path: Path
    relative: str
    outputs: Names


def make_plan(
    found: Found,
    out: Path,
    *,
    file_format: Format = "auto",
    suffix: str = "",
    shard: Shard = WHOLE,
    limit: int | None = None,
) -> list[Item]:
    """Items in order of their names. Names do not depend on the shard or the limit.

    Raises:
        SettingsError: `suffix` is no part of a file name, or a result would take a source's place.
    """
    if "/" in suffix or "\\" in suffix or "\0" in suffix:
        raise SettingsError(f"suffix is {suffix!r}; use letters that can stand in a file name")
    names = name_results([i.relative for i in found.inputs], file_format, suffix)
    items = [Item(i.path, i.relative, n) for i, n in zip(found.inputs, names, strict=True)]
    check_apart(items, out)
    items = [item for item in items if shard.takes(item.relative)]
    return items if limit is None else items[:limit]


def check_out(sources: Sequence[str], out: Path) -> None:
    """Refuse an OUT that cannot take results.

    Raises:
        SettingsError: it is a file, is named like a picture, or is one of the sources itself.
    """
    if out.exists() and not out.is_dir():
        raise SettingsError(f"OUT {out} is a file; name a folder, or use: translate image IN OUT")
    if not out.exists() and _PICTURE.fullmatch(out.suffix):
        raise SettingsError(
            f"OUT {out} looks like a picture; name a folder, or use: translate image IN OUT"
        )
    for source in sources:
        if out.is_dir() and Path(source).is_dir() and out.samefile(source):
            raise SettingsError(
                f"OUT {out} is the same folder as IN; results would mix with their sources: "
                "name another folder (one inside IN is fine)"
            )


def check_apart(items: Sequence[Item], out: Path) -> None:
    """Refuse a plan in which a result takes the place of a source.

    Raises:
        SettingsError: it does, directly or through a link.
    """
    real = functools.cache(_real)
    sources = {_place(item.path, real).casefold(): item for item in items}
    for item in items:
        for output in item.outputs.values():
            source = sources.get(_place(out / output, real).casefold())
            if source is not None:
                raise SettingsError(
                    f"The result of {item.path} would overwrite the source {source.path}; "
                    "use another OUT, or --suffix"
                )


def _real(path: Path) -> str:
    return os.path.realpath(path)


def _place(path: Path, real: Callable[[Path], str]) -> str:
    """Absolute, links followed; folders are asked once."""
    linked = os.path.islink(path)  # noqa: PTH114 (False for a name too long)
    return real(path) if linked else f"{real(path.parent)}/{path.name}"


def source_of(entry: Input | Item) -> str:
    """How the journal names where an input was."""
    return os.path.abspath(entry.path)  # noqa: PTH100
