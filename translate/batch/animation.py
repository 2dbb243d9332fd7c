"""Files of several pictures: frames of GIF, WebP, PNG, AVIF with their timing, pages of TIFF."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

from translate.errors import InputError
from translate.image_io import Photo, read_photo, write_whole

MOVING = {".gif": "GIF", ".webp": "WEBP", ".png": "PNG"}
"""File suffix -> Pillow's name of the formats that are written with several frames."""
PAGED = {".tif": "TIFF", ".tiff": "TIFF"}
"""The same for formats that hold several pages."""


@dataclass(frozen=True, slots=True, eq=False)
class Movie:
    """Decoded frames or pages, all of one size.

    Attributes:
        photos: the frames as they are shown.
        durations_ms: how long each is shown.
        loop: how often it is played, 0 is without end, None is not said.
        paged: pages of a document, not frames in time.
        note: what was left out, or None.
    """

    photos: list[Photo]
    durations_ms: list[float]
    loop: int | None
    paged: bool = False
    note: str | None = None


def read_movie(path: Path, *, max_pixels: int) -> Movie | None:
    """Every frame or page, or None if the file holds one picture only.

    Of pages that differ in size (thumbnails, levels of a pyramid) only the first is taken.

    Raises:
        InputError: a frame is damaged, or all frames together have more than `max_pixels`.
        OSError: the file cannot be opened.
    """
    with path.open("rb") as file:
        kind = _kind(file.read(12))
        if kind is None:
            return None
        file.seek(0)
        Image.init()
        try:
            image: Any = Image.OPEN[kind][0](file, os.fspath(path))
            count = int(getattr(image, "n_frames", 1))
            if count < 2:
                return None
            if kind == "TIFF" and not _alike(image, count):
                image.seek(0)
                return _first_page(image, count, max_pixels)
            _check_size(image.width, image.height, count, path, max_pixels)
            return _frames(image, count, max_pixels)
        except (InputError, MemoryError):
            raise
        except Exception as error:  # plugins raise whatever bad bytes lead them to
            reason = str(error) or type(error).__name__
            raise InputError(
                f"Cannot read {path}: the moving picture is cut short or damaged ({reason}); "
                "get a fresh copy."
            ) from error


def write_movie(
    images: Sequence[Image.Image], movie: Movie, path: Path, *, quality: int, exif: bytes | None
) -> None:
    """Write frames in the format of the suffix (see `MOVING`, `PAGED`): complete, or not at all.

    Raises:
        InputError: it cannot be written.
    """
    kind = (PAGED if movie.paged else MOVING)[path.suffix.lower()]
    options: dict[str, Any] = {}
    if not movie.paged:
        options["duration"] = [round(d) for d in movie.durations_ms]
    if movie.loop is not None:
        options["loop"] = movie.loop
    if kind == "GIF":
        options |= {"disposal": 2, "optimize": False}
    elif exif is not None:
        options["exif"] = exif
    if kind == "WEBP":
        options["quality"] = quality
        if any(image.mode == "RGBA" for image in images):
            options["kmax"] = 1  # whole frames: parts of them lose a rectangle's clear surroundings
    write_whole(
        path,
        lambda encoded: images[0].save(
            encoded, kind, save_all=True, append_images=images[1:], **options
        ),
    )


def _kind(prefix: bytes) -> str | None:
    if prefix[:4] == b"GIF8":
        return "GIF"
    if prefix[:4] == b"RIFF" and prefix[8:12] == b"WEBP":
        return "WEBP"
    if prefix[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    if prefix[4:12] in (b"ftypavif", b"ftypavis"):
        return "AVIF"
    return "PNG" if prefix[:8] == b"\x89PNG\r\n\x1a\n" else None


def _check_size(width: int, height: int, count: int, path: Path, max_pixels: int) -> None:
    if width * height * count > max_pixels:
        raise InputError(
            f"Cannot read {path}: it is {count} frames of {width}x{height} pixels, more than the "
            f"limit of {max_pixels} pixels; shorten it, scale it down or raise --max-pixels."
        )


def _frames(image: Image.Image, count: int, max_pixels: int) -> Movie:
    photos: list[Photo] = []
    durations: list[float] = []
    for index in range(count):
        image.seek(index)
        image.load()
        durations.append(float(image.info.get("duration", 0)))
        # a TIFF page's EXIF is not in its copy
        frame = image if image.format == "TIFF" else image.copy()
        photos.append(read_photo(frame, max_pixels=max_pixels))
    loop = image.info.get("loop")
    paged = image.format == "TIFF"
    return Movie(photos, durations, None if loop is None else int(loop), paged)


def _alike(image: Image.Image, count: int) -> bool:
    """Whether all pages have one size and lie the same way up, as their headers say."""
    sizes: set[tuple[int, int, int]] = set()
    for index in range(count):
        image.seek(index)
        turn = int(image.getexif().get(ExifTags.Base.Orientation, 1))
        sizes.add((*image.size, turn))
    return len(sizes) == 1


def _first_page(image: Image.Image, count: int, max_pixels: int) -> Movie:
    note = f"Of {count} pages of different sizes, only the first was translated."
    return Movie([read_photo(image, max_pixels=max_pixels)], [0.0], None, note=note)
