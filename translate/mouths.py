"""One mouth to a drawn face: of the lines a walk draws about it only the mouth's own stays.

A smile has an upper and a lower lip, teeth and folds beside them, and a walk makes strokes of some.
The longest and clearest line in the middle is the mouth.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from translate.faces import Face
from translate.framing import Pixels
from translate.matting import brightness
from translate.skin import Floats, Oval, face_places, oval
from translate.strokes import EDGE, Bools, Marks, closed, painted_over

# Places and lengths in widths of the face's box, from its middle.
_ABOUT = Oval(axes=(0.3, 0.21), middle=0.35, fades=(1.0, 1.0001))  # noses end above, chins below
_WITHIN = 0.8  # of a line, at least, lies there, or it is the jaw's, or hair
_SPAN = 0.2  # wider than a line, or a lip
_INK = np.float32(0.12)  # so much darker, of 1, than what is around it
_OPEN = np.float32(0.6)  # or so dark, of the light of skin: an open mouth may be wider than a span
_GAP = 0.05  # what is no further apart, from left to right, is one line
_NOSE = 0.2  # a line above this height is none of the mouth's
_MIDDLE = 0.25  # a line whose middle lies so far to a side counts half
_LOW, _LEAST = (0.42, 0.55), 0.6  # between these heights it counts less, by this much in the end


def one_mouth(drawing: Pixels, face: Face) -> Pixels:
    """A drawn face without the short lines beside, above and below its mouth.

    Args:
        drawing: (h,w,3) uint8.
        face: in it.

    Returns:
        (h,w,3) uint8; the same array where there is no more than one line.
    """
    rows, columns = _part(drawing, face)
    part = drawing[rows, columns]
    if min(part.shape[:2]) < 2 * EDGE:
        return drawing
    x, y, width = face
    place = (x - columns.start, y - rows.start, width)
    lines = _lines(part, place)
    if lines is None:
        return drawing
    calm = drawing.copy()
    calm[rows, columns] = painted_over(part, *lines)
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


def _lines(part: Pixels, face: Face) -> tuple[Bools, Marks] | None:
    """(h,w) each: lines about the mouth that are not its own, and all others; None if there are no
    such lines."""
    width = face[2]
    about = oval(*face_places(part.shape, face), _ABOUT)
    if not about.any():
        return None
    darker, ink = _ink(part, width, about)
    side = max(1, round(_GAP * width)) | 1
    joined = cv2.morphologyEx(ink, cv2.MORPH_CLOSE, np.ones((1, side), np.uint8))
    count, labels, boxes, middles = cv2.connectedComponentsWithStats(joined, connectivity=8)
    lines: list[tuple[float, int]] = []
    for label in range(1, count):
        line = labels == label
        across, down = (float(middles[label, i] + 0.5 - face[i]) / width for i in (0, 1))
        if down < _NOSE or about[line].mean() < _WITHIN:
            continue
        long, high = (float(boxes[label, i]) for i in (cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT))
        clear = float(darker[line & (ink > 0)].mean()) * min(long / high, 1)
        low = 1 - _LEAST * min(max((down - _LOW[0]) / (_LOW[1] - _LOW[0]), 0), 1)
        lines.append((long * clear * low / (1 + abs(across) / _MIDDLE), label))
    if len(lines) < 2:
        return None
    own = max(lines)[1]
    gone = np.isin(labels, [label for _, label in lines if label != own])
    return gone & (ink > 0), ((labels > 0) & ~gone).astype(np.uint8)


def _ink(part: Pixels, width: float, about: Floats) -> tuple[Floats, Marks]:
    """How much darker than around it a drawing is (black top-hat), and where that is ink."""
    light = brightness(part)
    plain = closed(light, _SPAN * width)
    skin = np.median(plain[about > 0])
    around = np.maximum(plain, np.float32(1 / 255))
    opened = light < _OPEN * skin
    darker = np.where(opened, 1 - light / max(skin, 1 / 255), 1 - light / around)
    return darker.astype(np.float32), (opened | (darker > _INK)).astype(np.uint8)
