"""Where a scene shows the sky.

Target scenes may have lights in their upper halves, on facades say, and teach a network to light
skies too. Where a photo has sky a walk changes it as one: see `PGD.sky`.

What is smooth, light or blue, and reaches the upper border is the sky's, and tells the colours of
the rest (GrabCut: Rother, Kolmogorov, Blake 2004). A white wall or a sea is now and then taken for
some.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from translate.framing import Pixels
from translate.matting import Floats, along_edges, brightness, grown
from translate.strokes import square

Bools = npt.NDArray[np.bool_]

# By eye on a hundred day scenes:
_SMALL = 96  # pixels: shorter side of the copy that is looked at
_AROUND = 1.5  # sigma, in its pixels, of how steep light is around
_SMOOTH, _CLOUDY = 0.035, 0.06  # steepness, in light of 1 per pixel, of clear and of cloudy skies
_PALE, _WHITE = (0.28, 1.05), (0.3, 1.1)  # such are lighter: of 1, and of the picture's mean light
_WARMEST = 0.72  # blue in parts of red: less is no sky
_BLUE, _GREY = 0.12, 0.25  # blue less red, in parts of light: of blue skies more, of clouds less
_DUSK = 0.2  # light of blue ones, of 1: less is none
_LEAST, _MOST = 0.02, 0.9  # of the picture: less and more is none
_SPECK, _GAP = 3, 7  # pixels: narrower is no sky, narrower gaps in it are
_SURE, _FAR = 5, 13  # pixels: half of it within what is found so is sky, half of it beyond none
_ABOVE_END, _NEARBY = 3, 20  # pixels: the sky's own colour so far above its end; columns nearby
_PART, _LOWER = 8, 3  # pixels: smaller parts are none, nor those that end so far below the sky
_SAME = 8.0  # distance in L*a*b* of colours that are one,
_LIGHT_COUNTS = np.array([0.5, 1, 1], np.float32)  # with so much of each difference
_WINDOW, _EDGE = 9, np.float32(0.0015)  # of the outline, see `along_edges`
_SHARP = np.float32(1.5)


def find_sky(rgb: Pixels) -> Floats:
    """Where a picture shows the sky. Reseeds OpenCV's generator of this thread.

    Args:
        rgb: (h,w,3) uint8.

    Returns:
        (h,w) in [0,1], 1 where it does.
    """
    height, width = rgb.shape[:2]
    scale = _SMALL / min(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cast("Pixels", cv2.resize(rgb, size, interpolation=cv2.INTER_AREA))
    like = _like_sky(small)
    likely = _at_top(_closed(_reaching(like, slice(0, 2))))
    if not _LEAST < likely.mean() < _MOST:
        return np.zeros((height, width), np.float32)
    cut = grown(small, _told(likely), 1)
    assert cut is not None  # neither none nor all of it
    sky = _at_top(cut.astype(np.uint8))
    sky = np.maximum(sky, _cut_off(small, sky, like & (1 - sky)))
    slope, level = along_edges(brightness(small), sky.astype(np.float32), _WINDOW, _EDGE)
    slope, level = (cv2.resize(plane, (width, height)) for plane in (slope, level))
    soft = slope * brightness(rgb) + level
    return cast("Floats", ((soft - np.float32(0.5)) * _SHARP + np.float32(0.5)).clip(0, 1))


def _like_sky(rgb: Pixels) -> npt.NDArray[np.uint8]:
    """(h,w) of 0 and 1: what could be sky, wherever it is."""
    light = brightness(rgb)
    across, down = (cv2.Sobel(light, -1, x, 1 - x, scale=1 / 8) for x in (1, 0))
    steep = cv2.GaussianBlur(np.hypot(across, down), (0, 0), _AROUND)
    red, green, blue = (rgb[..., index].astype(np.float32) / 255 for index in range(3))
    bluish, mean = (blue - red) / (light + np.float32(0.05)), float(light.mean())

    def lighter(least: tuple[float, float]) -> Bools:
        return light > max(least[0], least[1] * mean)

    pale = lighter(_PALE) & (blue > _WARMEST * red)
    clear = pale | ((bluish > _BLUE) & (blue >= green) & (light > _DUSK))
    cloud = lighter(_WHITE) & (abs(bluish) < _GREY)
    like = (clear & (steep < _SMOOTH)) | (cloud & (steep < _CLOUDY))
    return cv2.morphologyEx(like.astype(np.uint8), cv2.MORPH_OPEN, square(_SPECK)).astype(np.uint8)


def _at_top(places: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Where parts of (h,w) of 0 and 1 reach the upper border, all but what reaches the lower one:
    clouds, and branches from above, too."""
    sky = _reaching(places, slice(0, 2))
    return 1 - _reaching(1 - sky, slice(-2, None))


def _cut_off(
    rgb: Pixels, sky: npt.NDArray[np.uint8], like: npt.NDArray[np.uint8]
) -> npt.NDArray[np.uint8]:
    """(h,w) of 0 and 1: parts of what else could be sky that are some, seen between towers or below
    a branch: no lower than the rest, and of a colour that it has nearby, as high or at its end."""
    light = rgb.astype(np.float32) / 255
    colours = cast("Floats", cv2.cvtColor(light, cv2.COLOR_RGB2LAB))
    columns = np.flatnonzero(sky.any(axis=0))
    found = np.zeros_like(sky)
    if not len(columns):
        return found
    ends = len(sky) - 1 - sky[::-1].argmax(axis=0)[columns]
    count, parts, boxes, middles = cv2.connectedComponentsWithStats(like, connectivity=4)
    for part in range(1, count):
        bottom = boxes[part, cv2.CC_STAT_TOP] + boxes[part, cv2.CC_STAT_HEIGHT]
        if boxes[part, cv2.CC_STAT_AREA] < _PART or bottom > ends.max() + _LOWER:
            continue
        nearest = np.argsort(abs(columns - middles[part, 0]))[:_NEARBY]
        rows = np.clip(ends[nearest] - _ABOVE_END, 0, round(middles[part, 1]))
        own = np.median(colours[parts == part], axis=0)
        apart = np.linalg.norm((colours[rows, columns[nearest]] - own) * _LIGHT_COUNTS, axis=1)
        if apart.min() < _SAME:
            found[parts == part] = 1
    return found


def _reaching(places: npt.NDArray[np.uint8], rows: slice) -> npt.NDArray[np.uint8]:
    _, parts = cv2.connectedComponents(places, connectivity=4)
    kept = np.unique(parts[rows])
    return np.isin(parts, kept[kept > 0]).astype(np.uint8)


def _closed(places: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """(h,w) of 0 and 1 without narrow gaps, as if it went on beyond the border."""
    edge = _GAP
    wider = cv2.copyMakeBorder(places, edge, edge, edge, edge, cv2.BORDER_REPLICATE)
    closed = cv2.morphologyEx(wider, cv2.MORPH_CLOSE, square(_GAP))
    return closed[edge:-edge, edge:-edge].astype(np.uint8)


def _told(likely: npt.NDArray[np.uint8]) -> Pixels:
    """What `grown` begins with: the sky is what is cut out."""
    labels = np.where(likely > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    labels[cv2.erode(likely, square(_SURE)) > 0] = cv2.GC_FGD
    labels[cv2.dilate(likely, square(_FAR)) == 0] = cv2.GC_BGD
    return labels
