"""Skin in the photo's tone: what a walk made pale is as dark as it was, and has its colour again.

Target images may know light skin only, and then a walk ends there, or beyond: in white. Its drawing
is right all the same, so only the light changes, around the face, but for whites of eyes: each
colour by one factor, or by less where it has come down already, as on foreheads that hair was to
grow on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

import cv2
import numpy as np
import numpy.typing as npt

from translate.card_parts import Drawn
from translate.faces import Face
from translate.framing import Pixels, Window
from translate.matting import head_matte
from translate.srgb import LUMA as _LUMA

Floats = npt.NDArray[np.float32]
LUMA: Floats = np.array(_LUMA, np.float32)

_LIGHT = 0.81
"""Strongest colour, in [0,1], of skin that is light enough to stay as light as drawn: red, of
(0.81, 0.64, 0.56), at 40 % of the skins in 1501 selfies, the darkest first; at 10 % it is 0.60."""
_LEAST = 0.35  # darker photos are taken for so dark, in parts of `_LIGHT`
_HUE, _DEEPER = 0.5, 1.0  # power of its colour, light apart, that light skin gets; and how much
# more of it skin without light would: fair skin would be orange, dark skin grey
_NEAR = 0.09  # of the face's width: how far around a pixel the light of its skin is looked for
_SEEN = 0.98  # factors nearer to 1 are not worth a change


class Oval(NamedTuple):
    """Half axes of an ellipse, its middle below that of the face's box, all in widths of the box,
    and the radii from which, and at which, what is within has faded."""

    axes: tuple[float, float]
    middle: float
    fades: tuple[float, float]


# Places in widths of the face's box, from its middle.
_CHEEKS = (0.28, -0.02, 0.22)  # skin is looked at so far to both sides, between these heights
_OVAL = Oval(axes=(0.68, 0.85), middle=0.12, fades=(0.75, 1.2))  # of what changes
_EYE, _EYES, _WHITE = (0.19, -0.08), 0.15, (0.86, 0.95)
"""Middle of an eye, the radius around it, and the levels between which white begins there."""
_GAP, _RIM, _INKED = 0.1, 0.02, (0.08, 0.3)
"""Eyes whose places are the face's are open below, and skin under them is as white as their whites.
So a white is what lies between ink no further apart than this, of the face's width, or so near to
it; ink is darker than skin, from the one to the other end."""
_IN_SQUARE = 0.36  # the same radius, in sides of a square around a drawn eye
_AROUND_EYES = Oval(axes=(0.42, 0.24), middle=-0.02, fades=(0.85, 1.1))
_REDDER, _GREY = np.float32(16), np.float32(128)  # levels of Cr above the cheeks' that may be there
_WHITER, _WHITEST = (0.02, 0.05), 0.95  # above skin, at least, are those; lighter is no skin


def toned(
    result: Pixels, rgb: Pixels, window: Window, lock: float, drawn: Drawn | None = None
) -> Pixels:
    """A face in the tone of the photo's skin, or the same array where that is no darker.

    Args:
        result: (out_height,out_width,3) uint8, what became of the window.
        rgb: (H,W,3) uint8, the photo.
        window: with a face.
        lock: 0…1, how far skin stays as dark as it is; and as colourful, light skin half as far.
        drawn: where eyes are drawn, see `Closeup`; None is where faces have them.
    """
    face = window.seen_face
    assert window.face is not None
    assert face is not None
    before, after = skin_colour(rgb, window.face), skin_colour(result, face)
    if before is None or after is None:
        return result
    strongest = max(float(before.max()), 1e-3)
    hue, level = before / strongest, min(max(strongest / _LIGHT, _LEAST), 1.0)
    share = (level * hue ** (_HUE + _DEEPER * (1 - level))) ** lock
    wanted = np.minimum(after, np.maximum(before, after * share))
    factor = wanted / np.maximum(after, 1e-3)
    if factor.min() > _SEEN:
        return result
    planes = cast("list[Pixels]", cv2.split(result))
    weight = _weight(planes, face, float(after.min()), drawn)
    weight *= head_matte(rgb, window.face, window.box, (window.out_width, window.out_height))
    mixed: list[Pixels] = []
    for plane, tone, least in zip(planes, wanted, factor, strict=True):
        less = 1 - (255 * tone / light_around(plane, face)).clip(least, 1)
        mixed.append(cast(Pixels, cv2.multiply(plane, 1 - weight * less, dtype=cv2.CV_8U)))
    return cast(Pixels, cv2.merge(mixed))


def not_reddened(drawing: Pixels, face: Face) -> Pixels:
    """A drawn face whose eyes are not red, nor what is around them: nothing there is much redder,
    for its light, than skin. A walk that cannot make a stroke ink leaves it so.

    Args:
        drawing: (h,w,3) uint8.
        face: in it.

    Returns:
        (h,w,3) uint8, of the same light; the same array where nothing is as red.
    """
    skin = skin_colour(drawing, face)
    if skin is None:
        return drawing
    across, down = face_places(drawing.shape, face)
    rows = np.flatnonzero(abs(down - _AROUND_EYES.middle) < _AROUND_EYES.axes[1] * 1.2)
    if not len(rows):
        return drawing
    band = slice(rows[0], rows[-1] + 1)
    own = drawing[band]
    less = no_redder(own, skin, oval(across, down[band], _AROUND_EYES))
    if less is own:
        return drawing
    calm = drawing.copy()
    calm[band] = less
    return calm


def no_redder(part: Pixels, skin: Floats, weight: Floats) -> Pixels:
    """A part of a drawing in which nothing is much redder, for its light, than skin.

    Args:
        part: (h,w,3) uint8.
        skin: (3,) in [0,1].
        weight: (h,w) in [0,1], how much of what is too much goes.

    Returns:
        (h,w,3) uint8, of the same light; the same array where nothing is as red.
    """
    light, red, blue = cv2.split(cv2.cvtColor(part, cv2.COLOR_RGB2YCrCb))
    own = cv2.cvtColor(np.rint(skin * 255).astype(np.uint8)[None, None], cv2.COLOR_RGB2YCrCb)
    red, blue, most = (np.float32(plane) - _GREY for plane in (red, blue, own[0, 0, 1]))
    most = max(most, 0) * (light / np.float32(max(own[0, 0, 0], 1))).clip(0, 1) + _REDDER
    excess = (red - most).clip(0) * weight
    if not excess.any():
        return part
    share = 1 - excess / np.maximum(np.hypot(red, blue), 1)
    planes = [light, *(np.rint(_GREY + share * plane).astype(np.uint8) for plane in (red, blue))]
    less = cv2.cvtColor(cv2.merge(planes), cv2.COLOR_YCrCb2RGB)
    return np.where(excess[..., None] > 0, less, part)


def light_around(plane: Pixels, face: Face) -> Floats:
    """How light a colour is around each pixel, lines left out: (h,w) of 1 to 255."""
    near = max(1, round(_NEAR * face[2]))
    filled = cv2.blur(cv2.dilate(plane, np.ones((near, near), np.uint8)), (near, near))
    return filled.astype(np.float32).clip(1)


def skin_colour(rgb: Pixels, face: Face) -> Floats | None:
    """Median of the cheeks, (3,) in [0,1]; None where the picture ends before them."""
    seen = cheeks(rgb, face)
    return None if seen is None else np.median(seen, axis=0).astype(np.float32) / 255


def cheeks(rgb: Pixels, face: Face) -> Pixels | None:
    """Colours (n,3) of both cheeks and what is between them; None where the picture ends before."""
    (x, y, width), (beside, above, below) = face, _CHEEKS
    left, right = max(0, round(x - beside * width)), max(0, round(x + beside * width))
    top, bottom = max(0, round(y + above * width)), max(0, round(y + below * width))
    seen = rgb[top:bottom, left:right]
    if 0 in seen.shape:
        return None
    small = cv2.resize(seen, (24, 12), interpolation=cv2.INTER_AREA)
    return cast("Pixels", small.reshape(-1, 3))


def _weight(
    planes: Sequence[Pixels], face: Face, skin: float, drawn: Drawn | None = None
) -> Floats:
    """(h,w) in [0,1]: 1 around the face, less at its edge and in the whites of eyes: what is whiter
    than the skin, whose least colour is `skin`, in [0,1]."""
    across, down = face_places(planes[0].shape, face)
    weight = oval(across, down, _OVAL)
    (beside, above), near = _EYE, _EYES
    middle = 0.0
    if drawn is not None:  # of the window, not of the face
        height, width = weight.shape
        beside, middle = (0.5 - drawn[0]) * width / face[2], (width / 2 - face[0]) / face[2]
        above = (drawn[1] * height - face[1]) / face[2]
        near = _IN_SQUARE * drawn[2] * width / face[2]
    own = min(skin, _WHITEST)
    low, top = (max(level, own + more) for level, more in zip(_WHITE, _WHITER, strict=True))
    rows = np.flatnonzero(abs(down - above) < near)
    if len(rows):
        eyes = slice(rows[0], rows[-1] + 1)
        away = np.hypot(abs(across - middle) - beside, down[eyes, None] - above) / near
        least = np.minimum.reduce([plane[eyes] for plane in planes])
        white = ((least - np.float32(255 * low)) / np.float32(255 * (top - low))).clip(0, 1)
        if drawn is None:
            white *= _between_ink(least, 255 * own, face[2])
        weight[eyes] *= 1 - white * (2 - 2 * away).clip(0, 1)
    return weight


def _between_ink(least: Floats, skin: float, width: float) -> Floats:
    """(h,w) in [0,1]: where levels of the least colour are ink, or between ink on two sides."""
    darker = (1 - least / np.float32(max(skin, 1))).clip(0).astype(np.float32)
    gap, rim = (max(1, round(part * width)) | 1 for part in (_GAP, _RIM))
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (gap, gap))
    closed = cast("Floats", cv2.morphologyEx(darker, cv2.MORPH_CLOSE, ellipse))
    near = cv2.dilate(ramp(closed, _INKED), np.ones((rim, rim), np.uint8))
    return cast("Floats", cv2.blur(near, (rim, rim)))


def face_places(shape: Sequence[int], face: Face) -> tuple[Floats, Floats]:
    """Where columns (w,) and rows (h,) of a picture are: in widths of a face's box, from its
    middle."""
    x, y, width = face
    across = (np.arange(shape[1], dtype=np.float32) + np.float32(0.5 - x)) / np.float32(width)
    down = (np.arange(shape[0], dtype=np.float32) + np.float32(0.5 - y)) / np.float32(width)
    return across, down


def oval(across: Floats, down: Floats, place: Oval) -> Floats:
    """(h,w) in [0,1] of `face_places`: 1 in the oval, less at its edge."""
    (wide, high), (full, none) = place.axes, place.fades
    radius = np.sqrt((across / wide) ** 2 + ((down[:, None] - place.middle) / high) ** 2)
    return ((none - radius) / (none - full)).clip(0, 1)


def ramp(x: Floats, ends: tuple[float, float]) -> Floats:
    """0 up to the first end, 1 from the second on."""
    return ((x - np.float32(ends[0])) / np.float32(ends[1] - ends[0])).clip(0, 1)
