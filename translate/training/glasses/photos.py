"""Another detection, another camera: what makes many pictures of one."""

from __future__ import annotations

import math
from typing import cast

import cv2
import numpy as np

from translate.masking import Mask
from translate.training.glasses.canvas import HEIGHT, SEEN, WIDTH, Floats, Pixels, Random, levels


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


def photographed(picture: Pixels, random: Random) -> Pixels:
    """Another light, contrast and colour; blur, grain and JPEG on some."""
    x = picture.astype(np.float64)
    if random.random() < 0.15:
        x = np.repeat(x.mean(axis=2, keepdims=True), 3, axis=2)
    x = 255 * (x / 255) ** float(np.exp(random.normal(0, 0.25)))
    x = (x - 128) * np.exp(random.normal(0, 0.2)) + 128 + random.normal(0, 14)
    if random.random() < 0.7:
        x = x * np.exp(random.normal(0, 0.07, 3))
    if random.random() < 0.4:
        x = cast(Floats, cv2.GaussianBlur(x, (0, 0), random.uniform(0.3, 1.5)))
    if random.random() < 0.4:
        x = x + random.normal(0, math.exp(random.uniform(0, math.log(40))), x.shape)
    shown = levels(x)
    if random.random() < 0.3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(30, 90))]
        shown = cast(Pixels, cv2.imdecode(cv2.imencode(".jpg", shown, quality)[1], 1))
    return shown
