"""Glasses before a face: where their rims lie, so that a walk can leave those as they are.

Hardly any drawing in a training set wears glasses, so an energy takes rims for lines to dissolve.
Rims are dark lines, thin against a face, that cross the nose; brows, lids and locks do not.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from translate.faces import Face
from translate.masking import Mask

Pixels = npt.NDArray[np.uint8]
Boxes = npt.NDArray[np.int32]

# A face is looked at with its detected box `_BOX` pixels wide and high, and half as much beside it;
# all lengths below are in those pixels, rows from the top of the box.
_BOX = 128
_LOOKED = (3 * _BOX // 2, _BOX)  # width and height
_MIDDLE = _LOOKED[0] // 2
_THIN = 11  # dark lines are narrower
_ROWS = (25, 84)  # where rims are looked for
_DARK, _FAINT, _FAINTEST = 0.3, 0.7, 12.0
"""Darker than its surroundings by so much of what the darkest lines are; what goes on from there by
so much of that; in levels, never less."""
_BRIDGE = 26  # a rim reaches from so far left of the nose to so far right of it
_HIGH = 8  # and is higher
_BESIDE, _AROUND = 52, 8  # how far from the nose, and from that line, the rest of it may lie
_LENSES, _CHEEKS = 30, 80  # a line so high has all of the lenses in it; what is lower are folds
_GAP = 9  # between ends of a rim that closes around an eye
# Rims enclose a lens, or are long and run below both eyes; joined brows do neither. Chosen by every
# second selfie and all portraits: all of the 76 of 1639 that have rims by this wear glasses. So do
# all 76 of the other 1501 selfies. Of 24 wearers among 200, 11 are found: the others have lenses
# without dark rims, or with thin ones, or heads far to one side.
_LENS = 200  # enclosed pixels
_LONG, _BELOW = 800, 30  # pixels of the line in all, and of it below each eye
_THICK = 8  # what is thicker, near an eye, is the eye
_EYE, _NEAR = (25, 49), 11  # how far from the nose and from the top of the box an eye is, about
_NOSTRILS = 20  # from so far below the bridge, what is as near as `_NOSE` to the middle is the nose
_LOWER, _NOSE = 10, 16  # how far below the bridge, and beside the nose, "below an eye" begins
_CENTRE = 10  # the bridge is so near to the middle


def rims(seen: Pixels, face: Face) -> Mask | None:
    """Where the rims of glasses are, or None where no glasses are found.

    Args:
        seen: (h,w,3) uint8, what the network sees.
        face: in its pixels.

    Returns:
        (h,w) bool.
    """
    x, y, width = face
    scale = _BOX / width
    place = np.array([[scale, 0, _MIDDLE - x * scale], [0, scale, _BOX / 2 - y * scale]])
    grey = cv2.cvtColor(seen, cv2.COLOR_RGB2GRAY)
    near = cv2.warpAffine(grey, place, _LOOKED, borderMode=cv2.BORDER_REPLICATE)
    line = _glasses(cast(Pixels, near))
    if line is None:
        return None
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    there = cv2.warpAffine(line * 255, place, (seen.shape[1], seen.shape[0]), flags=flags)
    return there > 100


def _glasses(near: Pixels) -> Pixels | None:
    """Grey levels of a face as `_BOX` says -> 1 where rims are, 0 elsewhere."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_THIN, _THIN))
    soft = cv2.GaussianBlur(near, (0, 0), 0.8)
    lines = cast(Pixels, cv2.morphologyEx(soft, cv2.MORPH_BLACKHAT, disc))
    top, bottom = _ROWS
    eyes = lines[top:bottom, _MIDDLE - _BESIDE : _MIDDLE + _BESIDE]
    dark = max(_FAINTEST, _DARK * float(np.percentile(eyes, 97)))
    across = np.zeros_like(lines)
    across[top:bottom] = _bridges((lines[top:bottom] > dark).astype(np.uint8))
    rows = np.flatnonzero(across.any(axis=1))
    if not len(rows):
        return None
    high = rows[-1] - rows[0] >= _LENSES
    top, bottom = max(0, rows[0] - _AROUND), rows[-1] + _AROUND + 1
    part = np.zeros(lines.shape, bool)
    part[top:bottom, _MIDDLE - _BESIDE : _MIDDLE + _BESIDE + 1] = True
    line = _touching((part & (lines > _FAINT * dark)).astype(np.uint8), across)
    if not _is_rim(line):
        return None
    holes = _holes(across)  # where a lens is enclosed already, what is fainter are lids and brows
    for side in (slice(0, _MIDDLE), slice(_MIDDLE, None)):
        if int(holes[:, side].sum()) >= _LENS:
            line[:, side] = (across & part)[:, side]
    if high:
        line[min(rows[-1] + 1, _CHEEKS) :] = 0
    return _without_features(line)


