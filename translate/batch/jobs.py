"""What is known of one photo on its way, and the small decisions about it."""

from __future__ import annotations

import errno
import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from translate.batch.animation import MOVING, PAGED, Movie
from translate.batch.engine import Shape
from translate.batch.journal import Record
from translate.batch.naming import Names
from translate.batch.plan import Item
from translate.errors import InputError, TranslateError
from translate.framing import Window
from translate.image_io import Photo, to_pil
from translate.view import View

_NO_ALPHA = {".jpg", ".jpeg", ".bmp"}


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A decoded photo, ready for the device.

    Attributes:
        item: of the plan.
        sha256: of the source.
        movie: the photo, or the frames of a moving picture.
        windows: where the network looks, the same in every frame.
        views: one per frame and window; none where nothing is to be done.
        output: relative path of the result.
        seconds: spent on decoding.
    """

    item: Item
    sha256: str
    movie: Movie
    windows: tuple[Window, ...]
    views: list[View]
    output: str
    seconds: float

    @property
    def shape(self) -> Shape:
        """Height and width of the windows."""
        return self.windows[0].out_height, self.windows[0].out_width

    @property
    def pixels(self) -> int:
        """Of all frames together."""
        width, height = self.movie.photos[0].size
        return width * height * len(self.movie.photos)


@dataclass(frozen=True, slots=True)
class Done:
    """An input that an earlier run finished, with the record of that."""

    item: Item
    record: Record


class FullError(Exception):
    """The disk takes no more; `record` is of the photo that found out, `state` says what to do."""

    def __init__(self, record: Record, cause: OSError) -> None:
        super().__init__(record.error)
        self.record = record
        self.state = "full: free some space"
        if cause.errno == errno.EROFS:
            self.state = "read-only now: mount it for writing"


def choose_output(outputs: Names, movie: Movie) -> str:
    """The likeliest of the reserved names whose format holds the result.

    Raises:
        InputError: none does.
    """
    moving = len(movie.photos) > 1
    transparent = any(photo.alpha is not None for photo in movie.photos)
    for suffix, name in outputs.items():
        if moving:
            fits = suffix in (PAGED if movie.paged else MOVING)
        else:
            fits = suffix != ".gif" and not (transparent and suffix in _NO_ALPHA)
        if fits or (not moving and len(outputs) == 1):
            return name
    suffix = PurePosixPath(next(iter(outputs.values()))).suffix
    if movie.paged:
        raise InputError(
            f"{len(movie.photos)} pages do not fit into one {suffix} file; use --format auto and "
            "a source named .tif"
        )
    raise InputError(
        f"{len(movie.photos)} frames do not fit into one {suffix} file; use --format auto, webp "
        "or png"
    )


def scaled_down(photo: Photo, max_size: int) -> Photo:
    """The photo with its long side at `max_size` at most."""
    width, height = photo.size
    scale = max_size / max(width, height)
    if scale >= 1:
        return photo
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    rgb = to_pil(photo.rgb).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)
    alpha = None
    if photo.alpha is not None:
        small = Image.fromarray(photo.alpha).resize(size, Image.Resampling.LANCZOS)
        alpha = np.array(small)
    return Photo(rgb=np.array(rgb), alpha=alpha, exif=photo.exif)


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes. Raises `OSError`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def reason_of(error: BaseException, path: Path) -> str:
    """One sentence for the journal."""
    if isinstance(error, TranslateError):
        return str(error)
    if isinstance(error, FileNotFoundError):
        return f"Cannot read {path}: there is no such file; check the path."
    if isinstance(error, PermissionError):
        return f"Cannot read {path}: permission denied; change the file's permissions."
    if isinstance(error, MemoryError):
        return f"Cannot translate {path}: too little memory; scale it down or use --max-size."
    return f"Cannot translate {path}: {type(error).__name__}: {error}"
