"""Photo and face -> how much of each pixel is the head: hair, face and neck, and no background.

A small network marks it; it learned from heads that colours cut out of plain backgrounds, before
other ones (`translate.training.heads`). What it is unsure of goes where its colours belong.
"""

from __future__ import annotations

from functools import lru_cache
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from translate.cropping import Box, cropped, overlap
from translate.faces import Face, Pixels
from translate.segmenting import segmented

Floats = npt.NDArray[np.float32]

SEEN = 128
"""Height and width that a head is looked at with."""
ACROSS = 8 / 3
"""Of what that shows, around the face's box, in widths of the box."""

_NETWORK = "heads"
_REMEMBERED = 64  # heads, of 131 KB each
_CELLS = 64  # height and width of what colours decide on: two milliseconds
_HEAD, _GROUND = 0.8, 0.1  # what the network is sure of
_NEAR = 0.1  # how far from the cut the outline looks for edges of the photo, in widths
_WINDOW = 2 * round(_NEAR * SEEN / ACROSS) + 1  # so in pixels, to both sides
_EDGE = np.float32(0.003)  # variance of brightness, in [0,1], that is an edge
_SHARP, _OUTWARD = np.float32(2.2), np.float32(0.1)  # of the outline; hair is better drawn than not


def head_matte(rgb: Pixels, face: Face, window: Box, size: tuple[int, int]) -> Floats:
    """Cut a head out of its photo, softly.

    What the network marks for sure tells which colours are the head's (GrabCut: Rother,
    Kolmogorov, Blake 2004). Then the outline is brought to the photo's edges (guided filter: He,
    Sun, Tang 2013); where there are none it is smooth. The same photo is cut the same way every
    time. Reseeds OpenCV's generator of this thread.

    Args:
        rgb: (H,W,3) uint8, the whole photo: what lies around the window is looked at, too.
        face: centre x, centre y and width of the face's box, in pixels.
        window: what the matte is for; it may reach beyond the photo.
        size: width and height of the matte.

    Returns:
        (height,width) in [0,1]; all 1 where the face lies beyond the photo.
    """
    looked = around(face)
    if 0 in overlap(looked, (rgb.shape[1], rgb.shape[0]))[2:]:
        return np.ones(size[::-1], np.float32)
    slope, level = _cut(seen(rgb, looked).tobytes())
    # slope · guide + level, sharpened about 0.5 and moved outward; what is small first
    level = (level - np.float32(0.5)) * _SHARP + (np.float32(0.5) + _OUTWARD)
    matte = _spread(slope * _SHARP, looked, window, size)
    matte *= brightness(_reduced(rgb, window, size))
    matte += _spread(level, looked, window, size)
    return matte.clip(0, 1, out=matte)


@lru_cache(maxsize=_REMEMBERED)
def _cut(looked_at: bytes) -> tuple[Floats, Floats]:
    """`along_edges` of the head in a picture, (SEEN,SEEN,3) uint8: the same for any window, so that
    a photo whose head is looked for before and after a walk is cut once."""
    small = np.frombuffer(bytearray(looked_at), np.uint8).reshape(SEEN, SEEN, 3)
    likely = _decided(small, segmented(_NETWORK, small))
    return along_edges(brightness(small), likely, _WINDOW, _EDGE)


def prepare_matting() -> None:
    """Load what the first head would have to."""
    segmented(_NETWORK, np.zeros((SEEN, SEEN, 3), np.uint8))


def around(face: Face) -> Box:
    """The square that a head is looked at in; it may reach beyond the photo."""
    x, y, width = face
    side = max(1, round(ACROSS * width))
    return round(x - side / 2), round(y - side / 2), side, side


def seen(rgb: Pixels, box: Box, size: int = SEEN) -> Pixels:
    """A square of a photo as it is looked at, (size,size,3) uint8: its edge goes on beyond it."""
    return _reduced(rgb, box, (size, size))


