"""Strokes of a drawing: what is around them, and what is there instead where one is none of it."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from translate.framing import Pixels

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Marks = npt.NDArray[np.uint8]

EDGE = 3  # pixels: so far around it a stroke goes, too
_REACH = 3  # pixels: what fills it is from as far


def painted_over(drawing: Pixels, strokes: Bools, kept: Marks) -> Pixels:
    """A drawing without some strokes: they are filled from what is around them (Telea 2004).

    Args:
        drawing: (h,w,3) uint8.
        strokes: (h,w), where they are.
        kept: (h,w), 0 but where nothing changes, however near.

    Returns:
        (h,w,3) uint8.
    """
    gone = cv2.dilate(strokes.astype(np.uint8), square(2 * EDGE + 1))
    gone[kept > 0] = 0
    return cast("Pixels", cv2.inpaint(drawing, gone, _REACH, cv2.INPAINT_TELEA))


def closed(light: Floats, length: float) -> Floats:
    """(h,w) without what is dark and narrower than a length in pixels: what is around strokes, or
    would be there (closing by a square, Serra 1982)."""
    side = max(3, round(length)) | 1
    return cast("Floats", cv2.morphologyEx(light, cv2.MORPH_CLOSE, square(side)))


def square(side: int) -> Marks:
    """What `cv2` takes for a neighbourhood."""
    return np.ones((side, side), np.uint8)
