"""A drawing as flat colours and clear lines: what a network draws is small, and photos are large.

First, at its own size (`calmed`), ripples that the network leaves are flattened
(`smooth.flattened`) and small gaudy dots get the colour around them.

Enlarged by interpolation alone, a line becomes a soft band with stairs. Here, after each doubling,
the picture is smoothed along its lines, which takes the stairs, and sharpened across them by a
shock filter (Osher and Rudin 1990), which makes ink of soft bands: a pixel on the dark side of an
edge moves towards the darkest of its neighbours, one on the light side towards the lightest. Both
in turn are coherence-enhancing filtering (Weickert 2003; Kyprianidis and Kang 2011). Fur is
enlarged so, too.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from translate.smooth import FLAT_RADIUS

Pixels = npt.NDArray[np.uint8]
Places = tuple[npt.NDArray[np.int16], npt.NDArray[np.uint16]]  # as `cv2.remap` takes them

LARGEST = 4  # times as large as it is: beyond that it is interpolated

_FLAT = 0.06  # differences below it, of 1, are ripples
_DOT = 5  # pixels: a colour that fills less than half of such a square is none of the drawing's
_ROUNDS = 2  # of smoothing and sharpening after each doubling
_REACH = 1.5  # how far along a line both neighbours lie, pixels of the doubled picture
_PULL = 0.6  # how far a pixel moves, at most, towards its darkest or lightest neighbour
_CLEAR = 3.0  # Laplacian, levels, at which it moves that far: less is a shade and no edge
_NEIGHBOURS = np.ones((3, 3), np.uint8)


def calmed(rgb: Pixels) -> Pixels:
    """A drawing, (h,w,3), without the ripples and gaudy dots that a network leaves in it."""
    return _evenly_coloured(_flat(rgb))


def inked(rgb: Pixels, size: tuple[int, int]) -> Pixels:
    """A calm drawing, or fur, (h,w,3), at another (width, height) and with clear lines.

    Doubled once, or twice where that is nearer, so up to `LARGEST`; what is left is interpolated.
    Made smaller it is averaged: lines get clear by themselves.
    """
    ratio = max(size[0] / rgb.shape[1], size[1] / rgb.shape[0])
    doublings = 0 if ratio < 1 else 1 if ratio < 2 * 2**0.5 else 2
    for _ in range(doublings):
        rgb = _doubled(rgb)
    smaller = size[0] <= rgb.shape[1] and size[1] <= rgb.shape[0]
    filtering = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return cast("Pixels", cv2.resize(rgb, size, interpolation=filtering))


def _flat(rgb: Pixels) -> Pixels:
    """`smooth.flattened` of a picture, by OpenCV: batch workers have no threads of torch's."""
    x = rgb.astype(np.float32)
    mean = _mean(x)
    spread = (_mean(x * x) - mean * mean).clip(0)
    share = spread / (spread + np.float32((255 * _FLAT) ** 2))
    flat = _mean(share) * x + _mean(mean * (1 - share))
    return np.rint(flat).clip(0, 255).astype(np.uint8)


def _evenly_coloured(rgb: Pixels) -> Pixels:
    """The same light, in the median colour around where that is nearer to grey."""
    planes = cv2.split(cv2.cvtColor(rgb, cv2.COLOR_RGB2YCrCb))
    light, red, blue = cast("list[Pixels]", planes)
    around = [cast("Pixels", cv2.medianBlur(plane, _DOT)) for plane in (red, blue)]
    gaudy = _colourfulness(red, blue) > _colourfulness(*around)
    calm = cast("Pixels", cv2.cvtColor(cv2.merge([light, *around]), cv2.COLOR_YCrCb2RGB))
    return np.where(gaudy[..., None], calm, rgb)


def _colourfulness(red: Pixels, blue: Pixels) -> npt.NDArray[np.int16]:
    """Of the two colour planes of YCrCb, whose grey is 128."""
    return np.abs(red.astype(np.int16) - 128) + np.abs(blue.astype(np.int16) - 128)


def _mean(x: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    side = 2 * FLAT_RADIUS + 1
    return cast("npt.NDArray[np.floating]", cv2.blur(x, (side, side)))


def _doubled(rgb: Pixels) -> Pixels:
    height, width = rgb.shape[:2]
    one_way, other_way = _along_lines(rgb)
    drawn = cast("Pixels", cv2.resize(rgb, (2 * width, 2 * height), interpolation=cv2.INTER_CUBIC))
    for _ in range(_ROUNDS):
        beside = cv2.addWeighted(_moved(drawn, one_way), 0.5, _moved(drawn, other_way), 0.5, 0)
        drawn = _sharpened(cast("Pixels", cv2.addWeighted(beside, 2 / 3, drawn, 1 / 3, 0)))
    return drawn


def _along_lines(rgb: Pixels) -> list[Places]:
    """Where each pixel of the doubled picture has its two neighbours along its line.

    A line is at right angles to the main direction of the slopes around (structure tensor).
    """
    grey = _grey(rgb)
    right, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    width, height = 2 * grey.shape[1], 2 * grey.shape[0]
    xx, xy, yy = (
        cv2.resize(cv2.GaussianBlur(product, (0, 0), 1), (width, height))
        for product in (right * right, right * down, down * down)
    )
    angle = cv2.phase(xx - yy, 2 * xy) * np.float32(0.5)
    dx, dy = cv2.polarToCart(np.full_like(angle, _REACH), angle)  # across the line
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    ends = ((x - dy, y + dx), (x + dy, y - dx))
    return [cast("Places", cv2.convertMaps(*end, cv2.CV_16SC2)) for end in ends]


def _moved(rgb: Pixels, places: Places) -> Pixels:
    moved = cv2.remap(rgb, *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return cast("Pixels", moved)


def _sharpened(rgb: Pixels) -> Pixels:
    """Each pixel nearer to its darkest neighbours in a valley, to its lightest on a ridge."""
    soft, scale = cv2.GaussianBlur(_grey(rgb), (0, 0), 1), _PULL / _CLEAR
    valley = cv2.Laplacian(soft, cv2.CV_32F, ksize=3, scale=scale).clip(-_PULL, _PULL)
    for weight, extreme in ((valley, cv2.erode), (-valley, cv2.dilate)):
        weight = np.maximum(weight, 0)
        mixed = cv2.blendLinear(extreme(rgb, _NEIGHBOURS), rgb, weight, 1 - weight)
        rgb = cast("Pixels", mixed)
    return rgb


def _grey(rgb: Pixels) -> npt.NDArray[np.float32]:
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
