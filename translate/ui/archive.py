"""Uploads of a batch -> a folder of photos, zips unpacked with care; results -> one zip."""

from __future__ import annotations

import re
import shutil
import stat
import zipfile
import zlib
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from translate.ui.limits import MAX_BATCH_MB, MAX_FILES, MAX_PHOTO_MB

_PIECE = 1 << 20
_LEFT_OUT = ("__MACOSX/",)
_STRANGE = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\]')
_DAMAGED = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError)


@dataclass(slots=True)
class Gathered:
    """What a batch consists of.

    Attributes:
        folder: of the photos.
        count: photos in it.
        failed: `name: reason` of what was left out.
    """

    folder: Path
    count: int = 0
    failed: list[str] = field(default_factory=list[str])
    room: int = MAX_BATCH_MB * 1_000_000

    def target(self, name: str) -> Path | None:
        """Where a photo of this name goes, or None when it cannot be taken."""
        relative = safe_name(name)
        if relative is None:
            self.failed.append(f"{name}: this name leads out of the zip, so the file was left out.")
            return None
        if self.count >= MAX_FILES:
            self.failed.append(f"{name}: left out, a batch has {MAX_FILES} files at most.")
            return None
        self.count += 1
        return _free(self.folder / relative)


def safe_name(name: str) -> PurePosixPath | None:
    """A relative path that stays inside its folder; None for a name that would not."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or re.match(r"^[A-Za-z]:", name):
        return None
    parts = [_STRANGE.sub("_", part)[-120:].lstrip(".") or "_" for part in path.parts]
    return PurePosixPath(*parts[-4:]) if parts else None


def gather(uploads: list[str], folder: Path) -> Gathered:
    """Copy photos and unpack zips into a folder.

    Declared sizes in a zip are not believed: bytes are counted while they are written, and
    reading ends at the limits of `translate.ui.limits`.
    """
    gathered = Gathered(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for upload in uploads:
        path = Path(upload)
        if path.suffix.lower() == ".zip" or zipfile.is_zipfile(path):
            _unpack(path, gathered)
            continue
        target = gathered.target(path.name)
        if target is not None:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    return gathered


def pack(folder: Path, out: Path) -> int:
    """Zip the results below a folder, without recompressing pictures; returns how many."""
    files = sorted(f for f in folder.rglob("*") if f.is_file() and f.name != "run.jsonl")
    files = [f for f in files if not any(p.startswith(".") for p in f.relative_to(folder).parts)]
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for file in files:
            archive.write(file, file.relative_to(folder).as_posix())
    return len(files)


def _unpack(path: Path, gathered: Gathered) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if not m.is_dir()]
            for member in members[: 10 * MAX_FILES]:
                if not member.filename.startswith(_LEFT_OUT):
                    _unpack_one(archive, member, gathered)
            if len(members) > 10 * MAX_FILES:
                gathered.failed.append(
                    f"{path.name}: it has {len(members)} files, the rest is out."
                )
    except (*_DAMAGED, OSError) as error:
        gathered.failed.append(f"{path.name}: not a readable zip ({_reason(error)}).")


def _unpack_one(archive: zipfile.ZipFile, member: zipfile.ZipInfo, gathered: Gathered) -> None:
    if stat.S_ISLNK(member.external_attr >> 16):
        gathered.failed.append(f"{member.filename}: a link, not a picture.")
        return
    target = gathered.target(member.filename)
    if target is None:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    limit, written, problem = MAX_PHOTO_MB * 1_000_000, 0, ""
    try:
        with archive.open(member) as source, target.open("wb") as out:
            while piece := source.read(_PIECE):
                written += len(piece)
                gathered.room -= len(piece)
                if written > limit or gathered.room < 0:
                    problem = f"unpacked it is larger than {MAX_PHOTO_MB} MB"
                    if gathered.room < 0:
                        problem = f"unpacked the batch is larger than {MAX_BATCH_MB} MB"
                    break
                out.write(piece)
    except (*_DAMAGED, OSError) as error:
        problem = _reason(error)
    if problem:
        gathered.room += written if gathered.room >= 0 else 0
        gathered.failed.append(f"{member.filename}: {problem}, so it was left out.")
        target.unlink(missing_ok=True)


def _reason(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return "it has a password" if "password" in text else text or type(error).__name__


def _free(path: Path) -> Path:
    """The path itself, or the first numbered sibling that is free."""
    number, wanted = 2, path
    while path.exists():
        path = wanted.with_name(f"{wanted.stem}-{number}{wanted.suffix}")
        number += 1
    return path
