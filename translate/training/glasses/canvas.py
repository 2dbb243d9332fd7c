"""What all that is painted on a face is made of: outlines, covers between 0 and 1, colours."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from translate.glasses import SEEN

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Random = np.random.Generator

WIDTH, HEIGHT = SEEN
FINER = 2  # outlines are painted at so many times the size
BITS = 4  # and in sixteenths of a pixel
EYES = (WIDTH / 2, 49.0)  # between the eyes, about
APART = 25.0  # and from there to either


def any_colour(random: Random) -> Floats:
    """Most are dark, some brown, few of a colour, of metal or white."""
    kind = random.random()
    if kind < 0.6:
        colour = random.uniform(5, 75) + random.normal(0, 6, 3)
    elif kind < 0.76:
        colour = random.uniform((60, 35, 15), (130, 75, 50))
    elif kind < 0.86:
        hsv = random.uniform((0, 120, 80), (180, 255, 230)).astype(np.uint8)
        colour = cv2.cvtColor(hsv[None, None], cv2.COLOR_HSV2RGB)[0, 0].astype(np.float64)
    elif kind < 0.95:
        colour = np.array([1, 0.95, 0.85]) * random.uniform(90, 190)
    else:
        colour = np.full(3, random.uniform(200, 255))
    return np.clip(cast(Floats, colour), 0, 255)


def clouds(sigma: float, random: Random) -> Floats:
    """(h,w) noise around 0, blurred by sigma pixels."""
    return cast(Floats, cv2.GaussianBlur(random.normal(0, 1, (HEIGHT, WIDTH)), (0, 0), sigma))


def blank() -> Pixels:
    """Where outlines are painted in 255: `FINER` times as large as the picture."""
    return np.zeros((HEIGHT * FINER, WIDTH * FINER), np.uint8)


def line(canvas: Pixels, points: npt.NDArray[np.int32], thick: float) -> None:
    """Paint (n,2) points, in sixteenths of its pixels, as a line; thick in the picture's pixels."""
    pixels = max(1, round(thick * FINER))
    cv2.polylines(canvas, [points], False, (255,), pixels, cv2.LINE_AA, BITS)


def shrunk(canvas: Pixels) -> Floats:
    """A canvas -> (h,w) in [0,1]: how much of each pixel of the picture is painted."""
    return cast(Pixels, cv2.resize(canvas, SEEN, interpolation=cv2.INTER_AREA)) / 255


def over(picture: Floats, colour: Floats, cover: Floats) -> Floats:
    """A picture with a colour, (3,) or (h,w,3), before it where cover, (h,w), is above 0."""
    return picture + (colour - picture) * cover[..., None]


def levels(picture: Floats) -> Pixels:
    """Any numbers as levels of 0 to 255."""
    return np.clip(picture, 0, 255).astype(np.uint8)
