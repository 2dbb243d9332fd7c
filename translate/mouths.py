"""One mouth to a drawn face: of the lines a walk draws about it only the mouth's own stays.

A smile has an upper and a lower lip, teeth and folds beside them, and a walk makes strokes of some.
The longest line in the middle is the mouth.
"""

from __future__ import annotations

import math
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from translate.faces import Face
from translate.framing import Pixels
from translate.matting import brightness
from translate.skin import Floats, Oval, face_places, oval

# Places and lengths in widths of the face's box, from its middle.
_ABOUT = Oval(axes=(0.3, 0.21), middle=0.35, fades=(1.0, 1.0001))  # noses end above, chins below
_WITHIN = 0.8  # of a line, at least, lies there, or it is the jaw's, or hair
_SPAN = 0.2  # wider than a line, or a lip
_INK = 0.12  # so much darker, of 1, than what is around it
_GAP = 0.05  # what is no further apart, from left to right, is one line
_NOSE = 0.2  # a line above this height is none of the mouth's
_MIDDLE, _HEIGHT, _OTHER = 0.25, (0.22, 0.42), 0.4  # a line whose middle lies so far to a side
# counts half, and one above or below these heights this much
_EDGE, _REACH = (
    3,
    3,
)  # pixels: how far around a line it goes, too; and how far what fills it is from


def one_mouth(drawing: Pixels, face: Face) -> Pixels:
    """A drawn face without the short lines beside, above and below its mouth.

    They are filled from what is around them (Telea 2004).

    Args:
        drawing: (h,w,3) uint8.
        face: in it.

    Returns:
        (h,w,3) uint8; the same array where there is no more than one line.
    """
    rows, columns = _part(drawing, face)
    part = drawing[rows, columns]
    if min(part.shape[:2]) < 2 * _EDGE:
        return drawing
    x, y, width = face
    place = (x - columns.start, y - rows.start, width)
    others = _others(part, place)
    if others is None:
        return drawing
    calm = drawing.copy()
    calm[rows, columns] = cv2.inpaint(part, others, _REACH, cv2.INPAINT_TELEA)
    return calm


def _part(drawing: Pixels, face: Face) -> tuple[slice, slice]:
    """Rows and columns that hold the mouth, and as much around as a span needs."""
    x, y, width = face
    (wide, high), middle = _ABOUT.axes, _ABOUT.middle

    def held(centre: float, half: float, size: int) -> slice:
        low, top = math.floor(centre - half * width), math.ceil(centre + half * width)
        return slice(min(max(low, 0), size), min(max(top, 0), size))

    return (
        held(y + middle * width, high + _SPAN, drawing.shape[0]),
        held(x, wide + _SPAN, drawing.shape[1]),
    )


def _others(part: Pixels, face: Face) -> npt.NDArray[np.uint8] | None:
    """(h,w) of 0 and 1: lines about the mouth that are not its own; None if there are none."""
    width = face[2]
    ink = _ink(part, width)
    side = max(1, round(_GAP * width)) | 1
    joined = cv2.morphologyEx(ink, cv2.MORPH_CLOSE, np.ones((1, side), np.uint8))
    count, labels, boxes, middles = cv2.connectedComponentsWithStats(joined, connectivity=8)
    about = oval(*face_places(part.shape, face), _ABOUT)
    lines: list[tuple[float, int]] = []
    for label in range(1, count):
        across, down = (float(middles[label, i]) + 0.5 - face[i] for i in (0, 1))
        if down < _NOSE * width or about[labels == label].mean() < _WITHIN:
            continue
        length = float(boxes[label, cv2.CC_STAT_WIDTH]) / (1 + abs(across) / (_MIDDLE * width))
        low, top = (height * width for height in _HEIGHT)
        lines.append((length if low < down < top else _OTHER * length, label))
    if len(lines) < 2:
        return None
    own = max(lines)[1]
    others = np.isin(labels, [label for _, label in lines if label != own]) & (ink > 0)
    grown = cv2.dilate(others.astype(np.uint8), np.ones((2 * _EDGE + 1, 2 * _EDGE + 1), np.uint8))
    grown[(labels > 0) & ~others] = 0
    return cast("npt.NDArray[np.uint8]", grown)


def _ink(part: Pixels, width: float) -> npt.NDArray[np.uint8]:
    """(h,w) of 0 and 1: where a drawing is much darker than around (black top-hat)."""
    light = brightness(part)
    side = max(3, round(_SPAN * width)) | 1
    closed = cast(
        "Floats", cv2.morphologyEx(light, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8))
    )
    return (closed - light > _INK * closed).astype(np.uint8)
