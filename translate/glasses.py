"""Glasses before a face: what rims and dark lenses hide, so that a walk can leave that as it is.

Hardly any drawing in a training set wears glasses, so an energy takes rims for lines to dissolve. A
small network marks them; it learned from painted ones (`translate.training.glasses`).
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from translate.faces import Face
from translate.masking import Mask
from translate.segmenting import segmented

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

SEEN = (192, 128)
"""Width and height that a face is looked at with: its detected box fills the height."""

_NETWORK = "glasses"
_SMALLER = 0.7  # below this scale pixels are averaged first
_FACE = 128  # width of the detected box there; all lengths below are in those pixels
_EYES = slice(20, 85)  # rows in which glasses are
# Marked for sure there, in all and on either side of the nose. What is less in 3,002 selfies and
# 138 portraits was telephones, hands, a skull and the brows of one old man, or less than half a
# rim. No selfie of the 168 held-out ones without glasses has a single such pixel.
_LEAST, _EITHER = 400, 90
_SURE, _MAYBE = 0.5, 0.25  # what glasses are told by, and what then belongs to them
# In widths of the face's box: rims are thinner than lenses, and as wide as that is their shadow.
_LENS, _BESIDE = 1 / 9, 1 / 30
_HOLE = 1 / 3  # a hole so small, of what is marked on its side, is no lens but a light on one


def find_glasses(seen: Pixels, face: Face) -> Mask | None:
    """Where glasses hide a face, or None where there are none. Threads may share it.

    Args:
        seen: (h,w,3) uint8, what the network sees.
        face: in its pixels.

    Returns:
        (h,w) bool: rims, temples, and lenses that no eye is seen through.
    """
    likely = segmented(_NETWORK, near(seen, face))
    if not _are_glasses(likely > _SURE):
        return None
    likely[_lights(likely > _MAYBE)] = 1
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    there = cv2.warpAffine(likely, _place(face), (seen.shape[1], seen.shape[0]), flags=flags)
    return there > _MAYBE


def without_rims(seen: Pixels, face: Face, worn: Mask, lightening: Floats) -> Floats:
    """Light in which rims are as light as the skin beside them: a walk takes dark ones for lines.

    Args:
        seen: (h,w,3) uint8.
        face: in its pixels.
        worn: (h,w) bool, what `find_glasses` found.
        lightening: (h,w) float32, added to all colours in [0,1]: the light that rims are in.

    Returns:
        (h,w) float32, the same elsewhere. Dark lenses stay dark: eyes are made of them.
    """
    width = face[2]
    lens, beside = _disc(_LENS * width), _disc(_BESIDE * width)
    marked = worn.astype(np.uint8)
    thick = cv2.dilate(cv2.morphologyEx(marked, cv2.MORPH_OPEN, lens), lens)
    rims = cv2.dilate(marked & (1 - thick), beside)
    luma = cast(Pixels, cv2.cvtColor(seen, cv2.COLOR_RGB2GRAY))
    light = (luma + np.float32(255) * lightening).clip(0, 255).astype(np.uint8)
    filled = cast(Pixels, cv2.inpaint(light, rims, 3 * _BESIDE * width, cv2.INPAINT_TELEA))
    lacking = cast(Pixels, cv2.subtract(filled, light)) * rims  # never below 0
    return cast(Floats, lightening + lacking * np.float32(1 / 255))


def near(seen: Pixels, face: Face) -> Pixels:
    """A face as it is looked at: `SEEN`, (128,192,3) uint8.

    Args:
        seen: (h,w,3) uint8.
        face: in its pixels.
    """
    scale = _FACE / face[2]
    if scale < _SMALLER:
        shape = (max(1, round(seen.shape[1] * scale)), max(1, round(seen.shape[0] * scale)))
        across, down = shape[0] / seen.shape[1], shape[1] / seen.shape[0]
        seen = cast(Pixels, cv2.resize(seen, shape, interpolation=cv2.INTER_AREA))
        face = (face[0] * across, face[1] * down, _FACE)
    edge = cv2.BORDER_REPLICATE
    return cast(Pixels, cv2.warpAffine(seen, _place(face), SEEN, borderMode=edge))


def _disc(across: float) -> Pixels:
    """(k,k) of 0 and 1, k odd."""
    side = 2 * round(across / 2) + 1
    return cast(Pixels, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))


def _place(face: Face) -> npt.NDArray[np.float64]:
    """From the picture's pixels to those it is looked at with."""
    x, y, width = face
    scale = _FACE / width
    return np.array([[scale, 0, SEEN[0] / 2 - x * scale], [0, scale, SEEN[1] / 2 - y * scale]])


def _are_glasses(there: Mask) -> bool:
    left, right = (int(side.sum()) for side in _sides(there[_EYES]))
    return left + right >= _LEAST and min(left, right) >= _EITHER


def _lights(there: Mask) -> Mask:
    """Small holes in what is marked."""
    empty = (~there).astype(np.uint8)
    count, labels, boxes, middles = cv2.connectedComponentsWithStats(empty, connectivity=4)
    around = [int(side.sum()) for side in _sides(there)]
    small = [
        label
        for label in range(1, count)
        if boxes[label, cv2.CC_STAT_AREA] < _HOLE * around[int(middles[label, 0] > SEEN[0] / 2)]
    ]
    return np.isin(labels, small)


def _sides(there: Mask) -> tuple[Mask, Mask]:
    """Left and right of the nose."""
    return there[:, : SEEN[0] // 2], there[:, SEEN[0] // 2 :]


def prepare_glasses() -> None:
    """Load what the first search would have to, and start its threads."""
    segmented(_NETWORK, np.zeros((SEEN[1], SEEN[0], 3), np.uint8))
