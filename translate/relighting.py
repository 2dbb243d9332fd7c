"""Skin in even light, for a walk to set out from.

Target images may have no shadows on skin, and know light skin only: drawings do. A walk that sets
out from dark skin, or from the shaded side of a face, then draws hair or black patches there. So
such a photo's skin gets lighter first; what is on it stays, and so do hair, eyes and ground.
`translate.skin` gives the result the photo's tone back.

Light is taken to vary slowly over a face and what reflects it to vary fast, as in homomorphic
filtering (Oppenheim, Schafer and Stockham 1968) and Retinex (Jobson, Rahman and Woodell 1997); the
mean around is that of skin only. Below the chin of dark skin shade is deep and has edges: there
light is looked at closer by.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import cv2
import numpy as np

from translate.faces import Face
from translate.framing import Pixels
from translate.skin import LUMA, Floats, Oval, face_places, oval, ramp, skin_colour

_SMALL = 64  # pixels: shorter side of the copy that all this is done on, factors vary slowly
_DARK = np.float32(0.02)  # of 1: keeps noise of black pixels small
_FACE = Oval(axes=(0.46, 0.8), middle=0.2, fades=(1.0, 1.35))  # with the throat, little of hair
_SHINE = (1.5, 2.0)  # of the cheeks' light: skin ends
_EVEN = 0.8  # luma of the even light, of 1: some more than that of light skin in selfies
_THROAT = (0.3, 0.42), (0.45, 0.3)  # below the one, and this near to the middle: begins, and is


class _Evening(NamedTuple):
    """How skin is found, and how far its light is evened.

    Attributes:
        other: difference in log colour, light apart, at which likeness to the cheeks is 1/e.
        shade: of the cheeks' light, skin begins.
        detail: of the light around: eyes, brows and the edge of hair end, skin begins.
        around: sigma of the mean light around, in widths of the face's box.
        most: times as light, at most: beyond that is noise.
    """

    other: float
    shade: tuple[float, float]
    detail: tuple[float, float]
    around: float
    most: float


_OPEN = _Evening(other=0.3, shade=(0.12, 0.32), detail=(0.4, 0.7), around=0.2, most=3.0)
_BELOW_CHIN = _Evening(other=0.4, shade=(0.1, 0.22), detail=(0.1, 0.3), around=0.05, most=6.0)
"""There a shadow has an edge as sharp as a beard's, and nothing has to be kept."""
_DARKER = (1.0, 1.3)  # times that light would make it even: lighter skin has no such shadows


def brightening(rgb: Pixels, face: Face) -> Floats | None:
    """How much lighter the skin of a face has to be for even light.

    Args:
        rgb: (h,w,3) uint8.
        face: in it.

    Returns:
        (h,w) factors of its luma, 1 or more; None where the picture ends before the cheeks.
    """
    cheeks = skin_colour(rgb, face)
    if cheeks is None:
        return None
    scale = min(1.0, _SMALL / min(rgb.shape[:2]))
    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    colours = small.astype(np.float32) / np.float32(255)
    light = cast("Floats", cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY))
    x, y, width = (value * scale for value in face)
    own = max(float(cheeks @ LUMA), float(_DARK))
    across, down = face_places(light.shape, (x, y, width))
    place, apart = oval(across, down, _FACE), _apart(colours, light, cheeks)
    face_lacks, throat_lacks = (
        _lacking(light, place * np.exp(-apart / np.float32(way.other**2)), own, width, way)
        for way in (_OPEN, _BELOW_CHIN)
    )
    below, beside = _THROAT
    throat = ramp(down, below)[:, None] * ramp(abs(across), beside)
    throat *= np.interp(_EVEN / own, _DARKER, (0, 1)).astype(np.float32)
    factors = 1 + face_lacks + throat * (throat_lacks - face_lacks).clip(0)
    size = (rgb.shape[1], rgb.shape[0])
    return cast("Floats", cv2.resize(factors, size, interpolation=cv2.INTER_LINEAR))


def lightening(rgb: Pixels, factors: Floats) -> Floats:
    """What changes the luma of a picture by factors, the same for all colours.

    Light skin is hardly more colourful than dark skin; multiplied colours would be, and dark spots
    red.

    Args:
        rgb: (h,w,3) uint8.
        factors: (h,w).

    Returns:
        (h,w), to be added to all colours in [0,1].
    """
    colours = rgb.astype(np.float32) * np.float32(1 / 255)
    return cast("Floats", cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY)) * (factors - 1)


def _lacking(light: Floats, like: Floats, own: float, width: float, way: _Evening) -> Floats:
    """(h,w) of 0 or more: how many times its light skin lacks for even light.

    Args:
        light: (h,w) in [0,1].
        like: (h,w) in [0,1], 1 for what has the colour of skin, where there may be some.
        own: light of the cheeks.
        width: of the face's box, in pixels.
        way: how.
    """
    share = light / np.float32(own)
    skin = like * ramp(share, way.shade) * (1 - ramp(share, _SHINE))
    around = _mean_light(light, skin, own, way.around * width)
    skin *= ramp(light / around, way.detail)
    return skin * ((np.float32(_EVEN) / around).clip(1, way.most) - 1)


def _apart(colours: Floats, light: Floats, cheeks: Floats) -> Floats:
    """(h,w): squared difference from the cheeks in log colour, lit or shaded."""
    own = cheeks @ LUMA
    here, there = (colours + _DARK) / (light[..., None] + _DARK), (cheeks + _DARK) / (own + _DARK)
    return ((np.log(here) - np.log(there)) ** 2).sum(axis=-1)


def _mean_light(light: Floats, skin: Floats, own: float, sigma: float) -> Floats:
    """(h,w) above 0: of the skin around; where there is none, the cheeks' own."""
    little = np.float32(0.01)
    weighted, weight = (cv2.GaussianBlur(x, (0, 0), sigma) for x in (skin * light, skin))
    mean = (weighted + little * np.float32(own)) / (weight + little)
    return np.maximum(cast("Floats", mean), _DARK)
