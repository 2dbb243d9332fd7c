"""What to translate: folders, files, patterns and lists -> files with their relative names."""

from __future__ import annotations

import codecs
import glob
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePath

from translate.errors import InputError

SUFFIXES = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".webp", ".gif", ".bmp", ".dib"),
    *(".tif", ".tiff", ".avif", ".ppm", ".pgm", ".pbm", ".pnm", ".heic", ".heif", ".hif"),
)
"""Names that count as images in a folder; files named one by one are taken whatever their name."""

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Input:
    """One image to translate.

    Attributes:
        path: what to open.
        relative: where it is in the tree that is mirrored, with forward slashes.
    """

    path: Path
    relative: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which files of a folder are taken.

    Attributes:
        recursive: folders in the folder, too.
        include: patterns of names or relative paths, any case; empty is every image suffix in
            folders, and whatever else is named.
        exclude: patterns of files and folders left out.
    """

    recursive: bool = True
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def takes(self, relative: str) -> bool:
        """Whether a file of a folder is an input."""
        if PurePath(relative).name.startswith(".") or not self.names(relative):
            return False
        return bool(self.include) or PurePath(relative).suffix.lower() in SUFFIXES

    def names(self, relative: str) -> bool:
        """Whether a file that was named itself, or by a pattern or a list, is an input."""
        included = not self.include or _matches(relative, self.include)
        return included and not self.excludes(relative)

    def enters(self, relative: str) -> bool:
        """Whether a folder in a folder is searched."""
        hidden = PurePath(relative).name.startswith(".")
        return self.recursive and not hidden and not self.excludes(relative)

    def excludes(self, relative: str) -> bool:
        """Whether `exclude` names this file or folder."""
        return _matches(relative, self.exclude)


@dataclass(slots=True)
class Found:
    """What a search gave.

    Attributes:
        inputs: by relative name.
        unreadable: folders that could not be listed, with the reason.
        left_out: files and links that are no inputs: hidden, excluded, other suffixes.
    """

    inputs: list[Input] = field(default_factory=list[Input])
    unreadable: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    left_out: int = 0


def find_inputs(
    sources: Sequence[str], selection: Selection, *, out: Path | None = None, listed: bytes = b""
) -> Found:
    """Collect the images that `sources` name, sorted, each once.

    A single folder or pattern is mirrored from itself downward; of several sources, and of a list,
    each keeps the path it was spelled with.

    Args:
        sources: folders, files, glob patterns, or `-` for `listed`.
        selection: which files of folders.
        out: folder of the results, never searched.
        listed: names, one per line, or separated by null bytes if there is any.

    Raises:
        InputError: a source names nothing.
    """
    found = Found()
    alone = len(sources) == 1
    for source in sources:
        if source == STDIN:
            for name in _names(listed):
                _take(name, _spelled(name), selection, out, found)
        elif os.path.lexists(source):
            name = PurePath(source).name if not Path(source).is_dir() else ""
            _take(source, name if alone else _spelled(source), selection, out, found)
        elif glob.has_magic(source):
            _expand(source, alone, selection, out, found)
        else:
            raise InputError(f"Cannot read {source}: there is no such file or folder; check IN.")
    unique = {os.path.abspath(i.path): i for i in reversed(found.inputs)}  # noqa: PTH100
    found.inputs = [unique[path] for path in sorted(unique, key=lambda p: (unique[p].relative, p))]
    return found


def _inside(path: Path, folder: Path) -> bool:
    return path.resolve().is_relative_to(folder.resolve())


def _names(listed: bytes) -> list[str]:
    listed = listed.removeprefix(codecs.BOM_UTF8)
    parts = listed.split(b"\0") if b"\0" in listed else listed.splitlines()
    return [os.fsdecode(part) for part in parts if part.strip()]


def _spelled(name: str) -> str:
    """The path as it was spelled, without a root and without leaving the tree by `..`."""
    path = PurePath(os.path.normpath(name))
    return "/".join(part for part in path.parts if part not in (path.anchor, "..", "."))


def _expand(
    pattern: str, alone: bool, selection: Selection, out: Path | None, found: Found
) -> None:
    parts = PurePath(pattern).parts
    fixed = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    base = Path(*parts[:fixed])
    matches = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207
    if not matches:
        raise InputError(f"No file matches {pattern}; check the pattern.")
    for match in matches:
        path = Path(match)
        if path.is_dir() and "**" in pattern:
            continue  # the pattern itself lists what is inside
        if out is not None and _inside(path, out) and not _inside(base, out):
            found.left_out += 1  # a result of an earlier run
            continue
        relative = path.relative_to(base).as_posix() if alone else _spelled(match)
        _take(match, "" if relative == "." else relative, selection, out, found)


def _take(source: str, relative: str, selection: Selection, out: Path | None, found: Found) -> None:
    path = Path(source)
    if os.path.isdir(source):  # noqa: PTH112 (a name too long is an input that will fail)
        _walk(path, relative, selection, out, found)
    elif not selection.names(relative):
        found.left_out += 1
    else:
        found.inputs.append(Input(path, relative))


def _walk(root: Path, prefix: str, selection: Selection, out: Path | None, found: Found) -> None:
    """Every real folder once, links to folders after the folders themselves."""
    seen: set[tuple[int, int]] = set()
    if out is not None and out.is_dir() and not out.samefile(root):
        seen.add(_identity(out))
    folders, links = [(root, prefix)], list[tuple[Path, str]]()
    while folders or links:
        folder, at = folders.pop() if folders else links.pop(0)
        try:
            identity = _identity(folder)
            if identity in seen:
                found.left_out += 1
                continue
            seen.add(identity)
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            found.unreadable.append((at or str(root), f"Cannot read the folder {folder}: {error}"))
            continue
        for entry in entries:
            relative = f"{at}/{entry.name}" if at else entry.name
            if not _is_folder(entry):
                if selection.takes(relative):
                    found.inputs.append(Input(Path(entry), relative))
                else:
                    found.left_out += 1
            elif selection.enters(relative):
                (links if entry.is_symlink() else folders).append((Path(entry), relative))
            else:
                found.left_out += 1


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself: a broken input, to be reported as one
        return False


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    assert stat.S_ISDIR(status.st_mode)
    return status.st_dev, status.st_ino


def _matches(relative: str, patterns: Sequence[str]) -> bool:
    folded = relative.casefold()
    name = folded.rpartition("/")[2]
    return any(fnmatchcase(folded, p) or fnmatchcase(name, p) for p in map(str.casefold, patterns))
