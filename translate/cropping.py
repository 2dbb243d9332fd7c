"""A box of a picture, also where it reaches beyond: there the picture's edge is repeated."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numpy as np
import numpy.typing as npt

Box = tuple[int, int, int, int]  # left, top, width and height, in pixels
Size = tuple[int, int]  # width and height
_Plane = TypeVar("_Plane", bound=npt.NDArray[np.generic])


def overlap(box: Box, picture: Size) -> Box:
    """What of a box lies in a picture; its width or height is 0 where nothing does."""
    left, top = max(0, box[0]), max(0, box[1])
    right, bottom = min(picture[0], box[0] + box[2]), min(picture[1], box[1] + box[3])
    return left, top, max(0, right - left), max(0, bottom - top)


def uncovered(seen: _Plane, box: Box, picture: Size) -> _Plane:
    """What of a box's pixels, (h,w,…) at any size, lies in the picture: a view."""
    left, top, right, bottom = _inside(box, picture, (seen.shape[1], seen.shape[0]))
    return cast("_Plane", seen[top:bottom, left:right])


def cropped(
    pixels: _Plane, box: Box, size: Size, resize: Callable[[_Plane, Size], _Plane]
) -> _Plane:
    """A box of (H,W,…) at another size, (h,w,…): resized, then with its edge repeated.

    So it takes no more memory than a box inside. Some of it has to lie in the picture.
    """
    left, top, width, height = overlap(box, (pixels.shape[1], pixels.shape[0]))
    first_x, first_y, last_x, last_y = _inside(box, (pixels.shape[1], pixels.shape[0]), size)
    inside = cast("_Plane", pixels[top : top + height, left : left + width])
    seen = resize(inside, (last_x - first_x, last_y - first_y))
    room = ((first_y, size[1] - last_y), (first_x, size[0] - last_x))
    if not any(map(any, room)):
        return seen
    return cast("_Plane", np.pad(seen, (*room, *[(0, 0)] * (seen.ndim - 2)), mode="edge"))


def _inside(box: Box, picture: Size, size: Size) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what lies in the picture, of a box seen at a size."""
    left, top, width, height = overlap(box, picture)
    across, down = size[0] / box[2], size[1] / box[3]
    x = min(round((left - box[0]) * across), size[0] - 1)
    y = min(round((top - box[1]) * down), size[1] - 1)
    right = max(x + 1, round((left - box[0] + width) * across))
    return x, y, right, max(y + 1, round((top - box[1] + height) * down))
