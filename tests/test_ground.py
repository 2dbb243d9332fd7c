"""The ground behind a head: where it is found, and that nothing is drawn on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from tests.conftest import EXAMPLES
from tests.test_relighting import LUMA, anime, hairy
from translate import Options, Translator
from translate.bareness import bare_skin
from translate.framing import Window, extract
from translate.ground import plain_ground
from translate.image_io import Photo
from translate.matting import head_matte
from translate.view import Asked, look, looked_for

__all__ = ["anime"]

BESIDE, SHOULDERS = ((-0.72, -0.25), (0.72, -0.25)), ((-0.7, 0.88), (0.7, 0.88))
HAT = (0.0, -0.7)
ON_HEAD = ((0.0, 0.0), (-0.19, -0.1), (0.0, -0.5))


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    """A man before a flag and a wall."""
    with Image.open(EXAMPLES / "hopper.jpg") as picture:
        return np.asarray(picture.convert("RGB"))


@pytest.fixture(scope="module")
def window(anime: Translator, photo: np.ndarray) -> Window:
    return anime.windows(Photo(rgb=photo))[0]


@pytest.fixture(scope="module")
def seen(photo: np.ndarray, window: Window) -> np.ndarray:
    return extract(photo, window)


def head(picture: np.ndarray, face: tuple[float, float, float]) -> np.ndarray:
    height, width = picture.shape[:2]
    return head_matte(picture, face, (0, 0, width, height), (width, height))


def ground(picture: np.ndarray, window: Window) -> np.ndarray:
    assert window.seen_face is not None
    places = plain_ground(picture, window.seen_face, head(picture, window.seen_face))
    assert places.shape == picture.shape[:2]
    assert places.dtype == np.float32
    assert 0 <= places.min() <= places.max() <= 1
    return places


def at(places: np.ndarray, window: Window, x: float, y: float, half: int = 3) -> np.ndarray:
    """A small square, whose place is in widths of the face's box from its middle."""
    assert window.seen_face is not None
    middle_x, middle_y, width = window.seen_face
    row, column = round(middle_y + y * width), round(middle_x + x * width)
    return places[row - half : row + half + 1, max(0, column - half) : column + half + 1]


def painted(
    picture: np.ndarray, window: Window, places: Sequence[tuple[float, float]], kind: str
) -> np.ndarray:
    """With squares of loud texture, or of one light or dark colour, in some places."""
    changed, random = picture.copy(), np.random.default_rng(4)
    for place in places:
        square = at(changed, window, *place, half=18)
        if kind == "loud":
            square[:] = random.integers(0, 256, (*square.shape[:2], 1))
        else:
            square[:] = {"light": (150, 180, 210), "dark": (20, 30, 45)}[kind]
    return changed


def test_ground_is_what_is_beside_a_head(seen: np.ndarray, window: Window) -> None:
    places = ground(seen, window)
    assert all(at(places, window, *place).mean() > 0.9 for place in BESIDE)
    assert all(at(places, window, *place).max() < 1e-5 for place in ON_HEAD)


def test_texture_behind_a_head_is_ground_and_what_may_be_worn_is_not(
    seen: np.ndarray, window: Window
) -> None:
    def found(places: Sequence[tuple[float, float]], kind: str) -> list[float]:
        there = ground(painted(seen, window, places, kind), window)
        return [float(at(there, window, *place).mean()) for place in places]

    assert min(found(BESIDE, "loud") + found(BESIDE, "dark")) > 0.9
    assert min(found(SHOULDERS, "light")) > 0.9
    for kind in ("loud", "dark"):
        assert max(found(SHOULDERS, kind) + found([HAT], kind)) < 0.1


def test_places_do_not_depend_on_size_or_side(seen: np.ndarray, window: Window) -> None:
    assert window.seen_face is not None
    own, (x, y, width) = ground(seen, window), window.seen_face
    other, face = seen[:, ::-1].copy(), (seen.shape[1] - x, y, width)
    mirrored = plain_ground(other, face, head(other, face))
    large = np.asarray(Image.fromarray(seen).resize((512, 512), Image.Resampling.LANCZOS))
    face = (2 * x, 2 * y, 2 * width)
    larger = plain_ground(large, face, head(large, face))
    assert np.abs(mirrored[:, ::-1] - own).mean() < 0.03
    assert np.abs(larger[::2, ::2] - own).mean() < 0.03


def test_faces_at_a_border_and_plain_pictures_are_no_mistake(seen: np.ndarray) -> None:
    for face in ((100.0, -200.0, 100.0), (0.0, 0.0, 300.0), (255.0, 255.0, 40.0)):
        assert np.isfinite(plain_ground(seen, face, head(seen, face))).all()
    for level in (0, 255):
        plain = np.full((64, 64, 3), level, np.uint8)
        face = (32.0, 32.0, 40.0)
        assert np.isfinite(plain_ground(plain, face, head(plain, face))).all()


def test_a_walk_is_told_of_it_and_of_skin(
    photo: np.ndarray, seen: np.ndarray, window: Window
) -> None:
    """Of a photo by the head that will be pasted, of a picture alone by what that shows of it."""
    assert window.face is not None
    assert window.seen_face is not None
    view = look(photo, window, keep_glasses=False, asked=Asked(bare=True))
    size = (window.out_width, window.out_height)
    whole = head_matte(photo, window.face, window.box, size)
    skin = bare_skin(seen, window.seen_face)
    assert view.bare is not None
    assert skin is not None
    expected = np.maximum(skin, plain_ground(seen, window.seen_face, whole))
    np.testing.assert_array_equal(view.bare[0, 0].numpy(), expected)
    alone = looked_for([seen], Asked(bare=True))
    assert alone.bare is not None
    assert np.abs(alone.bare[0, 0].numpy() - expected).mean() < 0.1


def test_nothing_is_drawn_on_a_wall(
    anime: Translator, photo: np.ndarray, seen: np.ndarray, window: Window
) -> None:
    """What this is for: strokes, much darker than what is around them, beside a head."""
    wall = ground(seen, window) > 0.95
    wall[:, :150] = False  # a flag
    wall[round(0.75 * len(wall)) :] = False  # a jacket
    assert wall.mean() > 0.1
    shares: list[float] = []
    for translator in (anime, hairy(anime)):
        drawn = Image.fromarray(translator(photo, Options(crop_only=True)))
        light = np.asarray(drawn.resize(seen.shape[1::-1], Image.Resampling.BOX)) @ LUMA
        shares.append(float((light < 0.7 * np.median(light[wall]))[wall].mean()))
    assert shares[1] > 0.08
    assert shares[0] < 0.01
