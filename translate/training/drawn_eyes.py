"""Where drawn eyes are, in squares around faces of one kind: without a detector, from likeness.

Where it is dark, and where there are edges, in the same place of most pictures, is an eye; so their
means are a template, each picture is shifted and scaled to match it best, the means get sharper,
and so on (congealing, Learned-Miller 2006). Left eyes are looked for, and right ones in the mirror.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

import cv2
import numpy as np
import numpy.typing as npt

from translate.imageset import Images

Floats = npt.NDArray[np.float32]

SIZE = 256  # pixels of the squares; all lengths below are of that
_HALF = 24  # of a template's side
_PLACE, _REACH = (94.0, 126.0), 30  # where most left eyes are, and how far from there others
_DOT = 9.0  # sigma of the first template
_FINE, _AROUND, _DARKEST = 1.5, 14.0, 0.3  # sigmas: of what is darker, and than what; at most
_EDGE, _NEAR = 1.2, 2.0  # sigmas: of what has edges, and of how near they are
_USUAL, _WEIGHT = 15.0, 0.06  # standard deviation of places, and how much likeness that is
_SCALES = ((1.0,), (1.0,), *((0.7, 0.82, 0.95, 1.1, 1.25, 1.4),) * 5)  # tried, round by round


class DrawnEye(NamedTuple):
    """An eye in a square: its likeness to the template, −1 to 1, its place and the size of the
    template over its own."""

    likeness: float
    x: float
    y: float
    scale: float


Pair = tuple[DrawnEye, DrawnEye]


@dataclass(frozen=True, slots=True)
class EyeTemplate:
    """What the eyes of pictures of one kind look like, and where left ones are.

    Attributes:
        maps: (48,48) each of what is dark and of edges.
        x, y, scale: of the likest half of them on the average, see `DrawnEye`.
    """

    maps: tuple[Floats, ...]
    x: float
    y: float
    scale: float

    def find(self, picture: Images) -> Pair:
        """The left and the right eye of another picture, both of usual size.

        Args:
            picture: (SIZE,SIZE,3) uint8.
        """
        maps = (_maps(picture), _maps(picture[:, ::-1]))
        return _pair(*(_best(m, self.maps, (self.scale,), (self.x, self.y)) for m in maps))


def find_drawn_eyes(pictures: Sequence[Images]) -> tuple[list[Pair], EyeTemplate]:
    """Left and right eye of each picture, and what they have in common.

    Args:
        pictures: (SIZE,SIZE,3) uint8, faces in like places; one at least.

    Returns:
        For each the left and the right one; of the latter `x`, too, is the picture's own.
    """
    maps = [_maps(p) for picture in pictures for p in (picture, picture[:, ::-1])]
    place = np.arange(-_HALF, _HALF, dtype=np.float32) + 0.5
    dot = np.exp(-0.5 * (place / _DOT) ** 2)
    template: tuple[Floats, ...] = (cast("Floats", np.outer(dot, dot)),)
    found: list[DrawnEye] = []
    for scales in _SCALES:
        if found:
            weights = np.maximum([eye.likeness for eye in found], 0.05) ** 2
            template = tuple(
                np.average(
                    [_seen(each[k], eye) for each, eye in zip(maps, found, strict=True)],
                    axis=0,
                    weights=weights,
                ).astype(np.float32)
                for k in range(2)
            )
        found = [_best(each, template, scales, _PLACE) for each in maps]
    likest = sorted(found, reverse=True)[: (len(found) + 1) // 2]
    x, y, log = np.mean([(e.x, e.y, np.log(e.scale)) for e in likest], axis=0).tolist()
    pairs = [_pair(*found[i : i + 2]) for i in range(0, len(found), 2)]
    return pairs, EyeTemplate(template, x, y, float(np.exp(log)))


def _pair(left: DrawnEye, mirrored: DrawnEye) -> Pair:
    return left, mirrored._replace(x=SIZE - mirrored.x)


def _maps(picture: Images) -> tuple[Floats, Floats]:
    """How much darker than around each pixel of (h,w,3) uint8 is, and how much more edged."""
    light = picture.astype(np.float32).mean(axis=2) / np.float32(255)
    blurred = cast("Floats", cv2.GaussianBlur(light, (0, 0), _EDGE))
    across, down = (cv2.Sobel(blurred, -1, *order) for order in ((1, 0), (0, 1)))
    edges = np.hypot(across, down).astype(np.float32)
    near, around = (cast("Floats", cv2.GaussianBlur(edges, (0, 0), s)) for s in (_NEAR, _AROUND))
    return darker(light), (near - around).clip(-_DARKEST, _DARKEST)


def darker(light: Floats) -> Floats:
    """How much darker than around each pixel of (h,w) is: (h,w)."""
    around = cast("Floats", cv2.GaussianBlur(light, (0, 0), _AROUND))
    fine = cast("Floats", cv2.GaussianBlur(light, (0, 0), _FINE))
    return (around - fine).clip(-_DARKEST, _DARKEST)


def _best(
    maps: Sequence[Floats],
    template: Sequence[Floats],
    scales: Sequence[float],
    place: tuple[float, float],
) -> DrawnEye:
    """The likest place of a picture, near the usual one; of its maps as many as the template's."""
    tried: list[DrawnEye] = []
    for scale in scales:
        left, top = (max(0, int((p - _REACH) * scale) - _HALF) for p in place)
        right, bottom = (int((p + _REACH) * scale) + _HALF for p in place)
        each: list[Floats] = []
        for whole, part in zip(maps, template, strict=False):
            seen = cv2.resize(whole, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            seen = np.ascontiguousarray(seen[top:bottom, left:right])
            each.append(cast("Floats", cv2.matchTemplate(seen, part, cv2.TM_CCOEFF_NORMED)))
        like = cast("Floats", np.mean(each, axis=0))
        rows, columns = like.shape
        xs = (np.arange(columns, dtype=np.float32) + (left + _HALF)) / np.float32(scale)
        ys = (np.arange(rows, dtype=np.float32) + (top + _HALF)) / np.float32(scale)
        off = ((xs - place[0]) / _USUAL) ** 2 + (((ys - place[1]) / _USUAL) ** 2)[:, None]
        y, x = divmod(int((like - _WEIGHT / 2 * off).argmax()), columns)
        tried.append(DrawnEye(float(like[y, x]), float(xs[x]), float(ys[y]), scale))
    return max(tried)


def _seen(map_: Floats, eye: DrawnEye) -> Floats:
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
    return cast("Floats", cv2.warpAffine(map_, move, (side, side), borderMode=edge))
