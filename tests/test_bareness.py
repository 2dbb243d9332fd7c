"""Bare skin: where a photo shows it, and what a walk does not draw there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.test_relighting import (
    HAIR,
    LUMA,
    anime,
    below_chin,
    dark,
    hairy,
    photo,
    seen,
    throat,
    window,
)
from translate import Options, Translator
from translate.bareness import bare_skin
from translate.batch.settings import Settings
from translate.domain import read_domain
from translate.framing import Window
from translate.hub import bundled_domains
from translate.ui.turns import TranslatorInTurns
from translate.view import Asked, gathered, look

__all__ = ["anime", "seen", "window"]


def bare(picture: np.ndarray, window: Window) -> np.ndarray:
    assert window.seen_face is not None
    places = bare_skin(picture, window.seen_face)
    assert places is not None
    assert places.shape == picture.shape[:2]
    assert places.dtype == np.float32
    assert places.min() >= 0
    assert places.max() <= 1
    return places


def at(places: np.ndarray, window: Window, x: float, y: float) -> float:
    """Mean of a small square, whose place is in widths of the face's box from its middle."""
    assert window.seen_face is not None
    middle_x, middle_y, width = window.seen_face
    row, column, half = round(middle_y + y * width), round(middle_x + x * width), 3
    return float(places[row - half : row + half + 1, column - half : column + half + 1].mean())


FOREHEAD, CHEEKS = (0.0, -0.3), ((-0.32, 0.16), (0.3, 0.16))
FEATURES = ((-0.19, -0.1), (0.19, -0.1), (0.0, 0.1), (0.0, 0.28))
AROUND = ((-0.6, -0.3), (0.6, -0.3), (0.0, 0.55))  # ground left and right, the jaw


def test_forehead_and_cheeks_are_bare_and_the_features_are_not(
    seen: np.ndarray, window: Window
) -> None:
    places = bare(seen, window)
    assert at(places, window, *FOREHEAD) > 0.9
    assert all(at(places, window, *cheek) > 0.9 for cheek in CHEEKS)
    assert all(at(places, window, *place) == 0 for place in FEATURES + AROUND)


@pytest.mark.parametrize("colour", [(70, 45, 30), (230, 200, 90), (40, 60, 160)])
def test_hair_or_a_scarf_over_the_forehead_is_not(
    seen: np.ndarray, window: Window, colour: tuple[int, int, int]
) -> None:
    assert window.seen_face is not None
    _, y, width = window.seen_face
    covered = seen.copy()
    covered[: round(y - 0.2 * width)] = colour
    places = bare(covered, window)
    assert at(places, window, *FOREHEAD) == 0
    assert all(at(places, window, *cheek) > 0.9 for cheek in CHEEKS)


@pytest.mark.parametrize("factors", [(0.45, 0.36, 0.32), (0.7, 0.6, 0.5), (1.0, 0.95, 0.9)])
def test_skin_of_any_colour_is_skin(
    seen: np.ndarray, window: Window, factors: tuple[float, float, float]
) -> None:
    own = bare(seen, window)
    other = bare(np.rint(seen * np.array(factors)).astype(np.uint8), window)
    assert at(other, window, *FOREHEAD) > 0.9
    assert other.sum() > 0.8 * own.sum()


def test_where_a_forehead_shines_it_is_skin(seen: np.ndarray, window: Window) -> None:
    """White or bluish light on it; a dark spot there, or a white hat, is none."""
    assert window.seen_face is not None
    x, y, width = window.seen_face
    rows, columns = np.ogrid[: seen.shape[0], : seen.shape[1]]
    spot = np.hypot(columns - x, rows - (y - 0.3 * width)) < 0.1 * width
    for colour, is_skin in (((250, 250, 255), True), ((60, 70, 110), False)):
        spotted = seen.copy()
        spotted[spot] = colour
        assert (at(bare(spotted, window), window, *FOREHEAD) > 0.9) == is_skin
    hat = seen.copy()
    hat[: round(y - 0.2 * width)] = (250, 250, 255)
    assert at(bare(hat, window), window, *FOREHEAD) == 0


def test_the_shaded_side_of_a_forehead_is_skin(seen: np.ndarray, window: Window) -> None:
    assert window.seen_face is not None
    x, y, width = window.seen_face
    rows = slice(round(y - 0.5 * width), round(y - 0.18 * width))
    half = seen.copy()
    half[rows, round(x - 0.35 * width) : round(x + 0.35 * width)] = (230, 196, 174)
    half[rows, round(x) : round(x + 0.35 * width)] //= 2
    places = bare(half, window)
    assert all(at(places, window, beside, -0.37) > 0.9 for beside in (-0.15, 0.15))


