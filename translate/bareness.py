"""Where a face shows bare skin: forehead, cheeks and throat without hair, hat or beard.

Targets with strands of hair over most foreheads teach a network to draw them on each. Where a photo
has skin a walk may not: see `PGD.bare`. Eyes, nose, mouth and the line of the jaw are left to it.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from translate.faces import Face
from translate.framing import Pixels
from translate.skin import Floats, face_places, skin_colour

_SMALL = 128  # pixels: shorter side of the copy that is looked at
_SHADED = 0.6  # of the cheeks' light: what is darker is hair, or an edge
_OTHER = 20.0  # distance in the two colours of YCrCb, levels, from which it is no skin
_SQUARE = np.ones((3, 3), np.uint8)  # smaller gaps are skin, too; and the edge of skin is none

# Places in widths of the face's box, from its middle: half axes of an ellipse, and its middle.
_FACE = (0.5, 0.5, 0.0, -0.12)  # above the jaw
_FEATURES = (
    (0.2, 0.17, 0.19, -0.06),  # an eye and its brow
    (0.2, 0.17, -0.19, -0.06),
    (0.13, 0.12, 0.0, 0.1),  # the nose
    (0.27, 0.2, 0.0, 0.27),  # the mouth
)
_THROAT = (0.45, 0.64, 1.3)  # so far to both sides, between these heights


def bare_skin(rgb: Pixels, face: Face) -> Floats | None:
    """Where a picture shows bare skin.

    Args:
        rgb: (h,w,3) uint8.
        face: in it.

    Returns:
        (h,w) in [0,1], 1 where it does; None where the picture ends before the cheeks.
    """
    cheeks = skin_colour(rgb, face)
    if cheeks is None:
        return None
    scale = min(1.0, _SMALL / min(rgb.shape[:2]))
    resized = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    small = cast("Pixels", resized)
    own = np.rint(255 * cheeks).astype(np.uint8)[None, None]
    (light, *colours), (own_light, *own_colours) = _planes(small), _planes(own)
    apart = np.hypot(*(there - here for there, here in zip(colours, own_colours, strict=True)))
    skin = ((light > _SHADED * own_light) & (apart < _OTHER)).astype(np.uint8)
    skin = cv2.erode(cv2.morphologyEx(skin, cv2.MORPH_CLOSE, _SQUARE), _SQUARE)
    x, y, width = (value * scale for value in face)
    seen = np.where(_places(small.shape[:2], (x, y, width)), skin, 0).astype(np.float32)
    size = (rgb.shape[1], rgb.shape[0])
    soft = cv2.resize(cv2.GaussianBlur(seen, (0, 0), 1), size, interpolation=cv2.INTER_LINEAR)
    return cast("Floats", soft)


def _planes(rgb: Pixels) -> list[Floats]:
    """Y, Cr and Cb, in levels."""
    converted = cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb).astype(np.float32)
    return [converted[..., index] for index in range(3)]


def _places(shape: tuple[int, ...], face: Face) -> npt.NDArray[np.bool_]:
    """(h,w): where skin is bare if it is skin."""
    across, down = face_places(shape, face)

    def within(wide: float, high: float, x: float, y: float) -> npt.NDArray[np.bool_]:
        return ((across - x) / wide) ** 2 + ((down[:, None] - y) / high) ** 2 < 1

    beside, top, bottom = _THROAT
    throat = (abs(across) < beside) & ((down > top) & (down < bottom))[:, None]
    features = np.logical_or.reduce([within(*place) for place in _FEATURES])
    return throat | (within(*_FACE) & ~features)
