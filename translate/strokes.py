"""Strokes of a drawing that are none of it, and what is there instead."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from translate.framing import Pixels

Bools = npt.NDArray[np.bool_]
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
    square = np.ones((2 * EDGE + 1, 2 * EDGE + 1), np.uint8)
    gone = cv2.dilate(strokes.astype(np.uint8), square)
    gone[kept > 0] = 0
    return cast("Pixels", cv2.inpaint(drawing, gone, _REACH, cv2.INPAINT_TELEA))
