"""Eyes as large as drawings have them, for a walk to set out from.

Moves change colours where they are; none of them makes a thing larger. So what is drawn over a
photo's eyes has their size, however large eyes are in the targets. Here each eye is magnified
first, most in its middle and not at all from a certain distance on, as through a lens.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from translate.faces import Face
from translate.skin import Floats, face_places

# All lengths are in widths of the face's box, from its middle.
_EYE = (0.19, -0.1)  # where the eyes of most faces are
_TRIED = ((0.5, 13), (0.1, 11), (0.08, 9))  # at most, and how many: how far a head is tilted (in
# radians), how far both eyes are aside and below; and what of that is usual, standard deviations:
_USUAL = (0.22, 0.04, 0.03)
_DOT, _AROUND, _PUPIL = 0.035, 0.12, 0.04  # sigmas: of what is dark, and of what it is darker
# than; of all that is dark in an eye
_DARKEST = 0.1  # of 1, darker than around: eyes are, so hair counts no more
_NEAR = 0.05  # standard deviation of the distance at which what is dark belongs to an eye
_LEAST = 1e-3  # of the weight of all that is dark: less is none
_SEEN = 64  # pixels: width of the face's box when eyes are looked for
_LENS = (0.26, 0.3)  # half axes of what is magnified: up to the bridge of the nose, with the brow
_WIDER = 0.6  # as much more as they get taller do eyes get wider

Place = tuple[float, float]
Numbers = npt.NDArray[np.float64]


def enlarged_eyes(picture: Floats, face: Face, times: float, eyes: tuple[Place, Place]) -> Floats:
    """A picture whose face has larger eyes.

    Args:
        picture: (h,w,3) float32 in [0,1].
        face: in it.
        times: how many times as tall the middle of an eye becomes, 1 or more.
        eyes: see `find_eyes`.

    Returns:
        (h,w,3) float32 in [0,1]; the same array for 1.
    """
    if times == 1:
        return picture
    across, down = face_places(picture.shape, face)
    flat, upright = 1 - 1 / (1 + _WIDER * (times - 1)), 1 - 1 / times
    left = np.zeros(picture.shape[:2], np.float32)
    up = left.copy()
    for x, y in eyes:
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
    """Where the eyes of a face are: where it is dark twice, as far apart as eyes are.

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
    dark = np.square((around - fine).clip(0, _DARKEST), dtype=np.float32)
    across, down = face_places(light.shape, (x, y, width))
    whole = cast("Floats", cv2.GaussianBlur(dark, (0, 0), _PUPIL * width))
    left, right = _likeliest(whole, across, down)
    return _middle(dark, across, down, left), _middle(dark, across, down, right)


def _likeliest(dark: Floats, across: Floats, down: Floats) -> tuple[Place, Place]:
    """The places of both eyes, of all that are tried, where it is darkest; or most eyes are."""
    tilt, aside, below = np.meshgrid(*(np.linspace(-most, most, n) for most, n in _TRIED))
    ways = (way / sigma for way, sigma in zip((tilt, aside, below), _USUAL, strict=True))
    usual = np.exp(-0.5 * np.square(list(ways)).sum(axis=0))
    sine, cosine = np.sin(tilt), np.cos(tilt)
    pairs = [
        (side * cosine - _EYE[1] * sine + aside, side * sine + _EYE[1] * cosine + below)
        for side in (-_EYE[0], _EYE[0])
    ]
    left, right = (dark[_pixels(down, y), _pixels(across, x)] for x, y in pairs)
    best = int(((np.sqrt(left * right) + _LEAST**2) * usual).argmax())
    one, other = ((float(x.flat[best]), float(y.flat[best])) for x, y in pairs)
    return one, other


def _pixels(places: Floats, wanted: Numbers) -> npt.NDArray[np.int64]:
    """Which pixels of a row or column are at places; the last ones are at what is beyond."""
    pixels = np.rint((wanted - places[0]) / (places[1] - places[0])).astype(np.int64)
    return pixels.clip(0, len(places) - 1)


def _middle(dark: Floats, across: Floats, down: Floats, near: Place) -> Place:
    """The centre of what is dark near a place, which counts a little, too."""
    columns = np.exp(-0.5 * ((across - np.float32(near[0])) / np.float32(_NEAR)) ** 2)
    rows = np.exp(-0.5 * ((down - np.float32(near[1])) / np.float32(_NEAR)) ** 2)
    there = dark * columns * rows[:, None]
    whole = float(there.sum()) + _LEAST
    x = (float((there.sum(axis=0) * across).sum()) + _LEAST * near[0]) / whole
    y = (float((there.sum(axis=1) * down).sum()) + _LEAST * near[1]) / whole
    return x, y
