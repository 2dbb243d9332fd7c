"""Hair in the photo's colour: what a walk made pale or gaudy is brown, red or black again.

Target images have hair of any colour, mostly a light one, and a walk goes the shortest way there.
Its strands are right all the same, so each colour that is lighter than in the photo's hair gets
darker, and lines stay lines. Whatever else of a head is not its face does the same: hats, ears and
bald heads keep their colours, too.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from translate.faces import Face
from translate.framing import Pixels, Window, extract
from translate.matting import head_matte
from translate.skin import Floats, Oval, face_places, light_around, oval, ramp

_VIVID = 1.2  # power of the photo's hue that hair gets: drawn hair has more colour
_LEAST = 0.5  # locks below it hold less than all of the hair
_BROADLY = 0.1  # sigma, of the face's width, of what has one colour
_COARSE = 64  # pixels: shorter side of the copy that is blurred

# Places in widths of the face's box, from its middle.
_FACE = Oval(axes=(0.5, 0.62), middle=0.0, fades=(0.92, 1.12))  # no hair, drawings have skin there
_NECK, _CHIN = (0.38, 0.55), (0.45, 0.6)  # nor between those, to both sides, below these heights
_ENDS = (0.9, 1.2)  # heights between which it fades


def hair_toned(result: Pixels, rgb: Pixels, window: Window, lock: float) -> Pixels:
    """A drawn head whose hair is no lighter than the photo's, colour by colour.

    Args:
        result: (out_height,out_width,3) uint8, what became of the window.
        rgb: (H,W,3) uint8, the photo.
        window: with a face.
        lock: 0…1, how far hair stays as dark as it is.

    Returns:
        (out_height,out_width,3) uint8.
    """
    face = window.seen_face
    assert window.face is not None
    assert face is not None
    head = head_matte(rgb, window.face, window.box, (window.out_width, window.out_height))
    hair = _beside_face(head, face)
    wanted = _tone(extract(rgb, window), hair * head, face[2], lock)
    hair *= np.float32(min(lock / _LEAST, 1))
    mixed: list[Pixels] = []
    for plane, tone in zip(cv2.split(result), cv2.split(wanted), strict=True):
        less = 1 - (tone / light_around(cast("Pixels", plane), face)).clip(0, 1)
        mixed.append(cast("Pixels", cv2.multiply(plane, 1 - hair * less, dtype=cv2.CV_8U)))
    return cast("Pixels", cv2.merge(mixed))


def _beside_face(head: Floats, face: Face) -> Floats:
    """(h,w) in [0,1]: what of a head is neither its face nor its neck."""
    across, down = face_places(head.shape, face)
    neck = (1 - ramp(abs(across), _NECK)) * ramp(down, _CHIN)[:, None]
    beside = (1 - oval(across, down, _FACE)) * (1 - neck) * (1 - ramp(down, _ENDS))[:, None]
    return cast("Floats", head * beside)


def _tone(photo: Pixels, hair: Floats, width: float, lock: float) -> Floats:
    """(h,w,3) levels: the colour that hair shall have, from what it has around each pixel."""
    scale = min(1.0, _COARSE / min(hair.shape))
    sigma = max(1, _BROADLY * width * scale)

    def blurred(x: Floats) -> Floats:
        small = cv2.resize(x, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        return cast("Floats", cv2.GaussianBlur(small, (0, 0), sigma))

    tone = blurred(photo * hair[..., None]) / (255 * blurred(hair)[..., None] + np.float32(0.1))
    strongest = tone.max(axis=-1, keepdims=True).clip(1e-3, 1)
    vivid = 255 * strongest**lock * (tone / strongest) ** _VIVID
    return cast("Floats", cv2.resize(vivid.astype(np.float32), hair.shape[::-1]))
