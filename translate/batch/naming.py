"""Names of results: the input's own name where it can be kept, and no two alike on any disk."""

from __future__ import annotations

import hashlib
import itertools
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Literal

Format = Literal["auto", "png", "jpg", "webp"]

KEPT = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
"""Suffixes that `auto` keeps."""
MAX_NAME_BYTES = 255
_SAME = {"jpg": (".jpg", ".jpeg"), "png": (".png",), "webp": (".webp",)}
_PHOTOS = frozenset({".heic", ".heif", ".hif", ".avif", ".jpe", ".jfif", ".mpo"})

Names = dict[str, str]
"""Suffix in lower case -> relative path of the result if it gets that suffix; likeliest first."""


def name_results(relatives: Sequence[str], file_format: Format, suffix: str = "") -> list[Names]:
    """Give every input the relative paths that its result may get.

    Which one it gets depends on its content (transparency, more than one frame), so all of them
    are reserved. Two paths are alike if they differ only in case or in Unicode composition; a
    folder's path is never given to a result. An input whose own suffix stays keeps its name.
    Otherwise `a.heic` becomes `a.jpg`, but `a.heic.jpg` if another input is named `a` as well.

    Args:
        relatives: paths of all inputs, unique, with forward slashes.
        file_format: of the results.
        suffix: put between stem and dot.
    """
    taken = {_key(str(parent)) for r in relatives for parent in PurePosixPath(r).parents}
    stems = Counter(_key(_stem(r)) for r in relatives)
    names = [dict.fromkeys(_suffixes(r, file_format), "") for r in relatives]
    for relative, options in zip(relatives, names, strict=True):
        own = PurePosixPath(relative).suffix
        if own.lower() in options:
            bases = _numbered([_stem(relative) + suffix])
            options[own.lower()] = _reserve(bases, [own], taken)[0]
    for relative, options in zip(relatives, names, strict=True):
        missing = [s for s, name in options.items() if not name]
        if missing:
            bases = [_stem(relative) + suffix] if stems[_key(_stem(relative))] == 1 else []
            free = _reserve(_numbered([*bases, relative + suffix]), missing, taken)
            options.update(zip(missing, free, strict=True))
    return names


def _suffixes(relative: str, file_format: Format) -> list[str]:
    own = PurePosixPath(relative).suffix.lower()
    if file_format != "auto":
        return [own if own in _SAME[file_format] else f".{file_format}"]
    if own == ".gif":
        return [".gif", ".png"]
    if own in KEPT:
        return [own] if own == ".png" else [own, ".png"]
    return [".jpg", ".png"] if own in _PHOTOS else [".png"]


def _reserve(bases: Iterable[str], suffixes: Sequence[str], taken: set[str]) -> list[str]:
    """The first base that is free with all the suffixes."""
    for base in bases:
        paths = [fit(base, suffix) for suffix in suffixes]
        keys = {_key(path) for path in paths}
        if not keys & taken:
            taken |= keys
            return paths
    raise AssertionError("numbers never end")


def _numbered(bases: Sequence[str]) -> Iterator[str]:
    yield from bases
    yield from (f"{bases[-1]}~{number}" for number in itertools.count(2))


def fit(base: str, suffix: str) -> str:
    """`base` + `suffix`, the name cut to what file systems take and marked by a hash if cut."""
    folder, slash, name = base.rpartition("/")
    room = MAX_NAME_BYTES - len(os.fsencode(suffix))
    if len(os.fsencode(name)) > room:
        mark = "~" + hashlib.sha256(os.fsencode(name)).hexdigest()[:8]
        while len(os.fsencode(name)) > room - len(mark):
            name = name[:-1]
        name += mark
    return f"{folder}{slash}{name}{suffix}"


def _stem(relative: str) -> str:
    return str(PurePosixPath(relative).with_suffix(""))


def _key(path: str) -> str:
    """Equal for paths that some file system takes for the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
