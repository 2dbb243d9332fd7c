"""Drawings enlarged with clear lines: nearer to the drawing in large, sharp, without stairs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from translate import Options, Translator, pasting
from translate.framing import FaceSquare, Window, extract, find_window
from translate.generate import generate
from translate.image_io import read_photo, to_array, to_tensor
from translate.inking import _flat, calmed, inked
from translate.mouths import one_mouth
from translate.pasting import paste
from translate.skin import not_reddened, toned
from translate.smooth import flattened
from translate.throats import bare_throat
from translate.tones import toned_around
from translate.view import look

EXAMPLES = Path(__file__).parents[1] / "examples"
SKIN, INK = (250, 225, 205), (45, 25, 40)


def drawing(side, *, sub=4):
    """Rings, strokes and a filled disc on a plain ground, antialiased by drawing larger."""
    n, canvas = side * sub, np.full((side * sub, side * sub, 3), SKIN, np.uint8)
    thick = max(1, round(n / 80))
    cv2.circle(canvas, (n // 2, n // 2), round(0.4 * n), INK, thick)
    cv2.circle(canvas, (round(0.35 * n), round(0.45 * n)), round(0.08 * n), INK, -1)
    for end in ((0.9, 0.7), (0.8, 0.9), (0.55, 0.95)):
        cv2.line(canvas, (n // 2, n // 2), (round(end[0] * n), round(end[1] * n)), INK, thick)
    return cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA)


def between(rgb):
    """Share of pixels that are neither ground nor ink: how soft edges are."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(float)
    return ((grey > grey.min() + 40) & (grey < grey.max() - 40)).mean()


@pytest.mark.parametrize("side", [200, 256, 400, 512])
def test_it_is_nearer_to_the_drawing_in_large_than_interpolation(side) -> None:
    small, large = drawing(128), drawing(side)
    ours, cubic = (
        inked(small, (side, side)),
        cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC),
    )
    errors = [np.abs(x.astype(float) - large).mean() for x in (ours, cubic)]
    assert errors[0] < 0.9 * errors[1]
    assert between(ours) < 0.7 * between(cubic)


def test_lines_lose_their_stairs() -> None:
    """Along a slanted edge its distance from the straight line that it is varies less."""
    small = np.full((64, 64, 3), SKIN, np.uint8)
    y, x = np.mgrid[:64, :64]
    small[x > 20 + 0.3 * y] = INK  # stairs: no pixel is in between
    wobble = []
    for enlarged in (inked(small, (256, 256)), cv2.resize(small, (256, 256))):
        grey = cv2.cvtColor(enlarged, cv2.COLOR_RGB2GRAY)[16:-16]
        places = (grey > grey.mean()).sum(axis=1)
        line = np.polynomial.Polynomial.fit(np.arange(len(places)), places, 1)
        wobble.append(np.std(places - line(np.arange(len(places)))))
    assert wobble[0] < 0.75 * wobble[1]


def test_plain_ground_and_soft_shades_stay() -> None:
    plain = np.full((40, 40, 3), SKIN, np.uint8)
    assert (inked(plain, (90, 90)) == SKIN).all()
    shade = np.repeat(np.linspace(90, 200, 128).astype(np.uint8)[None, :, None], 3, axis=2)
    shade = np.repeat(shade, 128, axis=0)
    soft = cv2.resize(shade, (512, 512), interpolation=cv2.INTER_CUBIC)
    assert np.abs(inked(shade, (512, 512)).astype(int) - soft).max() <= 3


