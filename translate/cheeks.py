"""No ink on cheeks: a walk makes strokes of shades below a photo's eyes, and drawings have none.

What is drawn of the eyes hangs together, and so do hair and the line of a jaw. Short strokes that
lie on a cheek by themselves go.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from translate.faces import Face
from translate.framing import Pixels
from translate.matting import brightness
from translate.skin import face_places
from translate.strokes import EDGE, Bools, Marks, closed, painted_over

# Places and lengths in widths of the face's box, from its middle.
_BESIDE = (0.08, 0.46)  # so far to both sides cheeks are,
_HEIGHTS = (0.03, 0.26)  # and between these heights the middle of a stroke
_LONGEST = 0.2  # longer ones are rims, jaws or hair

_INK = np.float32(0.07)  # so much darker, of 1, than what is around it
_AROUND = 0.2  # wider than any such stroke


def bare_cheeks(drawing: Pixels, face: Face) -> Pixels:
    """A drawn face without short strokes below its eyes.

    Args:
        drawing: (h,w,3) uint8.
        face: in it.

    Returns:
        (h,w,3) uint8; the same array where there are none.
    """
    width = face[2]
    across, down = face_places(drawing.shape, face)
    reach = _LONGEST + _AROUND
    columns = np.flatnonzero(abs(across) < _BESIDE[1] + reach)
    rows = np.flatnonzero((down > _HEIGHTS[0] - reach) & (down < _HEIGHTS[1] + reach))
    if min(len(columns), len(rows)) < 2 * EDGE:
        return drawing
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    ink = _ink(drawing[part], width)
    strokes = _strokes(ink, (face[0] - columns[0], face[1] - rows[0], width))
    if not strokes.any():
        return drawing
    calm = drawing.copy()
    calm[part] = painted_over(drawing[part], strokes, ink * ~strokes)
    return calm


def _ink(part: Pixels, width: float) -> Marks:
    """(h,w) of 0 and 1: what is darker than what is around it (black top-hat)."""
    light = brightness(part)
    return (light < (1 - _INK) * closed(light, _AROUND * width)).astype(np.uint8)


def _strokes(ink: Marks, face: Face) -> Bools:
    """(h,w): ink that lies on a cheek by itself."""
    x, y, width = face
    count, labels, boxes, middles = cv2.connectedComponentsWithStats(ink, connectivity=8)
    alone = np.zeros(count, bool)
    for label in range(1, count):
        left, _, wide, high, _ = (float(value) / width for value in boxes[label])
        beside = left - x / width, left + wide - x / width
        near, far = sorted(map(abs, beside)) if beside[0] * beside[1] > 0 else (0.0, 1.0)
        height = (float(middles[label, 1]) + 0.5 - y) / width
        alone[label] = (
            max(wide, high) <= _LONGEST
            and near >= _BESIDE[0]
            and far <= _BESIDE[1]
            and _HEIGHTS[0] <= height <= _HEIGHTS[1]
        )
    return cast("Bools", alone[labels.astype(np.intp)])
