"""Skin stays as dark as the photo's: how far, where, and where not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import EXAMPLES, Result, made_by_both
from translate import Options, SettingsError, Translator
from translate.batch.settings import Settings
from translate.domain import read_domain
from translate.framing import Window, extract
from translate.hub import bundled_domains
from translate.image_io import Photo
from translate.skin import not_reddened, toned

Cli = Callable[..., Result]
DARK = np.array((0.5, 0.4, 0.36))  # of the light photo's levels


def light() -> np.ndarray:
    with Image.open(EXAMPLES / "astronaut.jpg") as picture:
        return np.asarray(picture.convert("RGB"))


def dark() -> np.ndarray:
    """The same photo with less light, and that brown."""
    return np.rint(light() * DARK).astype(np.uint8)


@pytest.fixture(scope="module")
def anime() -> Translator:
    return Translator.load("anime", device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def window(anime: Translator) -> Window:
    return anime.windows(Photo(rgb=light()))[0]


def cheek(picture: np.ndarray) -> np.ndarray:
    """Median colour right of the nose, of a window's picture."""
    height, width = picture.shape[:2]
    part = picture[round(0.48 * height) : round(0.56 * height), round(0.55 * width) :][
        :, : round(0.08 * width)
    ]
    return np.median(part.reshape(-1, 3), axis=0)


def test_pale_skin_gets_the_photos_tone(window: Window) -> None:
    """At 1 in full, if that is within reach; between, in between."""
    pale, photo = extract(light(), window), dark()
    tones = [cheek(toned(pale, photo, window, lock)) for lock in (0.0, 0.3, 0.6, 1.0)]
    assert (np.diff(tones, axis=0) < -8).all()
    np.testing.assert_array_equal(tones[0], cheek(pale))
    np.testing.assert_allclose(tones[3], cheek(extract(photo, window)), atol=8)


def test_nothing_becomes_darker_than_the_photo_or_lighter(window: Window) -> None:
    pale, photo = extract(light(), window), dark()
    changed = toned(pale, photo, window, 1.0)
    assert (changed <= pale).all()
    assert (changed.astype(int) >= np.floor(pale * DARK) - 3).all()
    already = extract(photo, window)
    assert toned(already, photo, window, 1.0) is already


