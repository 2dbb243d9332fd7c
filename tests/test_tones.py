"""What is around a drawn face gets the photo's tones back: how far, where, and where not."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

import translate.frame as frame_module
from tests.conftest import EXAMPLES
from tests.test_relighting import LUMA, anime, photo, window
from translate import Options, Translator
from translate.framing import Window, extract
from translate.matting import head_matte
from translate.tones import toned_around

__all__ = ["anime", "window"]


def hair(window: Window) -> np.ndarray:
    """(h,w) bool: the astronaut's, by its colour: it lies on her head and above her ears."""
    assert window.face is not None
    assert window.seen_face is not None
    seen = extract(photo(), window)
    head = head_matte(photo(), window.face, window.box, (window.out_width, window.out_height))
    x, y, width = window.seen_face
    rows, columns = np.mgrid[: len(seen), : len(seen)]
    outside = np.hypot((columns - x) / 0.6, (rows - y) / 0.75) > width
    return (head > 0.98) & outside & (rows < y) & (seen @ LUMA < 130)


def pale(window: Window) -> np.ndarray:
    """Her picture with all that is dark three times as near to white."""
    return np.rint(255 - (255 - extract(photo(), window)) / 3.0).astype(np.uint8)


def test_pale_hair_is_as_dark_as_it_was(window: Window) -> None:
    """At 1 in full, before that in between; never lighter, in no colour and at no lock."""
    place, white = hair(window), pale(window)
    assert place.sum() > 500
    changed = [toned_around(white, photo(), window, lock) for lock in (0.0, 0.3, 0.5, 0.7, 1.0)]
    np.testing.assert_array_equal(changed[0], white)
    for lighter, darker in pairwise(changed):
        assert (darker <= lighter).all()
    levels = [np.median(each[place] @ LUMA) for each in changed]
    assert (np.diff(levels) < -5).all()
    own = np.median(extract(photo(), window)[place] @ LUMA)
    assert abs(levels[-1] - own) < 12
    assert own + 20 < levels[2] < np.median(white[place] @ LUMA) - 50


def test_what_is_no_lighter_than_the_photo_stays(window: Window) -> None:
    """The photo itself, so that first moves hardly change it, and what is darker."""
    seen = extract(photo(), window)
    for drawing in (
        seen,
        (seen * 0.5).astype(np.uint8),
        np.minimum(seen + 3.0, 255).astype(np.uint8),
    ):
        np.testing.assert_array_equal(toned_around(drawing, photo(), window, 1.0), drawing)


@pytest.mark.parametrize("gaudy", [(120, 120, 230), (120, 220, 140), (235, 235, 235)])
def test_gaudy_hair_has_the_photos_hue(window: Window, gaudy: tuple[int, int, int]) -> None:
    place, drawing = hair(window), pale(window)
    drawing[place] = gaudy
    changed = toned_around(drawing, photo(), window, 0.7)
    own = extract(photo(), window)[place].astype(float).mean(axis=0)
    assert own[0] > own[1] > own[2]
    now = changed[place].astype(float).mean(axis=0)
    assert now[0] > now[2] + 10
    assert now[1] > now[2]


def test_lines_stay_lines(window: Window) -> None:
    drawing, place = pale(window), hair(window)
    line = np.zeros_like(place)
    line[:, ::12] = True
    drawing[line] = 20
    changed = toned_around(drawing, photo(), window, 0.7)
    ink, beside = place & line, place & np.roll(line, 6, axis=1)
    assert np.median(changed[beside] @ LUMA) > np.median(changed[ink] @ LUMA) + 40
    drawing[...] = 200
    drawing[np.roll(line, 3, axis=1)] = 250  # a strand in the light
    changed = toned_around(drawing, photo(), window, 0.7)
    lit = place & np.roll(line, 3, axis=1)
    share = np.median(changed[lit] @ LUMA) / np.median(changed[beside] @ LUMA)
    assert share == pytest.approx(250 / 200, abs=0.06)


def places(window: Window) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns from the middle of the face's box, in widths of it."""
    assert window.seen_face is not None
    x, y, width = window.seen_face
    rows, columns = np.mgrid[: window.out_height, : window.out_width]
    return (rows - y) / width, (columns - x) / width


def test_a_face_stays(window: Window) -> None:
    white = pale(window)
    changed = toned_around(white, photo(), window, 1.0)
    down, across = places(window)
    assert window.face is not None
    head = head_matte(photo(), window.face, window.box, (window.out_width, window.out_height))
    face = np.hypot(across / 0.45, down / 0.55) < 1
    face &= head == 1
    assert face.sum() > 1000
    np.testing.assert_array_equal(changed[face], white[face])


