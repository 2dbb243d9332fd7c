"""What is around a drawn face in the photo's tones: hair, hats, clothes and the ground.

Target images have hair of any colour, mostly a light one, and little but white beside it, and a
walk goes the shortest way there. Its strands and seams are right all the same, so each colour gets
as dark as around there in the photo, or nearly so, and lines stay lines. What is skin gets its tone
from `translate.skin`.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from translate.faces import Face
from translate.framing import Pixels, Window, extract
from translate.matting import head_matte
from translate.skin import Floats, Oval, face_places, light_around, oval, ramp

_VIVID, _CALM = 1.2, 0.6  # powers of the photo's hue: drawings have more colour, but for skin
_LEAST = 0.5  # locks below it hold less than all of it
_LIGHTER = (4.0, 16.0)  # levels, on average, between which a drawing is lighter than the photo
_COARSE = 64  # pixels: shorter side of the copy that tones are found in
# How far the tone of a pixel is its neighbours', sigma in widths of the face's box.
_HEAD, _REST = 0.1, 0.05
_BESIDE, _BELOW = 0.8, 0.4  # how dark the rest stays beside and below a face, in parts of a head

# Places in widths of the face's box, from its middle.
_FACE = Oval(axes=(0.5, 0.62), middle=0.0, fades=(0.92, 1.12))  # has skin's tone
_NECK, _CHIN = (0.38, 0.55), (0.45, 0.6)  # and so far to both sides, below these heights, the neck
_CHEST = (0.6, 0.8)  # and below these, whatever the head's outline, the chest


def toned_around(result: Pixels, rgb: Pixels, window: Window, lock: float) -> Pixels:
    """A drawing whose surroundings of a face are no lighter than a lock allows, colour by colour.

    Args:
        result: (out_height,out_width,3) uint8, what became of the window.
        rgb: (H,W,3) uint8, the photo.
        window: with a face.
        lock: 0…1, how far hair stays as dark as it is; the rest a little less.

    Returns:
        (out_height,out_width,3) uint8.
    """
    face = window.seen_face
    assert window.face is not None
    assert face is not None
    head = head_matte(rgb, window.face, window.box, (window.out_width, window.out_height))
    across, down = face_places(head.shape, face)
    below = cast("Floats", (1 - ramp(abs(across), _NECK)) * ramp(down, _CHIN)[:, None])
    hair = cast("Floats", head * (1 - oval(across, down, _FACE)) * (1 - below))
    photo = extract(rgb, window)
    rest = cast("Floats", 1 - head * (1 - below * ramp(down, _CHEST)[:, None]))
    locks = np.full_like(head, lock), lock * (_BESIDE + (_BELOW - _BESIDE) * below)
    hues = np.full_like(head, _VIVID), _VIVID + (_CALM - _VIVID) * below
    # weights are squared where both parts meet, so that little of the other one is in a tone
    there = hair + rest
    share = (hair / np.maximum(there, np.float32(1e-3)))[..., None]
    wanted = share * _tone(photo, hair * head, _HEAD * face[2], (locks[0], hues[0]))
    wanted += (1 - share) * _tone(photo, rest * rest, _REST * face[2], (locks[1], hues[1]))
    weight = there * np.float32(min(lock / _LEAST, 1)) * _lightened(result, photo, face)
    mixed: list[Pixels] = []
    for plane, tone in zip(cv2.split(result), cv2.split(wanted), strict=True):
        less = 1 - (tone / light_around(cast("Pixels", plane), face)).clip(0, 1)
        mixed.append(cast("Pixels", cv2.multiply(plane, 1 - weight * less, dtype=cv2.CV_8U)))
    return cast("Pixels", cv2.merge(mixed))


def _lightened(result: Pixels, photo: Pixels, face: Face) -> Floats:
    """(h,w) in [0,1]: 0 where a result has, all around, nothing lighter than the photo has it."""
    near = max(1, round(_HEAD * face[2]))
    red, green, blue = cv2.split(cv2.subtract(result, photo))
    lighter = cv2.blur(cv2.max(cv2.max(red, green), blue), (near, near))
    return ramp(lighter.astype(np.float32), _LIGHTER)


def _tone(photo: Pixels, there: Floats, sigma: float, powers: tuple[Floats, Floats]) -> Floats:
    """(h,w,3) levels: the colours that a part shall have, from what it has around each pixel."""
    scale = min(1.0, _COARSE / min(there.shape))

    def reduced(x: Floats) -> Floats:
        return cast("Floats", cv2.resize(x, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))

    def blurred(x: Floats) -> Floats:
        return cast("Floats", cv2.GaussianBlur(reduced(x), (0, 0), max(1, sigma * scale)))

    tone = blurred(photo * there[..., None]) / (255 * blurred(there)[..., None] + np.float32(0.1))
    strongest = tone.max(axis=-1, keepdims=True).clip(1e-3, 1)
    lock, hue = (reduced(power)[..., None] for power in powers)
    vivid = 255 * strongest**lock * (tone / strongest) ** hue
    return cast("Floats", cv2.resize(vivid.astype(np.float32), there.shape[::-1]))
