"""Where a photo shows hair that a walk is not to make lighter.

Target images may have pale hair, or strands with white between them, and then a walk bleaches dark
hair: short hair of dark people most of all. What lies around a face and is darker than its skin may
get darker, and its colour may change: see `PGD.hair`. Grounds as dark stay dark, too.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from translate.faces import Face
from translate.skin import Floats, Oval, face_places, oval, skin_colour
from translate.srgb import LUMA

_SMALL = 64  # pixels: shorter side of the copy that is looked at
_BROADLY = 1.0  # sigma, in its pixels
_FACE = Oval(axes=(0.42, 0.62), middle=0.12, fades=(0.78, 0.88))  # no hair is looked for there
_DARK = (0.8, 1.0)  # of the cheeks' light: hair has up to the first, and none the second
_ABOVE = (0.25, 0.6)  # below the face's middle, in widths of its box: there it ends


def dark_hair(picture: Floats, face: Face) -> Floats | None:
    """Where a picture shows hair darker than skin, or as dark a ground.

    Args:
        picture: (h,w,3) float32 in [0,1], its skin in even light where a walk sets out from that:
            beside dark skin in the shade dark hair is no darker.
        face: in it.

    Returns:
        (h,w) in [0,1], 1 where it does; None where the picture ends before the cheeks.
    """
    height, width = picture.shape[:2]
    scale = min(1.0, _SMALL / min(height, width))
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), _BROADLY)
    x, y, across_face = (value * scale for value in face)
    place = (x, y, across_face)
    cheeks = skin_colour((small.clip(0, 1) * 255).astype(np.uint8), place)
    if cheeks is None:
        return None
    luma = np.array(LUMA, np.float32)
    share = (small @ luma) / max(float(cheeks @ luma), 1 / 255)
    across, down = face_places(small.shape, place)
    hair = (1 - _rising(share, _DARK)) * (1 - oval(across, down, _FACE))
    hair *= (1 - _rising(down, _ABOVE))[:, None]
    return cast("Floats", cv2.resize(hair, (width, height), interpolation=cv2.INTER_LINEAR))


def _rising(x: Floats, ends: tuple[float, float]) -> Floats:
    """0 up to the first end, 1 from the second on."""
    return ((x - np.float32(ends[0])) / np.float32(ends[1] - ends[0])).clip(0, 1)
