"""Decoding and encoding: any photo -> upright 8-bit sRGB, and back to a file or a tensor."""

from __future__ import annotations

import errno
import importlib
import io
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from translate.errors import InputError, SettingsError
from translate.files import atomic_path
from translate.srgb import clean_exif, upright_srgb

if TYPE_CHECKING:
    from torch import Tensor

Pixels = npt.NDArray[np.uint8]
_Factory = Callable[[IO[bytes], str], ImageFile.ImageFile]

DEFAULT_MAX_PIXELS = 120_000_000
"""Largest photo read by default, width times height: a 108-megapixel phone photo passes."""

READABLE = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "AVIF")
"""Pillow's names of the formats that are decoded (MPO counts as JPEG); of many frames, the first.
HEIC is read too when the package `pillow-heif` is installed."""

WRITABLE = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
}
"""File suffix -> Pillow's name of the format that is written."""

_JPEG_ENDS = b"\xff\xd9"
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Photo:
    """A decoded photo.

    `rgb` is (H, W, 3) uint8 sRGB, upright, not premultiplied. `alpha` is (H, W) uint8 (255 is
    opaque) or None. `exif` is the source's EXIF block, orientation 1, without its thumbnail.
    """

    rgb: Pixels
    alpha: Pixels | None = None
    exif: bytes | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.rgb.shape[1], self.rgb.shape[0]


def read_photo(
    source: str | os.PathLike[str] | Image.Image | Pixels, *, max_pixels: int = DEFAULT_MAX_PIXELS
) -> Photo:
    """Read a file, a Pillow image or an array as an upright sRGB `Photo`; the source is unchanged.

    EXIF orientation is applied, an embedded ICC profile is converted to sRGB (a broken one is
    ignored) and transparency is kept. 16-bit grey is scaled to 8 bits. Floats (mode "F") are
    taken as 0..1 if none is above 1, else as 0..255, and clipped. An array must be (H, W, 3 or 4)
    uint8 sRGB. Raises `InputError` for anything that cannot be read in full, and for more than
    `max_pixels` pixels: for a file before any pixel is decoded.
    """
    if isinstance(source, Image.Image):
        return _decode(source, "the given image", max_pixels)
    if isinstance(source, np.ndarray):
        return _from_array(source, max_pixels)
    where = os.fspath(source)
    try:
        path = Path(where)
        if path.exists() and not path.is_file():
            raise InputError(f"Cannot read {where}: it is not a file; name one image file.")
        with path.open("rb") as file:
            return _decode(_open(file, where), where, max_pixels)
    except FileNotFoundError:
        raise InputError(f"Cannot read {where}: there is no such file; check the path.") from None
    except PermissionError:
        message = f"Cannot read {where}: permission denied; change the file's permissions."
        raise InputError(message) from None
    except (OSError, ValueError) as error:  # a name too long, a null byte, a disk that fails
        raise InputError(f"Cannot read {where}: {error}; check the path.") from error


def _open(file: IO[bytes], where: str) -> Image.Image:
    """Parse the header only, without Pillow's process-wide size limit.

    `Image.open` compares each header with the global `Image.MAX_IMAGE_PIXELS` and warns or raises;
    neither the global nor the warning filters can be changed safely among threads. So the format
    plugins are called here as `Image.open` calls them, and `_decode` checks the size.
    """
    prefix = file.read(16)
    if not prefix:
        raise InputError(f"Cannot read {where}: the file is empty; get a fresh copy of it.")
    heif = prefix[4:8] == b"ftyp" and prefix[8:12] in _HEIF_BRANDS
    factory = _heif_factory(where) if heif else _factory(prefix)
    if factory is None:
        message = (
            f"Cannot read {where}: it is not an image in a known format; use PNG, JPEG or WebP."
        )
        raise InputError(message)
    file.seek(0)
    try:
        return factory(file, where)
    except MemoryError:
        raise
    except Exception as error:  # plugins raise whatever bad bytes lead them to
        raise _damaged(where, error) from error


def _factory(prefix: bytes) -> _Factory | None:
    """The plugin for a file that begins like this. Few are loaded unless one of the others is
    needed: all forty take 24 ms, two thirds of what finding a face does."""
    for load in (Image.preinit, Image.init):
        load()
        for name in READABLE:
            factory, accept = Image.OPEN.get(name, (None, None))
            accepted = factory is not None and (accept is None or accept(prefix))
            if accepted and not isinstance(accepted, str):  # a string says why a codec is missing
                return factory
    return None


def _heif_factory(where: str) -> _Factory:
    try:
        return importlib.import_module("pillow_heif").HeifImageFile
    except ImportError:
        message = f"Cannot read {where}: it is HEIC; install pillow-heif or export it as JPEG."
        raise InputError(message) from None


def _damaged(where: str, error: Exception) -> InputError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return InputError(
        f"Cannot read {where}: the image is cut short or damaged ({reason}); get a fresh copy."
    )


def _check_size(width: int, height: int, where: str, max_pixels: int) -> None:
    if width < 1 or height < 1:
        raise InputError(f"Cannot read {where}: it is {width}x{height} pixels; use a larger one.")
    if width * height > max_pixels:
        raise InputError(
            f"Cannot read {where}: it is {width}x{height} pixels, more than the limit of "
            f"{max_pixels} pixels; scale it down or raise max_pixels."
        )


def _decode(image: Image.Image, where: str, max_pixels: int) -> Photo:
    _check_size(image.width, image.height, where, max_pixels)
    try:
        image.load()
        rgb, alpha = upright_srgb(image)
        return Photo(rgb=rgb, alpha=alpha, exif=clean_exif(image))
    except MemoryError:
        raise
    except Exception as error:  # decoders raise whatever bad bytes lead them to
        raise _damaged(where, error) from error


