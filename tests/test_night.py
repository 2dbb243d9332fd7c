"""The bundled `night` on a day's photo: the sky is dark, and what shines is near the ground."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from translate import Translator
from translate.srgb import LUMA

TEMPLE = Path(__file__).parents[1] / "examples" / "temple.jpg"


def light(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("RGB"), np.float32) @ np.array(LUMA, np.float32)


@pytest.mark.parametrize("burning", [None, 0.0])
def test_a_white_sky_falls_dark_and_the_ground_is_lit(burning: float | None) -> None:
    photo = Image.open(TEMPLE).convert("RGB")
    photo.thumbnail((640, 640))
    night = Translator.load("night")
    if burning is not None:  # one factor for the whole picture: its sky keeps a glow
        pgd = night.domain.pgd.model_copy(update={"burning": burning})
        night.domain = night.domain.model_copy(update={"pgd": pgd})
    sky = np.s_[:150, 330:]  # right of the temple, down to the mist above the water
    day, dark = light(photo), light(night(photo))
    assert day[sky].mean() > 220
    assert (np.percentile(dark[sky], 95) < 80) == (burning is None)
    assert dark[sky].mean() < 100
    assert np.percentile(dark[200:], 99) > 180