def test_ripples_are_flattened_and_lines_stay() -> None:
    small = drawing(128).astype(int)
    wave = np.rint(5 * np.sin(np.arange(128) * 2 * np.pi / 5)).astype(int)[None, :, None]
    rippled = (small + wave).clip(0, 255).astype(np.uint8)
    ground = np.s_[4:20, 4:108]  # nothing is drawn there
    ours, cubic = (
        inked(calmed(rippled), (256, 256))[ground],
        cv2.resize(rippled, (256, 256), interpolation=cv2.INTER_CUBIC)[ground],
    )
    assert ours.std(axis=1).mean() < 0.4 * cubic.std(axis=1).mean()
    clear = inked(calmed(drawing(128)), (256, 256))
    assert np.abs(inked(calmed(rippled), (256, 256)).astype(int) - clear).mean() < 2
    assert clear.min() < 60


def test_the_network_likes_what_is_inked_as_much() -> None:
    """Enlarged and seen again by the network, the end of a walk has the energy that it had."""
    anime = Translator.load("anime")
    for name in ("astronaut", "hopper"):
        *_, last = anime.frames(EXAMPLES / f"{name}.jpg", Options(keep_glasses=False))
        (drawn,) = to_array(last.step.x)
        again = cv2.resize(
            inked(calmed(drawn), (1024, 1024)), (256, 256), interpolation=cv2.INTER_AREA
        )
        with torch.no_grad():
            energy = float(anime.energy(to_tensor(again)))
        assert energy < last.energy + 0.01
        assert energy < anime.domain.calibration.target + 0.02


def test_it_is_the_same_in_a_mirror_and_turned() -> None:
    small = drawing(64)
    for turn in (lambda x: x[:, ::-1], lambda x: x[::-1], lambda x: x.swapaxes(0, 1)):
        one, other = inked(np.ascontiguousarray(turn(small)), (256, 256)), inked(small, (256, 256))
        assert np.abs(one.astype(int) - turn(other)).mean() < 0.5


def test_flat_is_what_walks_have_on_the_way() -> None:
    random = np.random.default_rng(0)
    rgb = (drawing(64) + random.normal(0, 8, (64, 64, 3))).clip(0, 255).astype(np.uint8)
    expected = to_array(flattened(to_tensor(rgb), 0.06))[0]
    inside = np.s_[4:-4, 4:-4]  # borders go on in another way
    assert np.abs(_flat(rgb)[inside].astype(int) - expected[inside]).max() <= 1
    assert np.abs(rgb[inside].astype(int) - expected[inside]).max() > 10


def test_coloured_dots_go_and_small_things_keep_their_colour() -> None:
    """Dots and what is wider than they are, on skin."""
    red = (200, 60, 50)
    ground = np.full((64, 64, 3), SKIN, np.uint8)
    dotted, lips = ground.copy(), ground.copy()
    cv2.circle(dotted, (32, 32), 1, red, -1)
    cv2.rectangle(lips, (24, 30), (40, 34), red, -1)

    def colour(rgb):
        planes = cv2.cvtColor(calmed(rgb), cv2.COLOR_RGB2YCrCb)[..., 1:].astype(int)
        return np.abs(planes - planes[0, 0]).max(axis=2)

    assert colour(dotted).max() <= 2
    assert colour(lips)[32, 26:39].min() > 40


def test_made_smaller_it_is_averaged_only() -> None:
    small = drawing(128)
    np.testing.assert_array_equal(
        inked(small, (64, 64)),
        cv2.resize(small, (64, 64), interpolation=cv2.INTER_AREA),
    )
    assert np.abs(inked(small, (128, 128)).astype(int) - small).max() > 20  # not so here


@pytest.mark.parametrize("size", [(65, 65), (100, 300), (181, 181), (182, 182), (1001, 1001)])
def test_any_larger_size(size) -> None:
    small = drawing(64)
    before = small.copy()
    assert inked(small, size).shape == (size[1], size[0], 3)
    np.testing.assert_array_equal(small, before)


