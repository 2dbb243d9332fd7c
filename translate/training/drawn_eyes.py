"""Where drawn eyes are, in squares around faces of one kind: without a detector, from likeness.

What is dark in the same place of most pictures is an eye; so their mean is a template, each picture
is shifted and scaled to match it best, the mean gets sharper, and so on (congealing, Learned-Miller
2006). Left eyes are looked for, and right ones in the mirror.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import cv2
import numpy as np
import numpy.typing as npt

from translate.imageset import Images

Floats = npt.NDArray[np.float32]

SIZE = 256  # pixels of the squares; all lengths below are of that
_HALF = 24  # of a template's side
_PLACE, _REACH = (96.0, 121.5), 24  # where most left eyes are, and how far from there others
_DOT = 9.0  # sigma of the first template
_FINE, _AROUND, _DARKEST = 1.5, 14.0, 0.3  # sigmas: of what is darker, and than what; at most
_SCALES = ((1.0,), (1.0,), *((0.75, 0.87, 1.0, 1.15, 1.3),) * 5)  # tried, round by round


class DrawnEye(NamedTuple):
    """An eye in a square: its likeness to the template, −1 to 1, its place and the size of the
    template over its own."""

    likeness: float
    x: float
    y: float
    scale: float


def find_drawn_eyes(pictures: Sequence[Images]) -> list[tuple[DrawnEye, DrawnEye]]:
    """Left and right eye of each picture.

    Args:
        pictures: (SIZE,SIZE,3) uint8, faces in like places.

    Returns:
        For each the left and the right one; of the latter `x`, too, is the picture's own.
    """
    dark = [darker(p) for picture in pictures for p in (picture, picture[:, ::-1])]
    place = np.arange(-_HALF, _HALF, dtype=np.float32) + 0.5
    dot = np.exp(-0.5 * (place / _DOT) ** 2)
    template = cast("Floats", np.outer(dot, dot))
    found: list[DrawnEye] = []
    for scales in _SCALES:
        if found:
            weights = np.maximum([eye.likeness for eye in found], 0.05)
            seen = [_seen(d, eye) for d, eye in zip(dark, found, strict=True)]
            template = np.average(seen, axis=0, weights=weights).astype(np.float32)
        found = [_best(d, template, scales) for d in dark]
    mirrored = [eye._replace(x=SIZE - eye.x) for eye in found[1::2]]
    return list(zip(found[::2], mirrored, strict=True))


def darker(picture: Images) -> Floats:
    """How much darker than around each pixel of (h,w,3) uint8 is: (h,w)."""
    light = picture.astype(np.float32).mean(axis=2) / np.float32(255)
    around = cast("Floats", cv2.GaussianBlur(light, (0, 0), _AROUND))
    fine = cast("Floats", cv2.GaussianBlur(light, (0, 0), _FINE))
    return (around - fine).clip(-_DARKEST, _DARKEST)


def _best(dark: Floats, template: Floats, scales: Sequence[float]) -> DrawnEye:
    tried: list[DrawnEye] = []
    for scale in scales:
        seen = cv2.resize(dark, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        left, top = (max(0, int((p - _REACH) * scale) - _HALF) for p in _PLACE)
        right, bottom = (int((p + _REACH) * scale) + _HALF for p in _PLACE)
        part = seen[top:bottom, left:right]
        _, most, _, (x, y) = cv2.minMaxLoc(cv2.matchTemplate(part, template, cv2.TM_CCOEFF_NORMED))
        middle = ((left + x + _HALF) / scale, (top + y + _HALF) / scale)
        tried.append(DrawnEye(most, *middle, scale))
    return max(tried)


def _seen(dark: Floats, eye: DrawnEye) -> Floats:
    """What is around an eye, as large as the template."""
    move = np.array(
        [
            [eye.scale, 0, _HALF - eye.x * eye.scale],
            [0, eye.scale, _HALF - eye.y * eye.scale],
        ],
        np.float32,
    )
    side = 2 * _HALF
    edge = cv2.BORDER_REPLICATE
    return cast("Floats", cv2.warpAffine(dark, move, (side, side), borderMode=edge))
