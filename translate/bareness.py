"""Where a face shows bare skin: forehead, cheeks and throat without hair, hat or beard.

Targets with strands of hair over most foreheads teach a network to draw them on each. Where a photo
has skin a walk may not: see `PGD.bare`. Eyes, nose, mouth and the line of the jaw are left to it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import cv2
import numpy as np

from translate.faces import Face
from translate.framing import Pixels
from translate.skin import Floats, cheeks, face_places
from translate.strokes import Bools, Marks, square

_SMALL = 128  # pixels: shorter side of the copy that is looked at
_SHADED, _LIT = 0.45, 75  # of the light of the cheeks' lit part, a percentile of it: what is
# darker is hair, or an edge, or so much in the shade that it may be
_DEEP, _COLOURFUL = 0.2, 0.7  # below the chin, where shade is deep, this much light is enough for
# what is as colourful for its light as the cheeks, in parts of them: hair is less
_OTHER = 7.0  # levels of Cr and Cb: what is so far from skin of any saturation below is none
_SATURATION = (0.55, 1.6)  # of skin, in parts of the cheeks': less where it shines
_SHINE = 0.3  # of the face's width: as large as what shines on a forehead is, at most
_GAPS, _LEAST, _EDGE = 5, 7, 5  # pixels: gaps that are skin, too; where it is narrower there is
# none; and how much of that loss is made good

# Places in widths of the face's box, from its middle: half axes of an ellipse, and its middle.
_FACE = (0.5, 0.54, 0.0, -0.1)  # above the jaw
_FEATURES = (
    (0.2, 0.2, 0.19, -0.1),  # an eye and its brow
    (0.2, 0.2, -0.19, -0.1),
    (0.13, 0.12, 0.0, 0.1),  # the nose
    (0.2, 0.16, 0.0, 0.27),  # the mouth
)
_CHIN = 0.5  # below this height shade is deep
_THROAT = (0.45, 0.64, 1.3)  # so far to both sides, between these heights


def bare_skin(rgb: Pixels, face: Face) -> Floats | None:
    """Where a picture shows bare skin.

    Args:
        rgb: (h,w,3) uint8.
        face: in it.

    Returns:
        (h,w) in [0,1], 1 where it does; None where the picture ends before the cheeks.
    """
    like = like_skin(rgb, face)
    if like is None:
        return None
    scale = len(like) / len(rgb)
    x, y, width = (value * scale for value in face)
    across, down = face_places(like.shape, (x, y, width))
    like = cv2.morphologyEx(like, cv2.MORPH_CLOSE, square(_GAPS))
    like = cv2.dilate(cv2.erode(like, square(_LEAST)), square(_EDGE))
    seen = np.where(_places(across, down), like, 0).astype(np.float32)
    size = (rgb.shape[1], rgb.shape[0])
    soft = cv2.resize(cv2.GaussianBlur(seen, (0, 0), 1), size, interpolation=cv2.INTER_LINEAR)
    return cast("Floats", soft)


def like_skin(rgb: Pixels, face: Face) -> Marks | None:
    """Where a picture has the colours of a face's skin, below its chin in deep shade, too.

    Args:
        rgb: (h,w,3) uint8.
        face: in it.

    Returns:
        A reduced copy's (h,w), the shorter side no longer than 128, of 0 and 1; None where the
        picture ends before the cheeks.
    """
    skin = cheeks(rgb, face)
    if skin is None:
        return None
    scale = min(1.0, _SMALL / min(rgb.shape[:2]))
    resized = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    small = cast("Pixels", resized)
    x, y, width = (value * scale for value in face)
    _, down = face_places(small.shape, (x, y, width))
    below = (down > _CHIN)[:, None]
    like = _like(small, skin, below).astype(np.uint8)
    shone = _with_shine(like, _planes(small)[0] - np.median(_planes(skin[None])[0]), width)
    return np.where(below, like, shone)  # what is light on a throat may be worn


def _with_shine(like: Marks, lighter: Floats, width: float) -> Marks:
    """What is like skin (h,w), and what is lighter and lies within it: there it shines."""
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(1 - like, connectivity=4)
    wide = np.maximum(boxes[:, cv2.CC_STAT_WIDTH], boxes[:, cv2.CC_STAT_HEIGHT])
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    shines = (wide <= _SHINE * width) & (np.arange(count) > 0) & ~np.isin(np.arange(count), border)
    mean = np.bincount(labels.ravel(), lighter.ravel(), count) / np.maximum(boxes[:, 4], 1)
    return np.where((shines & (mean > 0))[labels.astype(np.intp)], 1, like).astype(np.uint8)


def _like(rgb: Pixels, skin: Pixels, shaded: Bools) -> Bools:
    """(h,w): where colours are those of skin (n,3), lit or, in some places, in deep shade."""
    (own_light, *own_colours), (light, red, blue) = _planes(skin[None]), _planes(rgb)
    own = [float(np.median(plane)) for plane in own_colours]
    lit = np.percentile(own_light, _LIT)
    share = np.hypot(red, blue) * np.median(own_light) / (math.hypot(*own) * light + 1)
    deep = (light > _DEEP * lit) & (share > _COLOURFUL)
    bright = np.where(shaded, deep, light > _SHADED * lit)
    return bright & (_apart((red, blue), own) < _OTHER)


def _planes(rgb: Pixels) -> list[Floats]:
    """Y, and Cr and Cb against grey, in levels."""
    converted = cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb).astype(np.float32)
    return [converted[..., index] - grey for index, grey in enumerate((0, 128, 128))]


def _apart(colours: Sequence[Floats], own: Sequence[float]) -> Floats:
    """Distance from the nearest colour that is as saturated as skin may be."""
    (red, blue), (own_red, own_blue) = colours, own
    share = (red * own_red + blue * own_blue) / (own_red**2 + own_blue**2 + 1)
    share = share.clip(*_SATURATION)
    return np.hypot(red - share * own_red, blue - share * own_blue)


def _places(across: Floats, down: Floats) -> Bools:
    """(h,w) of `face_places`: where skin is bare if it is skin."""

    def within(wide: float, high: float, x: float, y: float) -> Bools:
        return ((across - x) / wide) ** 2 + ((down[:, None] - y) / high) ** 2 < 1

    beside, top, bottom = _THROAT
    throat = (abs(across) < beside) & ((down > top) & (down < bottom))[:, None]
    features = np.logical_or.reduce([within(*place) for place in _FEATURES])
    return throat | (within(*_FACE) & ~features)