@pytest.mark.usefixtures("head_everywhere")
def test_drawings_are_inked_and_only_where_lines_show() -> None:
    photo, result = np.full((300, 300, 3), SKIN, np.uint8), drawing(100)
    window = Window(left=0, top=0, width=300, height=300, out_width=100, out_height=100)
    np.testing.assert_array_equal(
        paste(photo, replace(window, drawn=True), result), inked(result, (300, 300))
    )
    cubic = cv2.resize(result, (300, 300), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_array_equal(paste(photo, window, result), cubic)
    around = replace(window, face=(150.0, 150.0, 150.0))
    assert between(paste(photo, replace(around, drawn=True), result)) < 0.8 * between(
        paste(photo, around, result)
    )
    smaller = replace(window, width=80, height=80, drawn=True)
    np.testing.assert_array_equal(
        paste(photo, smaller, result)[:60, :60], inked(result, (80, 80))[:60, :60]
    )
    small = replace(window, width=50, height=50)
    np.testing.assert_array_equal(
        paste(photo, replace(small, drawn=True), result), paste(photo, small, result)
    )


@pytest.mark.usefixtures("head_everywhere")
def test_what_has_ears_is_enlarged_along_its_lines_too(monkeypatch) -> None:
    photo, result = np.full((300, 300, 3), SKIN, np.uint8), drawing(100)
    around = {"left": 0, "top": 0, "width": 300, "height": 300, "face": (150.0, 150.0, 150.0)}
    window = Window(**around, corners=True, out_width=100, out_height=100)
    clear = between(paste(photo, window, result))
    monkeypatch.setattr(
        pasting, "inked", lambda rgb, size: cv2.resize(rgb, size, interpolation=cv2.INTER_CUBIC)
    )
    assert clear < 0.8 * between(paste(photo, window, result))


def test_squares_are_drawn_where_the_card_says_so_and_scenes_never() -> None:
    photo = np.asarray(Image.open(EXAMPLES / "astronaut.jpg").convert("RGB"))
    for drawn in (False, True):
        windows = [
            find_window(photo, framing=framing, size=64, square=FaceSquare(drawn=drawn))
            for framing in ("face", "crop", "scene")
        ]
        assert [w.face is not None for w in windows] == [True, False, False]
        assert [w.drawn for w in windows] == [drawn, drawn, False]


def test_a_large_photo_gets_a_clear_drawing() -> None:
    """The bundled `anime`, on a portrait whose square has 615 pixels."""
    photo = Image.open(EXAMPLES / "astronaut.jpg").convert("RGB").crop((100, 0, 356, 256))
    photo = photo.resize((1024, 1024), Image.Resampling.LANCZOS)
    translator = Translator.load("anime")
    assert translator.domain.face_drawn
    clear = np.asarray(translator(photo))
    translator.domain = translator.domain.model_copy(update={"face_drawn": False})
    soft = np.asarray(translator(photo))
    # slopes steeper than those of black lines that are interpolated, in the middle of the face
    steep = [
        (np.abs(cv2.Sobel(cv2.cvtColor(x, cv2.COLOR_RGB2GRAY), cv2.CV_32F, 1, 0)) > 500).mean()
        for x in (clear[300:700, 300:700], soft[300:700, 300:700])
    ]
    assert steep[0] > 4 * steep[1]


def test_a_drawing_alone_is_as_large_as_in_the_photo() -> None:
    photo = Image.open(EXAMPLES / "hopper.jpg").convert("RGBA")
    photo.putalpha(Image.linear_gradient("L").resize(photo.size))
    translator = Translator.load("anime")
    (window,) = translator.windows(read_photo(photo), Options())
    assert window.width > window.out_width
    size = (window.width, window.height)
    drawn, kept = (
        translator(photo, Options(crop_only=True, strength=s, keep_glasses=True)) for s in (1, 0)
    )
    assert drawn.size == kept.size == size
    place = (window.left, window.top, window.left + size[0], window.top + size[1])
    seen = np.asarray(photo.crop(place)).astype(int)
    np.testing.assert_array_equal(np.asarray(kept), seen)  # not moved, not resampled
    np.testing.assert_array_equal(np.asarray(drawn)[..., 3], seen[..., 3])
    view = look(
        seen[..., :3].astype(np.uint8),
        replace(window, left=0, top=0, face=moved(window)),
        keep_glasses=True,
    )
    rims = cv2.erode((~view.mask[0, 0].numpy()).astype(np.uint8), np.ones((3, 3), np.uint8))
    rims = cv2.resize(rims, size, interpolation=cv2.INTER_NEAREST) > 0
    assert rims.any()
    change = np.abs(np.asarray(drawn)[..., :3].astype(int) - seen[..., :3])
    assert change[rims].mean() < 0.2 * change[~rims].mean()  # glasses are the photo's own
    huge = photo.convert("RGB").resize((4 * photo.width, 4 * photo.height))
    assert translator(huge, Options(crop_only=True, steps=1)).size == (1024, 1024)
    translator.domain = translator.domain.model_copy(update={"face_drawn": False})
    assert translator(photo, Options(crop_only=True, steps=1)).size == (256, 256)


def test_drawings_are_calmed_before_skin_gets_its_tone() -> None:
    """Alone and in the photo; what is no drawing is not calmed."""
    anime = Translator.load("anime")
    photo = Image.open(EXAMPLES / "hopper.jpg").convert("RGB")
    for drawn in (True, False):
        anime.domain = anime.domain.model_copy(update={"face_drawn": drawn})
        options = Options(keep_glasses=False, skin_lock=1.0)
        *_, last = anime.frames(photo, options)
        (window,), (state,) = last.windows, to_array(last.step.x)
        calm, rgb = state, np.asarray(photo)
        if drawn:
            calm = bare_throat(one_mouth(calmed(state), window.seen_face), rgb, window)
            calm = not_reddened(calm, window.seen_face)
        expected = toned(calm, rgb, window, 1.0)
        assert (expected != calm).any()
        if drawn:
            skin, expected = expected, toned_around(expected, rgb, window, 1.0)
            assert (expected != skin).any()
        pasted = paste(rgb, window, expected)
        np.testing.assert_array_equal(np.asarray(last.image), pasted)
        *_, alone = anime.frames(photo, replace(options, crop_only=True))
        side = (window.width, window.width)
        found = inked(expected, side) if drawn else expected
        np.testing.assert_array_equal(np.asarray(alone.image), found)


def moved(window):
    """Its face, in its own pixels."""
    x, y, width = window.face
    return x - window.left, y - window.top, width


def test_drawings_from_noise_are_inked_too(tiny_domain: Path) -> None:
    translator = Translator.load(str(tiny_domain))
    size = translator.domain.network.size
    plain = generate(translator, 2, seed=1)
    translator.domain = translator.domain.model_copy(update={"face_drawn": True})
    expected = [inked(calmed(rgb), (size, size)) for rgb in to_array(plain)]
    np.testing.assert_array_equal(to_array(generate(translator, 2, seed=1)), expected)


def test_a_mask_holds_in_a_drawing_alone(tiny_domain: Path) -> None:
    """In a square without a face, too."""
    translator = Translator.load(str(tiny_domain))
    translator.domain = translator.domain.model_copy(update={"face_drawn": True})
    noise = np.random.default_rng(0).integers(0, 256, (150, 150, 3), dtype=np.uint8)
    photo = cv2.GaussianBlur(noise, (0, 0), 3)
    mask = np.zeros((150, 150), bool)
    mask[:, 75:] = True
    options = Options(crop_only=True, framing="crop", steps=3)
    *_, last = translator.frames(photo, options, mask)
    alone = np.asarray(last.image)
    seen = extract(photo, replace(last.windows[0], out_width=len(alone), out_height=len(alone)))
    left, right = np.s_[:, : len(alone) // 3], np.s_[:, -len(alone) // 3 :]
    np.testing.assert_array_equal(alone[left], seen[left])
    assert (alone[right] != seen[right]).any()
