"""Cut-outs before other backgrounds, in other light, seen by another detection."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np
import numpy.typing as npt

from translate.matting import SEEN
from translate.training.heads.cutouts import LARGE, Cutout, Floats, Pixels
from translate.training.segmenting import Random, photographed

Levels = npt.NDArray[np.float64]

GROUND = 160  # height and width of backgrounds
# Shares: heads before another background; of those, without the person below; before one as light
# and of the colour as the hair, so that colours alone tell nothing; before a blurred one
_ELSEWHERE, _ALONE, _ALIKE, _BLURRED = 0.65, 0.15, 0.35, 0.3
_CUT, _MARGIN = 0.45, (-20, 42)  # share of photos that end near the face, and by how many pixels


def scene(cutout: Cutout, grounds: Pixels, random: Random) -> tuple[Pixels, Floats]:
    """A picture, (128,128,3) uint8, and how much of each pixel is the head, (128,128) float32.

    Args:
        cutout: a head.
        grounds: (N,160,160,3) uint8.
        random: draws everything.
    """
    large = cutout.picture.astype(np.float64)
    if random.random() < _ELSEWHERE:
        hair = large[: LARGE // 2][cutout.head[: LARGE // 2] > 0.9]
        ground = _ground(grounds, random)
        if random.random() < _ALIKE:
            ground = _toned(ground, hair[int(random.integers(len(hair) // 2))], random)
        if random.random() < _BLURRED:
            ground = cast("Levels", cv2.GaussianBlur(ground, (0, 0), random.uniform(1, 6)))
        if random.random() < 0.5:
            large = 255 * (large / 255) ** np.exp(random.normal(0, 0.2))
            large = large * np.exp(random.normal(0, 0.05, 3))
        cover = cutout.head if random.random() < _ALONE else cutout.person
        large = ground + (large - ground) * cover[..., None]
    picture, head = _moved(np.clip(large, 0, 255).astype(np.uint8), cutout.head, random)
    return photographed(picture, random), head


def _ground(grounds: Pixels, random: Random) -> Levels:
    """(256,256,3) levels: a square of one."""
    whole = grounds[random.integers(len(grounds))]
    side = round(GROUND * random.uniform(0.5, 1))
    left, top = random.integers(0, GROUND + 1 - side, 2)
    square = whole[top : top + side, left : left + side][:, :: int(random.choice([1, -1]))]
    cubic = cv2.INTER_CUBIC
    return cast("Levels", cv2.resize(square.astype(np.float64), (LARGE, LARGE), None, 0, 0, cubic))


def _toned(ground: Levels, colour: Levels, random: Random) -> Levels:
    """A background whose mean lies near a colour, with less contrast."""
    mean = ground.mean(axis=(0, 1))
    moved = mean + (colour - mean) * random.uniform(0.6, 1)
    return np.clip((ground - mean) * random.uniform(0.35, 1) + moved, 0, 255)


def _moved(picture: Pixels, head: Floats, random: Random) -> tuple[Pixels, Floats]:
    """Both as another detection has them, in a photo that may end near the face; mirrored."""
    turn, scale = random.normal(0, 6), np.exp(random.normal(0, 0.1))
    place = cv2.getRotationMatrix2D((LARGE / 2, LARGE / 2), turn, scale)
    place[:, 2] += random.normal(0, 8, 2)
    top, bottom, left, right = 0, 0, 0, 0
    if random.random() < _CUT:
        top, bottom, left, right = (max(0, round(random.uniform(*_MARGIN))) for _ in range(4))
    mirrored = random.random() < 0.5

    def seen(plane: Pixels | Floats) -> Pixels | Floats:
        edge = cv2.BORDER_REPLICATE
        moved = cv2.warpAffine(plane, place, (LARGE, LARGE), borderMode=edge)
        small = cv2.resize(moved, (SEEN, SEEN), interpolation=cv2.INTER_AREA)
        shown = np.ascontiguousarray(small[top : SEEN - bottom, left : SEEN - right])
        ended = cv2.copyMakeBorder(shown, top, bottom, left, right, edge)
        return cast("Pixels | Floats", cv2.flip(ended, 1) if mirrored else ended)

    return cast("Pixels", seen(picture)), cast("Floats", seen(head))