def _from_array(array: Pixels, max_pixels: int) -> Photo:
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] not in (3, 4):
        raise InputError(
            f"An image array must be (H, W, 3 or 4) uint8, not {array.shape} {array.dtype}; "
            "convert it first."
        )
    _check_size(array.shape[1], array.shape[0], "the given array", max_pixels)
    alpha = array[..., 3].copy() if array.shape[2] == 4 else None
    return Photo(rgb=array[..., :3].copy(order="C"), alpha=alpha)


def to_pil(rgb: Pixels, alpha: Pixels | None = None) -> Image.Image:
    """(H, W, 3) uint8 and perhaps (H, W) uint8 alpha -> a Pillow image of mode RGB or RGBA."""
    if alpha is None:
        return Image.fromarray(np.ascontiguousarray(rgb))
    return Image.fromarray(np.dstack([rgb, alpha]))


def to_tensor(rgb: Pixels) -> Tensor:
    """(H, W, 3) uint8 -> a new (1, 3, H, W) float32 tensor in [0, 1] on the CPU.

    Like `to_array` without arithmetic of torch, which starts further threads in every thread that
    decodes or encodes.
    """
    import torch

    planes = np.array(rgb.transpose(2, 0, 1)[None], order="C")
    return torch.from_numpy(planes.astype(np.float32) / np.float32(255))


def to_array(x: Tensor) -> Pixels:
    """(N, 3, H, W) float in [0, 1], any device -> (N, H, W, 3) uint8, clamped, halves round up."""
    import cv2
    import torch

    scaled = x.detach().to(device="cpu", dtype=torch.float32).numpy() * np.float32(255)
    planes = (scaled + np.float32(0.5)).clip(0, 255).astype(np.uint8)
    return np.stack([cast("Pixels", cv2.merge(list(image))) for image in planes])


def check_target(path: Path, *, overwrite: bool) -> None:
    """Whether `write_image` would take this path, before any work is put into the image.

    Raises `SettingsError` for an unknown suffix, `InputError` if `path` exists and `overwrite` is
    False.
    """
    if path.suffix.lower() not in WRITABLE:
        raise SettingsError(f"Cannot write {path}: use one of the suffixes {', '.join(WRITABLE)}.")
    if not overwrite and path.exists():
        message = f"{path} exists already; pass --overwrite (overwrite=True) or use another name."
        raise InputError(message)


def write_image(
    image: Image.Image,
    path: str | os.PathLike[str],
    *,
    overwrite: bool,
    exif: bytes | None = None,
    quality: int = 95,
) -> None:
    """Write `image` (sRGB) to `path` in the format of its suffix: complete, or not at all.

    `quality` (1 to 100) counts for JPEG and WebP. JPEG and BMP hold no transparency, so there
    transparent parts become white. Missing folders are made. BMP holds no EXIF. Raises
    `SettingsError` for a suffix or quality out of range, `InputError` if `path` exists and
    `overwrite` is False, and if it cannot be written.
    """
    path = Path(path)
    check_target(path, overwrite=overwrite)
    file_format = WRITABLE[path.suffix.lower()]
    if not 1 <= quality <= 100:
        raise SettingsError(f"quality is {quality}; use a number from 1 to 100.")
    options: dict[str, Any] = {}  # a TIFF stays uncompressed: Pillow's libtiff takes no EXIF
    if file_format in ("JPEG", "WEBP"):
        options["quality"] = quality
    if file_format == "JPEG":
        options["subsampling"] = 0 if quality >= 90 else 2
    if exif is not None and file_format != "BMP":
        options["exif"] = exif
    image = _storable(image, opaque=file_format in ("JPEG", "BMP"))
    if file_format == "JPEG":
        write_whole(path, lambda encoded: _save_jpeg(image, encoded, options))
    else:
        write_whole(path, lambda encoded: image.save(encoded, format=file_format, **options))


def write_whole(path: Path, save: Callable[[io.BytesIO], None]) -> None:
    """Write what `save` encodes to `path`: complete, or not at all.

    Raises `InputError` if it cannot be encoded or written.
    """
    try:
        encoded = io.BytesIO()  # Pillow's own file writer takes a disk that fills up for success
        save(encoded)
        with atomic_path(path) as temporary:
            temporary.write_bytes(encoded.getbuffer())
    except (OSError, ValueError, RuntimeError) as error:  # EXIF or sides too large for the format
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        message = f"Cannot write {path}: {reason}; use another folder, name or format."
        raise InputError(message) from error


def _save_jpeg(image: Image.Image, encoded: io.BytesIO, options: Mapping[str, Any]) -> None:
    """As `image.save`, but other threads go on: where there is a descriptor, Pillow lets them.

    So a run over large photos is 4 % quicker on two cores (`benchmarks/batch.py`).
    """
    if sys.platform != "linux":
        image.save(encoded, "JPEG", **options)
        return
    with os.fdopen(os.memfd_create("jpeg"), "w+b") as memory:
        image.save(memory, "JPEG", **options)
        memory.seek(0)
        data = memory.read()
    if not data.endswith(_JPEG_ENDS):
        raise OSError(errno.EFBIG, "the picture did not fit into a file in memory")
    encoded.write(data)


def _storable(image: Image.Image, *, opaque: bool) -> Image.Image:
    """Mode L, RGB or (unless `opaque`) RGBA, all of which every format here stores exactly."""
    if image.mode in ("L", "RGB") and not image.has_transparency_data:
        return image
    if not image.has_transparency_data:
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    if not opaque:
        return rgba
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), rgba).convert("RGB")
