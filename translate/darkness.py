"""What of a face stays dark: hair darker than skin, and the line of the mouth.

Target images may have pale hair, or strands with white between them, and then a walk bleaches dark
hair, short hair of dark people most of all; and mouths of target images may be so small that a
walk wipes a photo's out. There it may draw darker, and in other colours: see `PGD.dark`.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from translate.faces import Face
from translate.skin import LUMA, Floats, Oval, face_places, oval, ramp, skin_colour

_LEAST = np.float32(1 / 255)  # light that anything is compared with

# Places in widths of the face's box, from its middle.
_COARSE, _BROADLY = 64, 1.0  # pixels: shorter side of the copy that hair is looked for in; sigma
_FACE = Oval(axes=(0.42, 0.62), middle=0.12, fades=(0.78, 0.88))  # no hair is looked for there
_HEAD = Oval(axes=(0.75, 0.95), middle=0.05, fades=(0.85, 1.15))  # nor beyond that:
_GROUND = np.float32(0.5)  # what is as dark there stays so by half
_HAIR = (0.5, 0.75)  # of the cheeks' light: hair has up to the first, none has the second
_ABOVE = (0.25, 0.6)  # between these heights hair ends

_FINE, _FINELY = 128, 0.7  # the same for mouths
_MOUTH = Oval(axes=(0.22, 0.09), middle=0.31, fades=(1.0, 1.4))
_TALL = 0.12  # a line that is less tall is a mouth's
_LINE, _SURE = (0.1, 0.25), np.float32(0.9)  # so much darker, of 1, than what is above and below it


def stays_dark(picture: Floats, face: Face) -> Floats | None:
    """Where a picture shows what stays dark, or a ground as dark as hair around it.

    Args:
        picture: (h,w,3) float32 in [0,1], its skin in even light where a walk sets out from that:
            beside dark skin in the shade dark hair is no darker.
        face: in it.

    Returns:
        (h,w) in [0,1], 1 where it does; None where the picture ends before the cheeks.
    """
    hair = _dark_hair(picture, face)
    return None if hair is None else np.maximum(hair, _mouth_line(picture, face))


def _dark_hair(picture: Floats, face: Face) -> Floats | None:
    small, place = _reduced(picture, face, _COARSE)
    small = cast("Floats", cv2.GaussianBlur(small, (0, 0), _BROADLY))
    cheeks = skin_colour((small * 255).clip(0, 255).astype(np.uint8), place)
    if cheeks is None:
        return None
    share = (small @ LUMA) / max(cheeks @ LUMA, _LEAST)
    across, down = face_places(small.shape, place)
    hair = _GROUND + (1 - _GROUND) * oval(across, down, _HEAD)
    hair *= 1 - oval(across, down, _FACE)
    hair *= 1 - ramp(share, _HAIR)
    hair *= (1 - ramp(down, _ABOVE))[:, None]
    return _enlarged(hair, picture)


def _mouth_line(picture: Floats, face: Face) -> Floats:
    """Dark lines from left to right (black top-hat) about where the mouth is."""
    small, place = _reduced(picture, face, _FINE)
    light = cast("Floats", cv2.GaussianBlur(small @ LUMA, (0, 0), _FINELY))
    tall = max(3, round(_TALL * place[2])) | 1  # odd: none shifts what it closes
    upright = np.ones((tall, 1), np.uint8)
    closed = cast("Floats", cv2.morphologyEx(light, cv2.MORPH_CLOSE, upright))
    darker = cv2.GaussianBlur((closed - light) / np.maximum(closed, _LEAST), (0, 0), _FINELY)
    across, down = face_places(light.shape, place)
    mouth = oval(across, down, _MOUTH) * ramp(cast("Floats", darker), _LINE)
    return _enlarged(_SURE * mouth, picture)


def _reduced(picture: Floats, face: Face, side: int) -> tuple[Floats, Face]:
    """A copy whose shorter side is no longer than that, and the face in it."""
    scale = min(1.0, side / min(picture.shape[:2]))
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    x, y, width = (value * scale for value in face)
    return cast("Floats", small), (x, y, width)


def _enlarged(places: Floats, picture: Floats) -> Floats:
    size = (picture.shape[1], picture.shape[0])
    return cast("Floats", cv2.resize(places, size, interpolation=cv2.INTER_LINEAR))
