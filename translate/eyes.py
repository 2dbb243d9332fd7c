"""Eyes as large as drawings have them, for a walk to set out from.

Moves change colours where they are; none of them makes a thing larger. So what is drawn over a
photo's eyes has their size, however large eyes are in the targets. Here each eye is magnified
first, most in its middle and not at all from a certain distance on, as through a lens.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from translate.faces import Face
from translate.skin import Floats, face_places

# All lengths are in widths of the face's box, from its middle.
_EYE = (0.19, -0.1)  # where an eye is, if nothing dark is near
_NEAR = (0.07, 0.05)  # standard deviations of the distance from there
_DOT, _AROUND = 0.035, 0.12  # sigmas of what is dark, and of what it is darker than
_LEAST = 1e-3  # of the weight of all that is dark: less is none
_SEEN = 64  # pixels: width of the face's box when eyes are looked for
_LENS = (0.26, 0.3)  # half axes of what is magnified: up to the bridge of the nose, with the brow
_WIDER = 0.6  # as much more as they get taller do eyes get wider

Place = tuple[float, float]


def enlarged_eyes(picture: Floats, face: Face, times: float) -> Floats:
    """A picture whose face has larger eyes.

    Args:
        picture: (h,w,3) float32 in [0,1].
        face: in it.
        times: how many times as tall the middle of an eye becomes, 1 or more.

    Returns:
        (h,w,3) float32 in [0,1]; the same array for 1.
    """
    if times == 1:
        return picture
    across, down = face_places(picture.shape, face)
    flat, upright = 1 - 1 / (1 + _WIDER * (times - 1)), 1 - 1 / times
    left = np.zeros(picture.shape[:2], np.float32)
    up = left.copy()
    for x, y in find_eyes(picture, face):
        beside, below = across - np.float32(x), (down - np.float32(y))[:, None]
        nearer = 1 - (beside / _LENS[0]) ** 2 - (below / _LENS[1]) ** 2
        lens = np.square(nearer.clip(0), dtype=np.float32)
        left += lens * beside * np.float32(flat * face[2])
        up += lens * below * np.float32(upright * face[2])
    columns = np.arange(picture.shape[1], dtype=np.float32) - left
    rows = np.arange(picture.shape[0], dtype=np.float32)[:, None] - up
    edge = cv2.BORDER_REPLICATE
    seen = cv2.remap(picture, columns, rows, cv2.INTER_CUBIC, borderMode=edge)
    return cast("Floats", seen.clip(0, 1))


def find_eyes(picture: Floats, face: Face) -> tuple[Place, Place]:
    """Where the eyes of a face are: the middle of what is dark about where eyes are in most faces.

    Args:
        picture: (h,w,3) float32 in [0,1].
        face: in it.

    Returns:
        The one to the left and the other, in widths of the face's box from its middle.
    """
    scale = min(1.0, _SEEN / face[2])
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    light = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    x, y, width = (value * scale for value in face)
    fine, around = (cv2.GaussianBlur(light, (0, 0), sigma * width) for sigma in (_DOT, _AROUND))
    darker = np.square((around - fine).clip(0), dtype=np.float32)
    across, down = face_places(light.shape, (x, y, width))
    left, right = (_middle(darker, across, down, side * _EYE[0]) for side in (-1, 1))
    return left, right


def _middle(weight: Floats, across: Floats, down: Floats, beside: float) -> Place:
    """The centre of the weight near one eye's usual place, which counts a little, too."""
    columns = np.exp(-0.5 * ((across - np.float32(beside)) / np.float32(_NEAR[0])) ** 2)
    rows = np.exp(-0.5 * ((down - np.float32(_EYE[1])) / np.float32(_NEAR[1])) ** 2)
    there = weight * columns * rows[:, None]
    whole = float(there.sum()) + _LEAST
    x = (float((there.sum(axis=0) * across).sum()) + _LEAST * beside) / whole
    y = (float((there.sum(axis=1) * down).sum()) + _LEAST * _EYE[1]) / whole
    return x, y
