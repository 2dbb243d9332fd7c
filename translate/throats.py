"""No ink on a bare throat: of what a walk draws below a face only the line of the jaw stays, and
no line is red.

A walk makes patches of the shade below a jaw, and strokes of folds and chains.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from translate.bareness import like_skin
from translate.faces import Face
from translate.framing import Pixels, Window, extract
from translate.matting import brightness
from translate.skin import LUMA, Floats, face_places, no_redder, skin_colour
from translate.strokes import Bools, closed, square

# Places and lengths in widths of the face's box, from its middle.
_BESIDE, _TOP, _BOTTOM = 0.42, 0.44, 1.3  # looked at: so far to both sides, between these heights
_LINE = 0.045  # so thick a jaw's line is
_THICK = 0.06  # thicker than a line: hair beside a jaw
_RUN, _JUMP = 0.12, 0.1  # where it would lie so much lower than beside it, that far, it has a gap
_AROUND = 0.2  # wider than any line
_BROADLY = 0.06  # sigma of the skin that fills what was ink

_INK = np.float32(0.14)  # so much darker, of 1, than what is around it
_SHADED = 0.6  # what is around is no darker than this, of the light of the drawing's cheeks
_GAPS, _SPECKS, _OUTLINE = 7, 5, 5  # of 128 pixels: what is no skin, but narrower, is; the other
# way round; and so wide its outline is: it stays
_EDGE, _SOFT = 5, 0.7  # pixels, and sigma: lines have soft edges
_LEAST = np.float32(0.02)  # of skin around, where it counts as much as cheeks


def bare_throat(drawing: Pixels, rgb: Pixels, window: Window) -> Pixels:
    """A drawn face without ink where the photo shows skin below its jaw.

    Args:
        drawing: (out_height,out_width,3) uint8, what became of the window.
        rgb: (H,W,3) uint8, the photo.
        window: with a face.

    Returns:
        (out_height,out_width,3) uint8; the same array where there is none.
    """
    face = window.seen_face
    assert face is not None
    skin, colour = _skin(extract(rgb, window), face), skin_colour(drawing, face)
    across, down = face_places(drawing.shape, face)
    columns = np.flatnonzero(abs(across) < _BESIDE)
    rows = np.flatnonzero((down > _TOP) & (down < _BOTTOM))
    if skin is None or colour is None or min(len(columns), len(rows)) < _EDGE:
        return drawing
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    ink = _ink(drawing, face[2], float(colour @ LUMA))[part]
    line = ink & (_depth(_jaw(ink, face[2]), len(ink)) <= _LINE * face[2])
    line |= ink & _hair(ink, face[2])
    strokes = ink & ~line & skin[part]
    seen = drawing[part]
    own = no_redder(seen, colour, skin[part].astype(np.float32))
    if own is seen and not strokes.any():
        return drawing
    gone = (cv2.dilate(strokes.astype(np.uint8), square(_EDGE)) > 0) & ~line
    soft = np.where(line, 0, cv2.GaussianBlur(gone.astype(np.float32), (0, 0), _SOFT))[..., None]
    bare = skin[part] & (cv2.dilate(ink.astype(np.uint8), square(3)) == 0)
    calm = drawing.copy()
    plain = _filled(own, bare.astype(np.float32), colour * 255, _BROADLY * face[2])
    calm[part] = np.rint(own + soft * (plain - own))
    return calm


def _skin(photo: Pixels, face: Face) -> Bools | None:
    """(h,w): where a photo shows skin, its outline left out; None where it ends before cheeks."""
    like = like_skin(photo, face)
    if like is None:
        return None
    like = cv2.morphologyEx(like, cv2.MORPH_CLOSE, square(_GAPS))
    like = cv2.morphologyEx(like, cv2.MORPH_OPEN, square(_SPECKS))
    like = cv2.erode(like, square(_OUTLINE))
    size = (photo.shape[1], photo.shape[0])
    return cv2.resize(like.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) > 0.5


def _ink(drawing: Pixels, width: float, skin: float) -> Bools:
    """(h,w): what is darker than what is around it; all dark where even that is."""
    light = brightness(drawing)
    around = closed(light, _AROUND * width)
    return light < (1 - _INK) * np.maximum(around, np.float32(max(_SHADED * skin, 1 / 255)))


def _jaw(ink: Bools, width: float) -> Floats:
    """(w,): in which row of a part the jaw's line begins, column by column."""
    first = np.where(ink.any(axis=0), ink.argmax(axis=0), len(ink)).astype(np.float32)
    run = max(1, round(_RUN * width) // 2)
    beside = np.lib.stride_tricks.sliding_window_view(np.pad(first, run, mode="edge"), 2 * run + 1)
    usual = np.median(beside, axis=1)
    return np.where(first > usual + np.float32(_JUMP * width), usual, first)


def _depth(jaw: Floats, rows: int) -> Floats:
    """(rows,w): how far below the jaw, or beside it, pixels of a part are; 0 is the face."""
    below = np.arange(-1, rows)[:, None] >= np.maximum(jaw, 0)  # the row above is all face
    distance = cv2.distanceTransform(below.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return cast("Floats", distance[1:])


def _hair(ink: Bools, width: float) -> Bools:
    """(h,w): what comes into a part from above or from a side, and is thicker than a line."""
    thick = square(max(3, round(_THICK * width)) | 1)
    opened = cv2.morphologyEx(ink.astype(np.uint8), cv2.MORPH_OPEN, thick)
    _, labels = cv2.connectedComponents(opened)
    entering = np.unique(np.concatenate([labels[0], labels[:, 0], labels[:, -1]]))
    return cv2.dilate(np.isin(labels, entering[entering > 0]).astype(np.uint8), thick) > 0


def _filled(drawing: Pixels, seen: Floats, colour: Floats, sigma: float) -> Floats:
    """(h,w,3) levels: the colour of what is seen around each pixel, or else that one."""

    def blurred(x: npt.NDArray[np.float32]) -> Floats:
        return cast("Floats", cv2.GaussianBlur(x, (0, 0), max(1, sigma)))

    share = blurred(seen)[..., None] + _LEAST
    return ((blurred(drawing * seen[..., None]) + _LEAST * colour) / share).astype(np.float32)
