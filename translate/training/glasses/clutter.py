"""What else comes before a face: locks, made-up eyes, hats, telephones."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from translate.training.glasses.canvas import (
    APART,
    BITS,
    EYES,
    FINER,
    HEIGHT,
    SEEN,
    WIDTH,
    Floats,
    Pixels,
    Random,
    any_colour,
    blank,
    levels,
    line,
    over,
    shrunk,
)


def without_glasses(face: Pixels, random: Random) -> Pixels:
    """A face with something else before it: locks, made-up eyes, a hat, a telephone; or nothing."""
    kind = random.random()
    if kind < 0.25:
        cover, colour = _locks(random), any_colour(random)
    elif kind < 0.5:
        cover, colour = _make_up(random), np.full(3, random.uniform(5, 60))
    elif kind < 0.65:
        cover, colour = _hat(random), any_colour(random)
    elif kind < 0.92:
        cover, colour = _things(random), any_colour(random)
    else:
        return face
    return levels(over(face.astype(np.float64), colour, cover))


def _locks(random: Random) -> Floats:
    canvas, root = blank(), random.uniform(20, 170)
    along = np.linspace(0, 1, 20)[:, None]
    for _ in range(random.integers(1, 7)):
        spread = np.array([(root, -5.0), (root, 35.0), (root, 92.0)])
        spread += random.normal(0, 1, (3, 2)) * ((10, 0), (20, 9), (35, 24))
        curve = (1 - along) ** 2 * spread[0] + 2 * along * (1 - along) * spread[1]
        curve = np.rint((curve + along**2 * spread[2]) * FINER * 2**BITS).astype(np.int32)
        line(canvas, curve, random.uniform(0.5, 3.5))
    return shrunk(canvas) * random.uniform(0.5, 1)


def _make_up(random: Random) -> Floats:
    """Liner and brows."""
    canvas, (x, y) = blank(), EYES
    y += random.normal(0, 3)
    apart, lid, brow = APART * random.uniform(0.85, 1.15), (10.0, 4.5), (13.0, 7.5)
    for side in (-1, 1):
        for above, half, arc in ((0.0, lid, (0, 360)), (random.uniform(1, 8), brow, (200, 340))):
            thick = random.uniform(0.5, 5)
            middle = np.array([x + side * apart, y - above]) * FINER
            axes = np.array(half) * random.uniform(0.7, 1.3, 2) * FINER
            filled = arc == (0, 360) and random.random() < 0.6
            cv2.ellipse(
                canvas,
                np.rint(middle).astype(int).tolist(),
                np.rint(axes).astype(int).tolist(),
                0,
                *arc,
                (255,),
                -1 if filled else max(1, round(thick * FINER)),
                cv2.LINE_AA,
            )
    blurred = cv2.GaussianBlur(shrunk(canvas), (0, 0), random.uniform(0.3, 2))
    return cast(Floats, blurred * random.uniform(0.3, 0.95))


def _hat(random: Random) -> Floats:
    """Everything above an edge."""
    x = np.arange(WIDTH) - WIDTH / 2
    waves = random.uniform(-6, 6) * np.sin(x / random.uniform(10, 40))
    edge = random.uniform(0, 38) + random.normal(0, 0.1) * x + waves
    below = (np.arange(HEIGHT)[:, None] - edge) / random.uniform(0.5, 4)
    return random.uniform(0.5, 1) / (1 + np.exp(np.clip(below, -50, 50)))


def _things(random: Random) -> Floats:
    """Boxes, bars across the picture, discs."""
    cover = np.zeros((HEIGHT, WIDTH))
    for _ in range(random.integers(1, 4)):
        (x, y), size = random.uniform(0, SEEN), np.exp(random.uniform(np.log(8), np.log(90), 2))
        bar = random.random() < 0.2
        if bar:
            x, size[0] = WIDTH / 2, 2.0 * WIDTH
        canvas = np.zeros((HEIGHT, WIDTH), np.uint8)
        shape = ((x, y), size.tolist(), random.normal(0, 3 if bar else 20))
        if random.random() < 0.3:
            cv2.ellipse(canvas, shape, (255,), -1)
        else:
            corners = np.rint(cv2.boxPoints(shape)).astype(np.int32)
            cv2.fillPoly(canvas, [corners], (255,))
        cover = np.maximum(cover, canvas / 255 * random.uniform(0.5, 1))
    if random.random() < 0.5:
        cover = cast(Floats, cv2.GaussianBlur(cover, (0, 0), random.uniform(0.4, 2)))
    return cover