def surroundings(rgb: Pixels, face: Face, window: Box) -> Box:
    """All of a photo that `head_matte` looks at: the window, and what else lies near the face."""
    looked = around(face)
    left, top = (max(0, min(window[i], looked[i])) for i in (0, 1))
    right, bottom = (
        min(rgb.shape[1 - i], max(window[i] + window[2 + i], looked[i] + looked[2 + i]))
        for i in (0, 1)
    )
    return left, top, right - left, bottom - top


def _decided(small: Pixels, likely: Floats) -> Floats:
    """(h,w) in [0,1]: which cells are the head; how likely they are it where no colours tell."""
    cells = (_CELLS, _CELLS)
    colours = cast("Pixels", cv2.resize(small, cells, interpolation=cv2.INTER_AREA))
    there = cast("Floats", cv2.resize(likely, cells, interpolation=cv2.INTER_AREA))
    cut = grown(colours, told(there, _GROUND, _HEAD), 1)
    return likely if cut is None else cast("Floats", cv2.resize(cut, (SEEN, SEEN)))


def told(likely: Floats, ground: float, head: float) -> Pixels:
    """What `grown` begins with, (h,w): sure below `ground` and above `head`, a guess in between."""
    labels = np.where(likely > 0.5, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[likely > head], labels[likely < ground] = cv2.GC_FGD, cv2.GC_BGD
    return labels


def grown(rgb: Pixels, labels: Pixels, rounds: int) -> Floats | None:
    """What GrabCut takes for the head.

    Args:
        rgb: (h,w,3) uint8.
        labels: (h,w) uint8, what it begins with, of OpenCV's four kinds.
        rounds: of learning colours.

    Returns:
        (h,w) float32 of 0 and 1; None where nothing, or everything, is said to be the head.
    """
    head = (labels & 1) == 1  # odd are both kinds of foreground
    if head.all() or not head.any():
        return None
    labels, models = labels.copy(), (np.zeros((1, 65)), np.zeros((1, 65)))
    cv2.setRNGSeed(0)
    cv2.grabCut(rgb, labels, (0, 0, 0, 0), *models, rounds, cv2.GC_INIT_WITH_MASK)
    return (labels & 1).astype(np.float32)


def along_edges(
    guide: Floats, plane: Floats, window: int, edge: np.float32
) -> tuple[Floats, Floats]:
    """Guided filter: (h,w) each, slope · guide + level is the plane along the guide's edges.

    Args:
        guide, plane: (h,w) float32 in [0,1].
        window: its width, odd, in pixels.
        edge: variance of the guide that is an edge.
    """

    def mean(x: npt.NDArray[np.floating]) -> Floats:
        return cast("Floats", cv2.blur(x, (window, window), borderType=cv2.BORDER_REPLICATE))

    centre, share = mean(guide), mean(plane)
    spread = mean(guide * guide) - centre * centre + edge
    slope = (mean(guide * plane) - centre * share) / spread
    return mean(slope), mean(share - slope * centre)


def _spread(plane: Floats, looked: Box, window: Box, size: tuple[int, int]) -> Floats:
    """The window's part of a plane over `looked`, at another width and height."""
    places = np.zeros((2, 3))  # of the new pixels, among the plane's
    for axis in (0, 1):
        its_per_pixel = plane.shape[1 - axis] / looked[2 + axis]
        step = window[2 + axis] / size[axis] * its_per_pixel
        start = (window[axis] - looked[axis]) * its_per_pixel
        places[axis, axis], places[axis, 2] = step, start + 0.5 * step - 0.5
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    spread = cv2.warpAffine(plane, places, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return cast("Floats", spread)


def _reduced(rgb: Pixels, box: Box, size: tuple[int, int]) -> Pixels:
    def resized(part: Pixels, to: tuple[int, int]) -> Pixels:
        return cast("Pixels", cv2.resize(part, to, interpolation=cv2.INTER_AREA))

    return cropped(rgb, box, size, resized)


def brightness(rgb: Pixels) -> Floats:
    """(h,w,3) uint8 -> (h,w) in [0,1]."""
    grey = cast("Pixels", cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY))
    return grey * np.float32(1 / 255)
