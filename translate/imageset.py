"""Sets of pictures: a folder or a zip, in name order, decoded at one size."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from translate.errors import InputError
from translate.framing import FaceSquare, extract, find_window

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
RESIZE = (
    "centre square of the short side, or where so stated the square around the largest face; "
    "Pillow's Lanczos filter, 8 bits per channel"
)
AHEAD = 256  # pictures decoded before the first of them is taken: bounded, whatever the set's size

Images = npt.NDArray[np.uint8]  # (N,size,size,3) uint8, often a memory map
Reader = Callable[[str], bytes]
Fit = Callable[[Image.Image, int], Images]


def open_images(path: Path) -> tuple[list[str], Reader]:
    """Names of the pictures in a folder (and its folders) or a zip, sorted, and how to read one.

    Raises:
        InputError: there is no such folder or zip, or it holds no pictures.
    """
    if path.is_dir():
        found = (p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
        names = sorted(str(p.relative_to(path)) for p in found)
        read: Reader = lambda name: (path / name).read_bytes()  # noqa: E731
    elif zipfile.is_zipfile(path):
        archive = zipfile.ZipFile(path)
        names = sorted(n for n in archive.namelist() if n.lower().endswith(SUFFIXES))
        read = archive.read
    else:
        raise InputError(f"{path}: no such folder or zip")
    if not names:
        raise InputError(f"{path}: no images ({', '.join(SUFFIXES)}) in it")
    return names, read


def decoded(
    path: Path, names: Sequence[str], read: Reader, size: int, *, fitted: Fit | None = None
) -> Iterator[Images]:
    """Pictures in the order of their names, decoded by several threads.

    Args:
        path: of the set, for messages.
        names, read: as `open_images` gives them.
        size: height and width in pixels.
        fitted: makes the square of a picture; None is `fit`, as `RESIZE` says.

    Yields:
        (size,size,3) uint8.

    Raises:
        InputError: a picture cannot be read.
    """

    def decode(name: str) -> Images:
        try:
            with Image.open(io.BytesIO(read(name))) as image:
                return (fitted or fit)(image.convert("RGB"), size)
        except Exception as error:  # decoders raise all kinds: zlib.error, SyntaxError, bombs
            raise InputError(f"{path}: {name}: not a readable image ({error}); remove it") from None

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(names), AHEAD):
            yield from pool.map(decode, names[start : start + AHEAD])


def fit(image: Image.Image, size: int) -> Images:
    """An RGB picture -> (size,size,3) uint8, as `RESIZE` says."""
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    return np.asarray(image.resize((size, size), Image.Resampling.LANCZOS, box=box))


def face_fit(square: FaceSquare) -> Fit:
    """What takes the square around the largest face, as the program sees it in a photo.

    Args:
        square: what it looks like; a domain's own is on its card.
    """

    def fit_face(image: Image.Image, size: int) -> Images:
        rgb = np.asarray(image)
        return extract(rgb, find_window(rgb, framing="face", size=size, square=square))

    return fit_face
