"""What of a face stays dark: where it is found, and what a walk leaves there."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.conftest import EXAMPLES, pixels
from tests.test_relighting import LUMA, anime, dark, lit, photo, seen, window
from translate import Translator
from translate.darkness import stays_dark
from translate.errors import SettingsError
from translate.framing import Window, extract
from translate.ground import plain_ground
from translate.hub import bundled_domains, open_domain
from translate.image_io import Photo
from translate.matting import head_matte
from translate.pgd import attack, descend
from translate.pgd_settings import PGD
from translate.shaping import no_lighter
from translate.training.config import load_recipe
from translate.view import Asked, View, gathered, look, looked_for

__all__ = ["anime", "seen", "window"]

MOUTH = (0.0, 0.31)  # in widths of the face's box, from its middle
SKIN = ((0.0, -0.25), (-0.28, 0.1), (0.28, 0.1))


def square(window: Window, x: float, y: float, half: float) -> tuple[slice, slice]:
    assert window.seen_face is not None
    middle_x, middle_y, width = window.seen_face
    return (
        slice(max(0, round(middle_y + (y - half) * width)), round(middle_y + (y + half) * width)),
        slice(max(0, round(middle_x + (x - half) * width)), round(middle_x + (x + half) * width)),
    )


def places(picture: np.ndarray, window: Window) -> np.ndarray:
    assert window.seen_face is not None
    found = stays_dark(picture.astype(np.float32) / np.float32(255), window.seen_face)
    assert found is not None
    assert found.dtype == np.float32
    assert found.shape == picture.shape[:2]
    assert 0 <= found.min() <= found.max() <= 1
    return found


def capped(picture: np.ndarray, window: Window, colour: tuple[int, int, int]) -> np.ndarray:
    """With a cap of short hair of one colour, down to the upper forehead."""
    assert window.seen_face is not None
    x, y, width = window.seen_face
    rows, columns = np.mgrid[: picture.shape[0], : picture.shape[1]]
    across, down = (columns - x) / width, (rows - y) / width
    hair = ((across / 0.5) ** 2 + ((down + 0.1) / 0.62) ** 2 < 1) & (down < -0.42)
    return np.where(hair[..., None], np.array(colour, np.uint8), picture)


TOP = (0.0, -0.58)


def test_dark_hair_is_found_and_light_hair_and_skin_are_not(
    seen: np.ndarray, window: Window
) -> None:
    for colour, found in (((25, 20, 18), True), ((90, 60, 40), True), ((225, 200, 170), False)):
        there = places(capped(seen, window, colour), window)
        assert (there[square(window, *TOP, 0.03)].mean() > 0.8) == found
        assert (there[square(window, *TOP, 0.03)].mean() < 0.1) != found
        for place in SKIN:
            assert there[square(window, *place, 0.05)].max() < 0.1


def test_beside_dark_skin_dark_hair_is_found_once_skin_is_lit(
    seen: np.ndarray, window: Window
) -> None:
    hair = np.array((62, 55, 50), np.uint8)  # hardly darker than the skin
    brown = capped(dark(seen), window, tuple(hair))
    before, after = places(brown, window), places(lit(brown, window), window)
    assert before[square(window, *TOP, 0.03)].mean() < 0.5
    assert after[square(window, *TOP, 0.03)].mean() > 0.8
    for place in SKIN:
        assert after[square(window, *place, 0.05)].max() < 0.1


def test_the_line_of_a_mouth_is_found_and_no_shade(seen: np.ndarray, window: Window) -> None:
    rows, columns = square(window, *MOUTH, 0.12)
    plain = seen.copy()
    plain[rows, columns] = np.median(seen[square(window, *SKIN[1], 0.05)], axis=(0, 1))
    assert places(plain, window)[square(window, *MOUTH, 0.08)].max() < 0.1
    shade, line = plain.copy(), plain.copy()
    shade[rows, columns] = (plain[rows, columns] * 0.7).astype(np.uint8)
    middle = (rows.start + rows.stop) // 2
    line[middle - 2 : middle + 2, columns] = 60
    inner = slice(columns.start + 8, columns.stop - 8)
    assert places(shade, window)[middle - 3 : middle + 3, inner].max() < 0.1
    assert places(line, window)[middle - 1 : middle + 1, inner].min() > 0.6
    assert places(line, window)[middle - 14 : middle - 9, inner].max() < 0.1


@pytest.mark.parametrize("width", [60, 133, 150, 165, 200, 240])
def test_where_a_shade_begins_there_is_no_line(width: int) -> None:
    """Whatever the size of the face: what is looked for is symmetric."""
    picture = np.full((256, 256, 3), 0.7, np.float32)
    picture[round(110 + 0.31 * width) :] = 0.3
    found = stays_dark(picture, (128.0, 110.0, float(width)))
    assert found is not None
    inner = slice(round(128 - 0.15 * width), round(128 + 0.15 * width))
    assert found[round(110 + 0.25 * width) : round(110 + 0.37 * width), inner].max() < 0.1


def test_a_face_beyond_the_picture_has_nothing(seen: np.ndarray) -> None:
    picture = seen.astype(np.float32) / np.float32(255)
    assert stays_dark(picture, (-400.0, 100.0, 80.0)) is None
    black = stays_dark(np.zeros((40, 30, 3), np.float32), (15.0, 20.0, 18.0))
    assert black is not None
    assert np.isfinite(black).all()


def slopes() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(4)
    gradient = torch.randn(2, 3, 9, 12, generator=generator, dtype=torch.float64)
    return gradient, torch.rand(2, 1, 9, 12, generator=generator, dtype=torch.float64)


def test_grey_of_what_leads_lighter_is_left_out_in_numpy() -> None:
    gradient, where = slopes()
    before = gradient.clone()
    found = no_lighter(gradient, where).numpy()
    own, share = gradient.numpy(), where.numpy()
    expected = own - share * np.minimum(own.mean(axis=1, keepdims=True), 0)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert torch.equal(gradient, before)
    whole = no_lighter(gradient, torch.ones_like(where)).mean(dim=1)
    assert float(whole.min()) > -1e-12  # nothing gets lighter, and the move still leads downhill
    assert float((no_lighter(gradient, where) * gradient).flatten(1).sum(1).min()) > 0


def bleaching(x: Tensor) -> Tensor:
    return -(x * torch.linspace(0.5, 1.5, x.shape[-1])).flatten(1).sum(1)


def test_what_stays_dark_gets_no_lighter() -> None:
    source = torch.full((2, 3, 16, 16), 0.2)
    where = torch.zeros(2, 1, 16, 16)
    where[0, :, :8] = 1
    walk = PGD(steps=3, step_size=1.0, dark=1.0)
    *_, free = descend(bleaching, source, walk)
    *_, held = descend(bleaching, source, walk, dark=where)
    torch.testing.assert_close(held.x[0, :, :8], source[0, :, :8], rtol=0, atol=1e-6)
    assert bool((held.x[0, :, 8:] > 0.22).all())
    assert torch.equal(held.x[1], free.x[1])
    *_, unasked = descend(bleaching, source, PGD(steps=3, step_size=1.0), dark=where)
    assert torch.equal(unasked.x, free.x)
    assert torch.equal(attack(bleaching, source, walk), free.x)


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan])
def test_the_share_is_checked(share: float) -> None:
    with pytest.raises(SettingsError, match="dark"):
        PGD(steps=1, step_size=1.0, dark=share)


def test_only_walks_that_ask_look_for_it(anime: Translator, window: Window) -> None:
    cards = {name: open_domain(name)[0] for name in bundled_domains()}
    assert [name for name, card in cards.items() if card.pgd.dark] == ["anime"]
    assert load_recipe("anime").sample_dark == cards["anime"].pgd.dark
    assert cards["anime"].format == 16
    asked = Asked.by(anime.domain)
    assert asked.dark
    assert asked.of_face
    view = look(photo(), window, keep_glasses=False, asked=asked)
    assert view.dark is not None
    assert view.dark.shape == (1, 1, *view.x.shape[-2:])
    assert float(view.dark.mean()) > 0.05
    assert look(photo(), window, keep_glasses=False, asked=asked._replace(dark=False)).dark is None
    both = gathered([View(view.x), view])
    assert both.dark is not None
    assert not both.dark[0].any()
    torch.testing.assert_close(both[1:].dark, view.dark)
    assert looked_for([photo()], Asked(dark=True)).dark is not None


def bleached(translator: Translator) -> Translator:
    """The same domain, that may make anything lighter."""
    own = translator.domain.pgd.model_copy(update={"dark": 0.0})
    card = translator.domain.model_copy(update={"pgd": own})
    return Translator(card, translator.model, translator.device, translator.dtype)


@pytest.mark.parametrize("name", ["astronaut", "hopper"])
@pytest.mark.parametrize("skin", ["light", "dark"])
def test_dark_hair_stays_dark(anime: Translator, name: str, skin: str) -> None:
    """Without this, a fifth of its pixels and more are pale."""
    picture = pixels(EXAMPLES / f"{name}.jpg")
    if skin == "dark":
        picture = dark(picture)
    (place,) = anime.windows(Photo(rgb=picture))
    view = look(picture, place, keep_glasses=False, asked=Asked.by(anime.domain))
    assert view.dark is not None
    assert place.seen_face is not None
    hair = view.dark[0, 0].numpy() > 0.7
    assert hair.mean() > 0.1
    assert place.face is not None
    head = head_matte(picture, place.face, place.box, (256, 256))
    seen = extract(picture, place)
    hair &= plain_ground(seen, place.seen_face, head) < 0.1  # and no wall beside it
    assert hair.mean() > 0.07
    light: list[np.ndarray] = [(view.start[0].permute(1, 2, 0).numpy() @ LUMA)[hair]]
    for translator in (anime, bleached(anime)):
        *_, (last, _) = translator.descend(view)
        light.append((last.x[0].permute(1, 2, 0).numpy() @ LUMA)[hair])
    start, kept, pale = light
    assert kept.mean() < start.mean() + 0.05
    assert pale.mean() > kept.mean() + 0.1
    assert (kept > 0.5).mean() < 0.75 * (pale > 0.5).mean()
