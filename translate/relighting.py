"""Skin in even light, for a walk to set out from.

Target images may have no shadows on skin, and know light skin only: drawings do. A walk that sets
out from dark skin, or from the shaded side of a face, then draws hair or black patches there. So
such a photo's skin gets lighter first; what is on it stays, and so do hair, eyes and ground.
`translate.skin` gives the result the photo's tone back.

Light is taken to vary slowly over a face and what reflects it to vary fast, as in homomorphic
filtering (Oppenheim, Schafer and Stockham 1968) and Retinex (Jobson, Rahman and Woodell 1997); the
mean around is that of skin only.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import torch
from torch import Tensor

from translate.faces import Face
from translate.framing import Pixels
from translate.skin import Floats, Oval, face_places, oval, skin_colour
from translate.srgb import LUMA

_SMALL = 64  # pixels: shorter side of the copy that all this is done on, factors vary slowly
_LUMA = np.array(LUMA, np.float32)
_DARK = np.float32(0.02)  # of 1: keeps noise of black pixels small
_FACE = Oval(axes=(0.46, 0.8), middle=0.2, fades=(1.0, 1.35))  # with the throat, little of hair
_OTHER = 0.3  # difference in log colour, light apart, at which likeness to the cheeks is 1/e
_SHADE, _SHINE = (0.12, 0.32), (1.5, 2.0)  # of the cheeks' light: skin begins, and ends
_DETAIL = (0.4, 0.7)  # of the light around: eyes, brows and the edge of hair end, skin begins
_AROUND = 0.2  # widths of the face's box: sigma of the mean light around
_EVEN = 0.8  # luma of the even light, of 1: some more than that of light skin in selfies
_MOST = 3.0  # times as light, at most: beyond that is noise


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
    skin = _likeness(colours, light, cheeks) * oval(*face_places(light.shape, (x, y, width)), _FACE)
    around = _mean_light(light, skin, float(cheeks @ _LUMA), _AROUND * width)
    skin *= _ramp(light / around, _DETAIL)
    factors = 1 + skin * ((np.float32(_EVEN) / around).clip(1, _MOST) - 1)
    size = (rgb.shape[1], rgb.shape[0])
    return cast("Floats", cv2.resize(factors, size, interpolation=cv2.INTER_LINEAR))


def lightening(x: Tensor, factors: Tensor) -> Tensor:
    """What changes the luma of x by factors, the same for all colours.

    Light skin is hardly more colourful than dark skin; multiplied colours would be, and dark spots
    red.

    Args:
        x: (N,3,h,w) in [0,1].
        factors: (N,1,h,w).

    Returns:
        (N,1,h,w), to be added to x.
    """
    luma = torch.from_numpy(_LUMA).to(x).view(1, 3, 1, 1)
    return (x * luma).sum(dim=1, keepdim=True) * (factors - 1)


def _likeness(colours: Floats, light: Floats, cheeks: Floats) -> Floats:
    """(h,w) in [0,1]: 1 for what has the cheeks' colour, lit or shaded."""
    own = cheeks @ _LUMA
    here, there = (colours + _DARK) / (light[..., None] + _DARK), (cheeks + _DARK) / (own + _DARK)
    apart = ((np.log(here) - np.log(there)) ** 2).sum(axis=-1)
    share = cast("Floats", light / np.maximum(own, _DARK))
    lit = _ramp(share, _SHADE) * (1 - _ramp(share, _SHINE))
    return np.exp(-apart / np.float32(_OTHER**2)) * lit


def _mean_light(light: Floats, skin: Floats, own: float, sigma: float) -> Floats:
    """(h,w) above 0: of the skin around; where there is none, the cheeks' own."""
    little = np.float32(0.01)
    weighted, weight = (cv2.GaussianBlur(x, (0, 0), sigma) for x in (skin * light, skin))
    mean = (weighted + little * np.float32(own)) / (weight + little)
    return np.maximum(cast("Floats", mean), _DARK)


def _ramp(x: Floats, ends: tuple[float, float]) -> Floats:
    """0 up to the first end, 1 from the second on."""
    return ((x - np.float32(ends[0])) / np.float32(ends[1] - ends[0])).clip(0, 1)
