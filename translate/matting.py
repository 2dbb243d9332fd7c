"""Photo and face -> how much of each pixel is the head: hair, face and neck, and no background."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from translate.cropping import Box, cropped
from translate.faces import Face, Pixels

Floats = npt.NDArray[np.float32]
Cut = npt.NDArray[np.bool_]

# Lengths are in widths of the face's box, places are seen from its middle; down is positive.
_CELLS = 24  # of the grid that is cut, across a face: a few milliseconds
_SIDES, _ABOVE, _BELOW = 1.25, 1.2, 1.1  # how far the photo is looked at, wherever the window ends
_FAR, _HIGH, _SHOULDERS = 1.0, -1.05, 0.35  # background lies so far out, above the shoulders
_HEAD = 0.62, 0.78, 0.03  # half width, half height and middle of what is probably the head
_SURE = 0.38, 0.62, 0.0  # and of what certainly is, from the hairline to the chin
_ROUND = 2.5  # power of both superellipses
_NEAR = 0.1  # how far from the cut the outline looks for edges of the photo
_EDGE = np.float32(0.003)  # variance of brightness, in [0,1], that is an edge
_SHARP, _OUTWARD = np.float32(1.6), np.float32(0.1)  # of the outline; hair is better drawn than not


def head_matte(rgb: Pixels, face: Face, window: Box, size: tuple[int, int]) -> Floats:
    """Cut a head out of its photo, softly.

    Colours of what is surely head and surely background tell where the rest belongs (GrabCut:
    Rother, Kolmogorov, Blake 2004). Then the outline is brought to the photo's edges (guided
    filter: He, Sun, Tang 2013); where there are none it is smooth. The same photo is cut the same
    way every time. Reseeds OpenCV's generator of this thread.

    Args:
        rgb: (H,W,3) uint8, the whole photo: background is learned around the window, too.
        face: centre x, centre y and width of the face's box, in pixels.
        window: what the matte is for; it may reach beyond the photo.
        size: width and height of the matte.

    Returns:
        (height,width) in [0,1]; all 1 where a close-up shows no background.
    """
    (x, y, unit), looked = face, surroundings(rgb, face, window)
    columns, rows = (max(1, round(side / unit * _CELLS)) for side in looked[2:])
    small = _reduced(rgb, looked, (columns, rows))
    across = _distances(looked[0], looked[2], columns, x, unit)
    down = _distances(looked[1], looked[3], rows, y, unit)
    cut = _cut(small, across, down[:, None])
    if cut.all():
        return np.ones(size[::-1], np.float32)
    slope, level = _outline(_brightness(small), cut)
    # slope · guide + level, sharpened about 0.5 and moved outward; what is small first
    level = (level - np.float32(0.5)) * _SHARP + (np.float32(0.5) + _OUTWARD)
    matte = _spread(slope * _SHARP, looked, window, size)
    matte *= _brightness(_reduced(rgb, window, size))
    matte += _spread(level, looked, window, size)
    return matte.clip(0, 1, out=matte)


def surroundings(rgb: Pixels, face: Face, window: Box) -> Box:
    """All of a photo that `head_matte` looks at: the window, and what else lies near the face."""
    x, y, width = face
    left = max(0, min(window[0], round(x - _SIDES * width)))
    top = max(0, min(window[1], round(y - _ABOVE * width)))
    right = min(rgb.shape[1], max(window[0] + window[2], round(x + _SIDES * width)))
    bottom = min(rgb.shape[0], max(window[1] + window[3], round(y + _BELOW * width)))
    return left, top, right - left, bottom - top


def _distances(start: int, side: int, count: int, middle: float, unit: float) -> Floats:
    """How far `count` equal parts of a side lie from the middle, in units."""
    places = start + (np.arange(count, dtype=np.float32) + 0.5) * np.float32(side / count)
    return (places - np.float32(middle)) * np.float32(1 / unit)


def _cut(small: Pixels, across: Floats, down: Floats) -> Cut:
    """(h,w): which cells are the head."""
    labels = np.full(small.shape[:2], cv2.GC_PR_BGD, np.uint8)
    for (wide, high, middle), label in ((_HEAD, cv2.GC_PR_FGD), (_SURE, cv2.GC_FGD)):
        radius = np.abs(across / wide) ** _ROUND + np.abs((down - middle) / high) ** _ROUND
        labels[radius < 1] = label
    labels[((np.abs(across) > _FAR) & (down < _SHOULDERS)) | (down < _HIGH)] = cv2.GC_BGD
    head = (labels & 1) == 1  # odd are both kinds of foreground
    if head.all() or not head.any():
        return np.ones_like(head)
    cv2.setRNGSeed(0)
    background, foreground = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(small, labels, (0, 0, 0, 0), background, foreground, 1, cv2.GC_INIT_WITH_MASK)
    return (labels & 1) == 1


def _outline(guide: Floats, cut: Cut) -> tuple[Floats, Floats]:
    """(h,w) each: slope · guide + level is the cut, along the guide's edges."""
    plane = cut.astype(np.float32)
    centre, share = _mean(guide), _mean(plane)
    spread = _mean(guide * guide) - centre * centre + _EDGE
    slope = cast("Floats", (_mean(guide * plane) - centre * share) / spread)
    return _mean(slope), _mean(cast("Floats", share - slope * centre))


def _spread(plane: Floats, looked: Box, window: Box, size: tuple[int, int]) -> Floats:
    """The window's part of a plane over `looked`, at another width and height."""
    places = np.zeros((2, 3))  # of the new pixels, among the cells
    for axis in (0, 1):
        cells_per_pixel = plane.shape[1 - axis] / looked[2 + axis]
        step = window[2 + axis] / size[axis] * cells_per_pixel
        start = (window[axis] - looked[axis]) * cells_per_pixel
        places[axis, axis], places[axis, 2] = step, start + 0.5 * step - 0.5
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    spread = cv2.warpAffine(plane, places, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return cast("Floats", spread)


def _reduced(rgb: Pixels, box: Box, size: tuple[int, int]) -> Pixels:
    def resized(part: Pixels, to: tuple[int, int]) -> Pixels:
        return cast("Pixels", cv2.resize(part, to, interpolation=cv2.INTER_AREA))

    return cropped(rgb, box, size, resized)


def _brightness(rgb: Pixels) -> Floats:
    """(h,w,3) uint8 -> (h,w) in [0,1]."""
    grey = cast("Pixels", cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))
    return grey * np.float32(1 / 255)


def _mean(plane: Floats) -> Floats:
    """A plane under a square window of `_NEAR` to each side."""
    side = 2 * round(_NEAR * _CELLS) + 1
    return cast("Floats", cv2.blur(plane, (side, side), borderType=cv2.BORDER_REPLICATE))