def _bridges(lines: Pixels) -> Pixels:
    """1 where a connected line crosses the nose."""
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(lines, connectivity=8)
    crossing = [
        label
        for label in range(1, count)
        if boxes[label, cv2.CC_STAT_LEFT] < _MIDDLE - _BRIDGE
        and boxes[label, cv2.CC_STAT_LEFT] + boxes[label, cv2.CC_STAT_WIDTH] > _MIDDLE + _BRIDGE
        and boxes[label, cv2.CC_STAT_HEIGHT] > _HIGH
    ]
    return np.isin(labels, crossing).astype(np.uint8)


def _touching(lines: Pixels, across: Pixels) -> Pixels:
    """Of connected lines those that share a pixel with `across`."""
    labels = cv2.connectedComponents(lines, connectivity=8)[1]
    met = np.unique(labels[(across & lines) > 0])
    return np.isin(labels, met[met > 0]).astype(np.uint8)


def _without_features(line: Pixels) -> Pixels:
    """A rim alone: lids and irises that touch it are thicker, and the nose lies lower."""
    line = line.copy()
    line[_bridge(line) + _NOSTRILS :, _MIDDLE - _NOSE : _MIDDLE + _NOSE + 1] = 0
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_THICK, _THICK))
    thick = cast(Pixels, cv2.morphologyEx(line, cv2.MORPH_OPEN, disc))
    count, labels, _, middles = cv2.connectedComponentsWithStats(thick, connectivity=8)
    for label in range(1, count):
        x, y = middles[label]
        if abs(abs(x - _MIDDLE) - _EYE[0]) < _NEAR and abs(y - _EYE[1]) < _NEAR:
            line[cv2.dilate((labels == label).astype(np.uint8), disc) > 0] = 0
    return line


def _bridge(line: Pixels) -> int:
    """The row in which a line crosses the nose."""
    crossing = np.nonzero(line[:, _MIDDLE - _CENTRE : _MIDDLE + _CENTRE + 1])[0]
    return round(float(np.median(crossing)))


def _is_rim(line: Pixels) -> bool:
    """Whether it encloses a lens, or is long and runs below both eyes."""
    if _largest_hole(line) >= _LENS:
        return True
    rows, columns = np.nonzero(line)
    low = columns[rows > _bridge(line) + _LOWER]
    left, right = int((low < _MIDDLE - _NOSE).sum()), int((low > _MIDDLE + _NOSE).sum())
    return len(rows) >= _LONG and min(left, right) >= _BELOW


def _largest_hole(line: Pixels) -> int:
    """Pixels of the largest area that a line encloses."""
    boxes = cast(Boxes, cv2.connectedComponentsWithStats(_holes(line), connectivity=4)[2])
    return int(boxes[1:, cv2.CC_STAT_AREA].max(initial=0))


def _holes(line: Pixels) -> Pixels:
    """1 where a line encloses something, small gaps in it closed."""
    wide = np.pad(line, _GAP)  # so that nothing closes against the border
    closed = cv2.morphologyEx(wide, cv2.MORPH_CLOSE, np.ones((_GAP, _GAP), np.uint8))
    cv2.floodFill(closed, None, (0, 0), (1,))
    return (closed == 0).astype(np.uint8)[_GAP:-_GAP, _GAP:-_GAP]
