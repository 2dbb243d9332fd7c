"""Another detection: what makes many pictures of one."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from translate.masking import Mask
from translate.training.glasses.canvas import HEIGHT, SEEN, WIDTH, Pixels, Random


def moved(picture: Pixels, mask: Mask, random: Random) -> tuple[Pixels, Mask]:
    """Both as another detection has them: elsewhere, larger, tilted, mirrored."""
    turn, scale = random.normal(0, 4), np.exp(random.normal(0, 0.07))
    place = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), turn, scale)
    place[:, 2] += random.normal(0, 4, 2)
    edge = cv2.BORDER_REPLICATE
    picture = cast(Pixels, cv2.warpAffine(picture, place, SEEN, borderMode=edge))
    marked = cv2.warpAffine(mask.astype(np.uint8) * 255, place, SEEN) > 110
    if random.random() < 0.5:
        picture, marked = picture[:, ::-1], marked[:, ::-1]
    return np.ascontiguousarray(picture), np.ascontiguousarray(marked)