@pytest.mark.parametrize("lock", [0.5, 0.7, 1.0])
def test_clothes_and_ground_have_the_photos_colours_but_lighter(
    window: Window, lock: float
) -> None:
    """Green before blue, and each on its own side of the head's outline."""
    down, across = places(window)
    assert window.face is not None
    head = head_matte(photo(), window.face, window.box, (window.out_width, window.out_height))
    seen = photo().copy()
    x, y, width = window.face
    worn = round(y + 0.7 * width)
    beside = np.hypot((np.arange(512) - x)[None], (np.arange(512) - y)[:, None]) > 0.72 * width
    seen[beside] = ground = (30, 120, 40)
    seen[worn:] = clothes = (40, 60, 150)
    white = np.full((window.out_height, window.out_width, 3), 253, np.uint8)
    changed = toned_around(white, seen, window, lock)
    for place, own in (
        ((np.hypot(across, down) > 0.85) & (down < 0.4) & (head == 0), ground),
        ((down > 0.88) & (abs(across) > 0.6) & (head == 0), clothes),
    ):
        assert place.sum() > 50
        now = np.median(changed[place], axis=0)
        assert list(np.argsort(now)) == list(np.argsort(own))
        assert (now >= np.array(own) - 12).all()
        strongest = max(own)
        np.testing.assert_allclose(now.max(), 255 * (strongest / 255) ** (0.8 * lock), atol=8)
        assert now.min() / now.max() < min(own) / strongest  # more colourful
    chest = (abs(across) < 0.2) & (down > 0.85)
    now = np.median(changed[chest], axis=0)
    np.testing.assert_allclose(now.max(), 255 * (150 / 255) ** (0.4 * lock), atol=8)
    assert now.min() / now.max() > 40 / 150  # paler


def test_low_locks_hold_a_part(window: Window) -> None:
    """Half of 0.5 is half of what the colours of that power would be, and 0 is nothing."""
    green = np.empty_like(photo())
    green[:] = (30, 120, 40)
    down, across = places(window)
    place = (np.hypot(across, down) > 0.85) & (down < 0.4)
    white = np.full((window.out_height, window.out_width, 3), 253, np.uint8)
    changed = toned_around(white, green, window, 0.25)
    wanted = 255 * (120 / 255) ** np.array((0.25, 0.8 * 0.25))
    low, high = (253 + wanted) / 2
    assert low - 3 <= np.median(changed[place][:, 1]) <= high + 3


def test_a_heads_outline_gets_no_seam(window: Window) -> None:
    """Of a photo of one colour a drawing as dark stays, hair, neck and ground alike."""
    plain = np.full_like(photo(), 150)
    for lock in (0.5, 0.7, 1.0):
        drawing = extract(plain, window)
        np.testing.assert_allclose(toned_around(drawing, plain, window, lock), drawing, atol=2)


def test_what_is_as_dark_as_the_photo_stays(window: Window) -> None:
    """A bald head has one colour."""
    bald = np.empty_like(photo())
    bald[:] = (205, 160, 140)
    drawing = extract(bald, window)
    np.testing.assert_allclose(toned_around(drawing, bald, window, 0.7), drawing, atol=3)
    white = np.full_like(drawing, 253)
    changed = toned_around(white, bald, window, 1.0)
    place = hair(window)
    np.testing.assert_allclose(changed[place].mean(axis=0), (205, 160, 140), atol=12)


@pytest.mark.parametrize(
    "face", [(0.0, 0.0, 300.0), (511.0, 511.0, 40.0), (200.0, -250.0, 120.0), (5.0, 500.0, 5.0)]
)
def test_a_face_at_the_border_is_no_mistake(face: tuple[float, float, float]) -> None:
    place = Window(left=0, top=0, width=512, height=512, out_width=64, out_height=64, face=face)
    noise = np.random.default_rng(5).integers(0, 256, (64, 64, 3), np.uint8)
    assert (toned_around(noise, photo(), place, 1.0) <= noise).all()


def too_light(translator: Translator, window: Window, options: Options) -> float:
    """Share of her hair that is drawn lighter than it is, by a quarter of all light."""
    drawing = Image.fromarray(translator(photo(), options)).resize((256, 256), Image.Resampling.BOX)
    own, place = extract(photo(), window) @ LUMA, hair(window)
    return float((np.asarray(drawing) @ LUMA > own + 64)[place].mean())


def test_brown_hair_is_brown(
    anime: Translator, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What this is for: a third of hers was drawn in pale strands."""
    options = Options(crop_only=True)
    now = too_light(anime, window, options)
    monkeypatch.setattr(frame_module, "toned_around", lambda result, *_: result)
    before = too_light(anime, window, options)
    assert before > 0.1
    assert now < before / 2


@pytest.mark.parametrize(("drawn", "lock", "asked"), [(True, 0.5, 1), (True, 0, 0), (False, 1, 0)])
def test_of_drawings_only_and_unless_nothing_shall_be_kept(
    anime: Translator,
    monkeypatch: pytest.MonkeyPatch,
    drawn: bool,
    lock: float,
    asked: int,
) -> None:
    calls: list[float] = []

    def counted(result: np.ndarray, _: object, __: object, lock: float) -> np.ndarray:
        calls.append(lock)
        return result

    monkeypatch.setattr(frame_module, "toned_around", counted)
    with Image.open(EXAMPLES / "hopper.jpg") as source:
        hopper = np.asarray(source.convert("RGB"))
    card = anime.domain.model_copy(update={"face_drawn": drawn})
    monkeypatch.setattr(anime, "domain", card)
    assert anime(hopper, Options(steps=1, skin_lock=lock)).size
    assert calls == [lock] * asked
