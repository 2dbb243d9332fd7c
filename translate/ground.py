"""The ground behind a head, on which a walk is not to draw.

Target images that show little but a head teach a network to draw hair wherever there is room, so it
draws strands on the walls behind a person, too. See `PGD.bare`.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from translate.faces import Face
from translate.framing import Pixels
from translate.matting import brightness
from translate.skin import Floats, face_places, ramp

_SMALL = 128  # pixels: height and width of the copy that is looked at
_BESIDE = 5  # pixels: outlines are drawn as far from a head
_NEAR, _TEXTURE = (9, 9), (7 / 255, 14 / 255)  # pixels around one, and the standard deviations of
# light there between which something begins that may be drawn
_DARK = (0.25, 0.45)  # light, of 1, between which dark clothes end: wiped they are grey

# Places in widths of the face's box, from its middle.
_SHOULDERS = (0.55, 0.8)  # above the first of these heights there are no clothes
_HAT, _ABOVE = (0.5, 0.6), (-0.6, -0.45)  # nor a hat farther to a side, or below these


def plain_ground(rgb: Pixels, face: Face, head: Floats) -> Floats:
    """Where a picture shows what is behind a head; what may be worn only if it is plain and light.

    Args:
        rgb: (h,w,3) uint8.
        face: in it.
        head: (h,w) in [0,1], of any size, how much of the picture is the face's head
            (`translate.matting.head_matte`).

    Returns:
        (h,w) in [0,1], 1 where it does.
    """
    height, width = rgb.shape[:2]
    size = (_SMALL, _SMALL)
    head = cast("Floats", cv2.resize(head, size, interpolation=cv2.INTER_AREA))
    head = cast("Floats", cv2.dilate(head, np.ones((_BESIDE, _BESIDE), np.uint8)))
    light = brightness(cast("Pixels", cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)))
    mean = cv2.blur(light, _NEAR)
    texture = cast("Floats", np.sqrt(np.maximum(cv2.blur(light * light, _NEAR) - mean * mean, 0)))
    across, down = face_places((height, width), face)
    hat = (1 - ramp(abs(across), _HAT)) * (1 - ramp(down, _ABOVE))[:, None]
    worn = np.maximum(hat, ramp(down, _SHOULDERS)[:, None])
    worn = cv2.resize(worn, size, interpolation=cv2.INTER_AREA)
    something = np.maximum(ramp(texture, _TEXTURE), 1 - ramp(light, _DARK))
    ground = cast("Floats", (1 - head) * (1 - worn * something))
    soft = cv2.GaussianBlur(ground.astype(np.float32), (0, 0), 1)
    return cast("Floats", cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR))
