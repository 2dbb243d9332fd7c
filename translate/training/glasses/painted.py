"""Glasses painted on faces, each pair another.

Pictures are (h,w,3) uint8 faces as `translate.glasses.near` gives them, masks (h,w) bool.
"""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from translate.masking import Mask
from translate.training.glasses.canvas import (
    APART,
    HEIGHT,
    WIDTH,
    Floats,
    Pixels,
    Random,
    any_colour,
    clouds,
    levels,
    over,
)
from translate.training.glasses.pair import Pair

_OPAQUE = 0.42  # what covers less of a pixel is not marked


def with_glasses(face: Pixels, random: Random) -> tuple[Pixels, Mask]:
    """A face with glasses on, and where they hide it: rims, and lenses of sunglasses."""
    pair = Pair.drawn(random)
    rim, lenses = pair.rim(random), pair.lenses()
    picture = face.astype(np.float64)
    hidden = rim
    if pair.dark:
        cover, colour = _dark(lenses, pair, random)
        picture, hidden = over(picture, colour, cover), np.maximum(rim, lenses)
    else:
        tint = random.uniform(60, 255, 3)
        picture = over(picture, tint, lenses * random.uniform(0, 0.16))
        if random.random() < 0.4:
            picture *= 1 - _shadow(rim, random)[..., None]
    if random.random() < (0.6 if pair.dark else 0.45):
        shine = _reflections(pair, random) * (random.uniform(0.3, 0.9) if pair.dark else 1.0)
        picture = over(picture, np.full(3, 255.0), shine * lenses)
    soft = random.uniform(0, 1)
    edge = cv2.GaussianBlur(rim, (0, 0), soft) if soft > 0.35 else rim
    picture = over(picture, _frame_colour(random), edge * random.uniform(0.82, 1))
    return levels(picture), hidden > _OPAQUE


def _dark(lenses: Floats, pair: Pair, random: Random) -> tuple[Floats, Floats]:
    """How much of each pixel the lenses of sunglasses hide, and their colours."""
    if random.random() < 0.2:  # mirrors
        top, bottom = random.uniform(30, 230, (2, 3))
    else:
        top = random.uniform(3, 60) * random.uniform((0.6, 0.7, 0.6), (1.6, 1.1, 1.5))
        bottom = top * random.uniform(0.8, 2.5)
    start = pair.middle[1] - pair.half[1]
    down = np.clip((np.arange(HEIGHT) - start) / (2 * pair.half[1]), 0, 1)[:, None]
    first, last = random.uniform(0.8, 1), random.uniform(0.62, 1)
    colour = top + (np.clip(bottom, 0, 255) - top) * down[..., None]
    return (first + (last - first) * down) * lenses, np.broadcast_to(colour, (*lenses.shape, 3))


def _shadow(rim: Floats, random: Random) -> Floats:
    by = (random.integers(1, 5), random.integers(-2, 3))
    blurred = cv2.GaussianBlur(np.roll(rim, by, (0, 1)), (0, 0), random.uniform(0.8, 2.5))
    return cast(Floats, blurred * random.uniform(0.1, 0.4))


def _reflections(pair: Pair, random: Random) -> Floats:
    shine, (wide, high) = np.zeros((HEIGHT, WIDTH)), pair.half
    for _ in range(random.integers(1, 4)):
        middle = pair.middle + random.normal(0, (1.1 * APART, 0.5 * high))
        corners = middle + random.normal(0, (0.5 * wide, 0.4 * high), (random.integers(3, 6), 2))
        hull = cv2.convexHull(np.rint(corners).astype(np.int32))
        cv2.fillPoly(shine, [hull], (random.uniform(0.15, 0.75),))
    return cast(Floats, cv2.GaussianBlur(shine, (0, 0), random.uniform(0.5, 4)))


def _frame_colour(random: Random) -> Floats:
    """(h,w,3): one colour, darker above or below, with patches or lights on some."""
    down = np.linspace(0, 1, HEIGHT)[:, None, None]
    colour = any_colour(random) * (1 + random.normal(0, 0.25) * (down - 0.4))
    colour = colour * np.ones((HEIGHT, WIDTH, 1))
    if random.random() < 0.25:  # tortoiseshell
        colour *= (1 + 2 * clouds(random.uniform(1, 3), random))[..., None]
    if random.random() < 0.4:
        lights = np.clip(8 * clouds(4, random) - 0.8, 0, 1) * random.uniform(0.2, 0.8)
        colour = over(colour, np.full(3, 255.0), lights)
    return np.clip(colour, 0, 255)
