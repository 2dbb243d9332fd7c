"""Any Pillow image mode -> upright 8-bit sRGB and alpha; and the EXIF that stays true for it."""

from __future__ import annotations

import io
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageCms

Pixels = npt.NDArray[np.uint8]

LUMA = (0.299, 0.587, 0.114)  # of red, green and blue (ITU-R BT.601)

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# The TIFF tags that describe how pixels are stored, not the photo: wrong once it is re-encoded.
_STORAGE_TAGS = frozenset(
    {*range(254, 260), 262, 266, 273, *range(277, 282), 284, 317, *range(320, 326), 330, 338, 339}
    | {347, 513, 514, *range(529, 533), 700, 33723, 34377, 34675}
)
_cms: Any = ImageCms  # its annotations are incomplete
_ICC_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}


def upright_srgb(image: Image.Image) -> tuple[Pixels, Pixels | None]:
    """Convert a loaded image to (H, W, 3) uint8 sRGB and, where it has any, (H, W) uint8 alpha.

    EXIF orientation is applied. An embedded ICC profile is converted; one that is broken or does
    not fit the image's mode is ignored. Raises `ValueError` for modes without a conversion.
    """
    colour, alpha = _split_alpha(_to_eight_bits(image))
    colour = _to_srgb(colour, cast("bytes | None", image.info.get("icc_profile")))
    turn = _UPRIGHT.get(_orientation(image))
    if turn is not None:
        colour = colour.transpose(turn)
        alpha = None if alpha is None else alpha.transpose(turn)
    return np.array(colour), None if alpha is None else np.array(alpha)


def clean_exif(image: Image.Image) -> bytes | None:
    """Copy the EXIF block of a loaded image with orientation 1; None without one or if broken.

    The thumbnail (it shows the untranslated photo) and tags on pixel storage are left out.
    """
    try:
        found = image.getexif()
        if not found:
            return None
        exif = Image.Exif()
        exif.load(found.tobytes())
        for tag in _STORAGE_TAGS.intersection(exif):
            del exif[tag]
        exif[ExifTags.Base.Orientation] = 1
        return exif.tobytes()
    except Exception:  # the EXIF of real cameras breaks in every way; the pixels are what counts
        return None


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8. Ask after loading: Pillow turns a TIFF upright while it loads."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # as in clean_exif
        return 1


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Deep grey ("I" and "I;16" as 0..65535, "F") as mode "L"; other modes are 8-bit already."""
    if image.mode == "F":
        values = np.asarray(image)
        if not np.isfinite(values).all():
            raise ValueError("its float pixels are not all finite")
        scale = 255.0 if values.max() <= 1 else 1.0
        return Image.fromarray(np.floor(values.clip(0, 255 / scale) * scale + 0.5).astype(np.uint8))
    if image.mode.startswith("I"):
        values = np.asarray(image).clip(0, 65535).astype(np.uint32)
        return Image.fromarray(((values + 128) // 257).astype(np.uint8))
    return image


def _split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Colour without alpha in mode L, RGB, CMYK or another colour mode, and alpha as mode L."""
    if image.mode in ("La", "RGBa"):
        image = image.convert(image.mode.upper())
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        colour = image.convert("L") if image.mode == "LA" else rgba.convert("RGB")
        return colour, rgba.getchannel("A")
    if image.mode in ("L", "RGB", "CMYK", "LAB"):
        return image, None
    return image.convert("L" if image.mode == "1" else "RGB"), None


def _to_srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """Mode RGB in sRGB. Relative colorimetric with black point compensation, as editors do."""
    if image.mode == "LAB":
        return _from_profile(image, _cms.createProfile("LAB"))
    try:
        profile = _cms.ImageCmsProfile(io.BytesIO(icc)) if icc else None
        mode = _ICC_MODES.get(profile.profile.xcolor_space.strip()) if profile else None
        if mode == "RGB" and image.mode == "L":
            image = image.convert("RGB")
        if mode == image.mode:
            return _from_profile(image, profile)
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        pass  # a broken profile: the numbers are most likely sRGB already
    return image.convert("RGB")


def _from_profile(image: Image.Image, profile: object) -> Image.Image:
    return _cms.profileToProfile(
        image,
        profile,
        _cms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