def test_what_is_in_that_tone_already_stays(window: Window) -> None:
    """A forehead that a walk left in the skin's colour was toned twice: red."""
    pale, photo = extract(light(), window).copy(), dark()
    height, width = pale.shape[:2]
    forehead = slice(round(0.16 * height), round(0.34 * height)), slice(width // 3, 2 * width // 3)
    pale[forehead] = tone = cheek(toned(pale, photo, window, 1.0)).astype(np.uint8)
    inside = toned(pale, photo, window, 1.0)[forehead][16:-16, 16:-16]
    assert np.abs(inside - tone.astype(int)).max() <= 3
    pale[forehead] = cheek(pale)
    assert (toned(pale, photo, window, 1.0)[forehead][16:-16, 16:-16] < cheek(pale) - 20).all()


def test_light_skin_and_the_photo_itself_are_left_alone(window: Window) -> None:
    bright = np.rint(255 * (light() / 255) ** 0.6).astype(np.uint8)
    result = extract(bright, window)
    assert toned(result, bright, window, 1.0) is result


def test_white_skin_gets_part_of_the_photos_colour(window: Window) -> None:
    """As colourful as a power of the photo's, and no less light in its strongest colour."""
    photo = np.empty_like(light())
    photo[:] = (230, 184, 161)  # as light as `toned` wants skin
    white = np.full((window.out_height, window.out_width, 3), 253, np.uint8)
    tones = [cheek(toned(white, photo, window, lock)) for lock in (0.0, 0.4, 0.7, 1.0)]
    assert [tone[0] for tone in tones] == [253] * 4
    for lock, tone in zip((0.0, 0.4, 0.7, 1.0), tones, strict=True):
        np.testing.assert_allclose(tone, 253 * (photo[0, 0] / 230) ** (lock / 2), atol=1.5)
    grey = np.full_like(photo, 210)
    assert toned(white, grey, window, 1.0) is white


@pytest.mark.parametrize("brown", [(125, 84, 62), (80, 50, 38), (45, 29, 22)])
def test_dark_skin_is_brown_and_not_grey(window: Window, brown: tuple[int, int, int]) -> None:
    """As dark and as colourful, at 1 in full if that is within reach; much of both at 0.7."""
    photo = np.empty_like(light())
    photo[:] = brown
    white = np.full((window.out_height, window.out_width, 3), 253, np.uint8)
    own = brown[0] / brown[2]
    tones = [cheek(toned(white, photo, window, lock)) for lock in (0.0, 0.4, 0.7, 1.0)]
    assert (np.diff(tones, axis=0) < 0).all()
    colourful = [float(tone[0] / tone[2]) for tone in tones]
    assert colourful[0] == 1
    assert colourful == sorted(colourful)
    assert own**0.5 < colourful[2] < colourful[3] < own**1.2
    assert tones[2][0] < 253 * max(brown[0] / 207, 0.35) ** 0.65


def test_white_is_what_is_whiter_than_the_skin(window: Window) -> None:
    """Of a pale drawing all skin beside an eye gets its tone, and the eye stays white."""
    assert window.seen_face is not None
    x, y, width = window.seen_face
    pale = np.empty((window.out_height, window.out_width, 3), np.uint8)
    pale[:] = (252, 245, 236)
    eye = (round(y - 0.08 * width), round(x + 0.19 * width))
    pale[eye[0] - 4 : eye[0] + 5, eye[1] - 4 : eye[1] + 5] = 30
    pale[eye[0] - 2 : eye[0] + 3, eye[1] - 2 : eye[1] + 3] = 255
    changed = toned(pale, np.full_like(light(), 90), window, 1.0)
    assert (changed[eye] == 255).all()
    beside = changed[eye[0], eye[1] + 9], changed[eye[0] + 12, eye[1]]
    np.testing.assert_allclose(beside, [cheek(changed)] * 2, atol=2)
    assert cheek(changed).max() < 150


def test_white_skin_below_an_eye_does_not_glow(window: Window) -> None:
    """As white as the eye is what a walk leaves under it; only between ink it is the eye's."""
    assert window.seen_face is not None
    x, y, width = window.seen_face
    pale = np.empty((window.out_height, window.out_width, 3), np.uint8)
    pale[:] = (252, 245, 236)
    down, across = round(y - 0.08 * width), round(x + 0.19 * width)
    around = slice(across - round(0.08 * width), across + round(0.08 * width))
    pale[down - round(0.08 * width) : down + round(0.14 * width), around] = 255
    lids = [down - round(0.04 * width), down + round(0.04 * width)]
    for lid in lids:
        pale[lid - 1 : lid + 2, around] = 30
    changed = toned(pale, np.full_like(light(), 90), window, 1.0)
    assert (changed[down - 1 : down + 2, across - 3 : across + 4] == 255).all()
    below = changed[lids[1] + round(0.04 * width), around]
    assert below.max() <= cheek(changed).max() + 10  # white as it was, beside the cheek's tone


def test_white_is_looked_for_where_eyes_are_drawn(window: Window) -> None:
    assert window.seen_face is not None
    height, width = window.out_height, window.out_width
    drawn = (0.39, 0.58, 0.32)
    pale = np.empty((height, width, 3), np.uint8)
    pale[:] = (252, 245, 236)
    eyes = [(round(drawn[1] * height), round(x * width)) for x in (drawn[0], 1 - drawn[0])]
    for down, across in eyes:
        pale[down - 4 : down + 5, across - 4 : across + 5] = 30
        pale[down - 2 : down + 3, across - 2 : across + 3] = 255
    photo = np.full_like(light(), 90)
    unasked, changed = (toned(pale, photo, window, 1.0, place) for place in (None, drawn))
    for eye in eyes:
        assert (changed[eye] == 255).all()
        assert unasked[eye].max() < 250
        beside = changed[eye[0], eye[1] + 9], changed[eye[0] + 12, eye[1]]
        np.testing.assert_allclose(beside, [cheek(changed)] * 2, atol=2)


def test_whites_of_eyes_and_what_lies_beyond_the_head_stay(window: Window) -> None:
    assert window.seen_face is not None
    pale = extract(light(), window).copy()
    x, y, width = window.seen_face
    rows = slice(round(y - 0.12 * width), round(y - 0.04 * width))
    eye = (rows, slice(round(x + 0.15 * width), round(x + 0.23 * width)))
    lids = slice(rows.start - 2, rows.stop + 2)
    pale[lids, eye[1].start - 2 : eye[1].stop + 2] = 30
    pale[eye] = 255
    changed = toned(pale, dark(), window, 1.0)
    assert (changed[eye] == 255).all()
    away = np.abs(np.arange(window.out_width) - x) > 0.83 * width
    np.testing.assert_array_equal(changed[:, away], pale[:, away])
    assert (changed != pale).mean() > 0.4


def test_a_face_at_the_border_is_no_mistake() -> None:
    photo = dark()
    for face in (
        (0.0, 0.0, 300.0),
        (511.0, 511.0, 40.0),
        (5.0, 505.0, 20.0),
        (200.0, -150.0, 200.0),
    ):
        place = Window(left=0, top=0, width=512, height=512, out_width=64, out_height=64, face=face)
        result = extract(light(), place)
        assert toned(result, photo, place, 1.0).shape == result.shape


def test_a_translation_keeps_dark_skin(anime: Translator, window: Window) -> None:
    photo = dark()
    results = {
        lock: cheek(np.asarray(anime(photo, Options(crop_only=True, skin_lock=lock))))
        for lock in (0.0, None, 1.0)
    }
    own = cheek(extract(photo, window))
    assert results[0.0].mean() > own.mean() + 60  # as pale as the drawings
    assert own.mean() - 10 < results[1.0].mean() < results[0.0].mean() - 40
    assert results[1.0].mean() <= results[None].mean() < results[0.0].mean() - 25


def test_before_the_first_move_nothing_is_toned(anime: Translator) -> None:
    photo = dark()
    first = next(anime.frames(photo, Options(skin_lock=1.0)))
    np.testing.assert_array_equal(np.asarray(first.image), photo)


def test_what_is_painted_over_stays_bit_equal(anime: Translator) -> None:
    photo = dark()
    mask = np.zeros(photo.shape[:2], bool)
    mask[:, :230] = True
    *_, last = anime.frames(photo, Options(skin_lock=1.0), mask)
    np.testing.assert_array_equal(np.asarray(last.image)[~mask], photo[~mask])


@pytest.mark.parametrize("name", bundled_domains())
def test_a_card_decides_over_skin(name: str) -> None:
    card = read_domain(Path(__file__).parents[1] / "weights" / name)
    assert Options().skin(card) == {"anime": 0.7, "cartoon": 0.8}.get(name, 0.0)
    assert Options(skin_lock=0.2).skin(card) == 0.2
    for bad in (-0.1, 1.1, float("nan")):
        with pytest.raises(SettingsError, match="skin_lock"):
            Options(skin_lock=bad)


def test_finished_photos_are_made_anew_with_another_tone(anime: Translator) -> None:
    digests = {Settings(options=Options(skin_lock=lock)).digest(anime) for lock in (None, 0.0, 1.0)}
    card = anime.domain.model_copy(update={"face_skin": 0.1})
    other = Translator(card, anime.model, anime.device, anime.dtype)
    assert len(digests | {Settings().digest(other)}) == 4


def test_both_commands_agree(cli: Cli, tmp_path: Path) -> None:
    Image.fromarray(dark()).save(tmp_path / "in.png")
    pale, own = (made_by_both(cli, tmp_path / "in.png", "--skin-lock", k) for k in ("0", "1"))
    assert (own <= pale).all()
    assert (own < pale).any()


def test_eyes_are_not_red_and_the_rest_may_be(window: Window) -> None:
    assert window.seen_face is not None
    x, y, width = window.seen_face
    drawing, red = extract(light(), window).copy(), (150, 30, 30)

    def square(across: float, down: float) -> tuple[slice, slice]:
        row, column = round(y + down * width), round(x + across * width)
        return slice(row - 3, row + 4), slice(column - 3, column + 4)

    below_eye, lips, beyond = square(0.19, 0.02), square(0.0, 0.31), square(-0.6, -0.05)
    for place in (below_eye, lips, beyond):
        drawing[place] = red
    calm = not_reddened(drawing, window.seen_face)
    tone = calm[below_eye].reshape(-1, 3).astype(int)
    assert (tone[:, 0] - tone[:, 1]).max() < 60
    assert abs(tone @ (0.299, 0.587, 0.114) - np.array(red) @ (0.299, 0.587, 0.114)).max() < 3
    for place in (lips, beyond):
        np.testing.assert_array_equal(calm[place], drawing[place])


def test_what_is_no_redder_than_skin_is_the_same_array(window: Window) -> None:
    assert window.seen_face is not None
    for picture in (extract(light(), window), extract(dark(), window)):
        grey = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
        assert not_reddened(grey, window.seen_face) is grey
    for face in ((0.0, 0.0, 300.0), (100.0, -300.0, 90.0), (255.0, 255.0, 40.0)):
        assert not_reddened(picture, face).shape == picture.shape
