"""The bundled `night` on a day's photo: the upper sky is dark, and below it there are lights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from translate import Translator
from translate.hub import open_domain
from translate.srgb import LUMA
from translate.training.config import load_recipe

TEMPLE = Path(__file__).parents[1] / "examples" / "temple.jpg"


def light(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("RGB"), np.float32) @ np.array(LUMA, np.float32)


@pytest.mark.parametrize("without", [None, "sky", "burning"])
def test_a_white_sky_falls_dark_and_the_ground_is_lit(without: str | None) -> None:
    photo = Image.open(TEMPLE).convert("RGB")
    photo.thumbnail((640, 640))
    night = Translator.load("night")
    if without is not None:  # then the sky glows, or the ground is dark
        pgd = night.domain.pgd.model_copy(update={without: 0.0})
        night.domain = night.domain.model_copy(update={"pgd": pgd})
    sky = np.s_[:150, 330:]  # right of the temple, down to the mist above the water
    day, dark = light(photo), light(night(photo))
    assert day[sky].mean() > 220
    assert (np.percentile(dark[sky], 95) < 60) == (without != "sky")
    assert (dark[:200, 330:500].std() < 10) == (without != "sky")  # down to the water: even
    assert dark[sky].mean() < 100
    assert (np.percentile(dark[200:], 99) > 180) == (without != "burning")


def test_its_recipe_walks_as_its_card_does() -> None:
    card, _ = open_domain("night")
    descent = load_recipe("night").descent_at(-1)
    assert descent.burning > 0
    assert descent.sky == 1
    assert descent.model_copy(update={"steps": card.pgd.steps}) == card.pgd
    assert card.format == 15