def test_a_throat_in_deep_shade_is_skin_and_hair_before_it_is_not(
    seen: np.ndarray, window: Window
) -> None:
    assert window.seen_face is not None
    deep = below_chin(dark(seen), window.seen_face, 0.4)
    assert at(bare(deep, window), window, 0.0, 0.68) > 0.95
    deep[throat(window)] = HAIR
    assert at(bare(deep, window), window, 0.0, 0.66) == 0


def test_places_do_not_depend_on_size_or_side(seen: np.ndarray, window: Window) -> None:
    assert window.seen_face is not None
    own, (x, y, width) = bare(seen, window), window.seen_face
    mirrored = bare_skin(seen[:, ::-1], (seen.shape[1] - x, y, width))
    large = np.asarray(Image.fromarray(seen).resize((512, 512), Image.Resampling.LANCZOS))
    larger = bare_skin(large, (2 * x, 2 * y, 2 * width))
    assert mirrored is not None
    assert larger is not None
    assert np.abs(mirrored[:, ::-1] - own).mean() < 0.02
    assert np.abs(larger[::2, ::2] - own).mean() < 0.02


def test_faces_at_a_border_and_plain_pictures_are_no_mistake(seen: np.ndarray) -> None:
    assert bare_skin(seen, (100.0, -200.0, 100.0)) is None
    for face in ((0.0, 0.0, 300.0), (255.0, 255.0, 40.0), (5.0, 250.0, 20.0)):
        places = bare_skin(seen, face)
        assert places is None or np.isfinite(places).all()
    for level in (0, 255):
        assert bare_skin(np.full((64, 64, 3), level, np.uint8), (32.0, 32.0, 40.0)) is not None


def test_no_hair_is_drawn_over_a_bald_head(anime: Translator, window: Window) -> None:
    """What this is for. The astronaut without hair: skin up to the top of her head."""
    assert window.face is not None
    assert window.seen_face is not None
    x, y, width = window.face
    bald = photo().copy()
    top, bottom = round(y - 0.7 * width), round(y - 0.3 * width)
    left, right = round(x - 0.42 * width), round(x + 0.42 * width)
    bald[top:bottom, left:right] = np.median(bald[bottom : bottom + 8, left:right], axis=(0, 1))
    x, y, width = window.seen_face
    rows = slice(round(y - 0.5 * width), round(y - 0.31 * width))  # above the brows
    columns = slice(round(x - 0.3 * width), round(x + 0.3 * width))
    strokes: list[float] = []
    for translator in (anime, hairy(anime)):
        drawn = np.asarray(translator(bald, Options(crop_only=True)))[rows, columns] @ LUMA
        strokes.append(float((drawn < 0.8 * np.percentile(drawn, 90)).mean()))
    assert strokes[1] > 0.1
    assert strokes[0] < 0.01


def test_only_a_domain_that_asks_is_told(seen: np.ndarray, window: Window) -> None:
    asked, unasked = (
        look(photo(), window, keep_glasses=False, asked=Asked(bare=b)) for b in (True, False)
    )
    faceless = look(photo(), replace(window, face=None), keep_glasses=False, asked=Asked(bare=True))
    assert unasked.bare is None
    assert faceless.bare is None
    assert asked.bare is not None
    assert (asked.bare[0, 0].numpy() >= bare(seen, window)).all()
    both = gathered([faceless, asked])
    assert both.bare is not None
    assert torch.equal(both.bare[1], asked.bare[0])
    assert not both.bare[0].any()


def test_windows_of_one_batch_keep_their_own_skin(anime: Translator, window: Window) -> None:
    views = [
        look(photo(), window, keep_glasses=False, asked=Asked(bare=True)),
        look(
            photo()[..., ::-1].copy(),
            replace(window, face=None),
            keep_glasses=False,
            asked=Asked(bare=True),
        ),
    ]
    *_, (together, _) = anime.descend(gathered(views), Options(strength=0.3))
    for index, view in enumerate(views):
        *_, (alone, _) = anime.descend(view, Options(strength=0.3))
        torch.testing.assert_close(together.x[index : index + 1], alone.x, rtol=0, atol=2e-3)


def test_the_web_app_walks_so_too(anime: Translator) -> None:
    served = TranslatorInTurns(anime.domain, anime.model, anime.device, anime.dtype)
    results = [np.asarray(one(photo(), Options(strength=0.15))) for one in (anime, served)]
    np.testing.assert_array_equal(*results)
    other = np.asarray(hairy(anime)(photo(), Options(strength=0.15)))
    assert (other != results[0]).any()


@pytest.mark.parametrize("name", bundled_domains())
def test_a_card_decides(name: str) -> None:
    card = read_domain(Path(__file__).parents[1] / "weights" / name)
    assert (card.pgd.bare > 0) == (name == "anime")
    assert (card.pgd.shade > 0) == (name in {"anime", "cartoon"})


def test_finished_photos_are_made_anew_where_a_card_changes_it(anime: Translator) -> None:
    assert Settings().digest(anime) != Settings().digest(hairy(anime))
