"""No ink on a bare throat: what goes, and that the jaw's line and everything else stay."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import cv2
import numpy as np
import pytest
from PIL import Image

import translate.frame as frame_module
from tests import test_mouths
from tests.conftest import EXAMPLES
from tests.test_mouths import Line
from tests.test_relighting import LUMA, anime, photo, window
from translate import Options, Translator
from translate.framing import Window
from translate.throats import bare_throat

__all__ = ["anime", "window"]

SKIN, INK, CLOTH = (205, 160, 140), test_mouths.INK, (60, 90, 170)
FACE = (128.0, 100.0, 120.0)
TIPS = [(0.45 * np.sin(turn), 0.1 + 0.5 * np.cos(turn)) for turn in np.linspace(-1.2, 1.2, 25)]
JAW: tuple[Line, ...] = tuple((*a, *b) for a, b in pairwise(TIPS))
FOLD, CHAIN, MOUTH = (-0.1, 0.7, -0.06, 0.82), (-0.2, 0.95, 0.2, 0.95), (-0.1, 0.31, 0.1, 0.31)


def around(face: tuple[float, float, float], size: int = 256) -> Window:
    return Window(
        left=0, top=0, width=size, height=size, out_width=size, out_height=size, face=face
    )


PLACE = around(FACE)
drawn = partial(test_mouths.drawn, face=FACE)


def bare(size: int = 256) -> np.ndarray:
    return np.full((size, size, 3), SKIN, np.uint8)


def test_strokes_below_the_jaw_go_and_its_line_stays() -> None:
    picture = drawn(*JAW, FOLD, CHAIN, MOUTH)
    calm = bare_throat(picture, bare(), PLACE)
    np.testing.assert_allclose(calm, drawn(*JAW, MOUTH), atol=12)
    above = round(FACE[1] + 0.44 * FACE[2])
    np.testing.assert_array_equal(calm[:above], picture[:above])


def test_a_patch_of_shade_is_skin() -> None:
    picture, (x, y, width) = drawn(*JAW), FACE
    corners = np.array([*TIPS[9:16], (0.1, 0.7), (0, 0.75), (-0.1, 0.7)])
    cv2.fillPoly(picture, [np.rint(corners * width + (x, y)).astype(np.int32)], INK)
    calm = bare_throat(picture, bare(), PLACE)
    within = (calm @ LUMA)[round(y + 0.64 * width) : round(y + 0.72 * width), round(x) - 5 :][
        :, :10
    ]
    assert (picture @ LUMA)[round(y + 0.68 * width), round(x)] < 60
    assert within.min() > 200
    line = (calm @ LUMA)[round(y + 0.57 * width) : round(y + 0.63 * width), round(x)]
    assert line.min() < 60


@pytest.mark.parametrize("lines", [(), JAW, (*JAW, MOUTH), (MOUTH,)])
def test_without_strokes_it_is_the_same_array(lines: tuple[Line, ...]) -> None:
    picture = drawn(*lines)
    assert bare_throat(picture, bare(), PLACE) is picture


def test_a_white_pendant_keeps_its_line() -> None:
    """What shines on a forehead is skin; on a throat it is worn."""
    photo, (x, y, width) = bare(), FACE
    place = (round(x), round(y + 0.8 * width))
    cv2.circle(photo, place, round(0.11 * width), (245, 245, 250), -1)
    picture = drawn(*JAW)
    cv2.circle(picture, place, round(0.08 * width), INK, 3)
    ring = (picture @ LUMA < 100) & (np.arange(len(picture))[:, None] > place[1] - 0.1 * width)
    assert (bare_throat(picture, photo, PLACE) @ LUMA)[ring].max() < 100
    assert (bare_throat(picture, bare(), PLACE) @ LUMA)[ring].min() > 150


def test_red_lines_on_a_throat_become_ink_of_its_tone() -> None:
    """As light as they were; where the photo shows a red scarf they stay red."""
    picture, (x, y, width) = drawn(*JAW), FACE
    row = round(y + 0.75 * width)
    red = np.s_[row - 1 : row + 2, round(x - 0.1 * width) : round(x + 0.1 * width)]
    picture[red] = (255, 168, 165)  # too light to be ink
    calm = bare_throat(picture, bare(), PLACE)
    before, after = (p[row, round(x)].astype(int) for p in (picture, calm))
    assert after[0] - after[1] < 0.85 * (before[0] - before[1])
    assert abs((after - before) @ LUMA) < 3
    scarf = bare()
    scarf[round(y + 0.65 * width) :] = (200, 30, 40)
    np.testing.assert_array_equal(bare_throat(picture, scarf, PLACE)[red], picture[red])


def test_what_a_throat_wears_stays() -> None:
    """A scarf is no skin, nor is a beard."""
    worn = bare()
    worn[round(FACE[1] + 0.63 * FACE[2]) :] = CLOTH
    picture = drawn(*JAW, FOLD, CHAIN)
    assert bare_throat(picture, worn, PLACE) is picture


@pytest.mark.parametrize("hair", [(90, 60, 45), (60, 40, 30), (110, 75, 50), (25, 20, 20)])
def test_hair_beside_a_jaw_stays(hair: tuple[int, int, int]) -> None:
    """Brown hair has the hue of skin in deep shade."""
    x, y, width = FACE
    seen, picture = bare(), drawn(*JAW, FOLD)
    for side in (-1, 1):
        near, far = sorted(round(x + side * share * width) for share in (0.33, 0.7))
        seen[:, near:far] = picture[:, near:far] = hair
    calm = bare_throat(picture, seen, PLACE)
    left, right = (round(x + share * width) for share in (-0.34, 0.34))
    np.testing.assert_array_equal(calm[:, :left], picture[:, :left])
    np.testing.assert_array_equal(calm[:, right:], picture[:, right:])
    assert (calm[round(y + 0.76 * width), round(x - 0.08 * width)] > 180).all()  # the fold went


def test_a_black_beard_stays_and_shade_does_not() -> None:
    x, y, width = FACE
    rows = slice(round(y + 0.62 * width), round(y + 0.85 * width))
    columns = slice(round(x - 0.2 * width), round(x + 0.2 * width))
    picture = drawn(*JAW, FOLD)
    for share, gone in ((0.35, True), (0.06, False)):
        seen = bare()
        seen[rows, columns] = np.array(SKIN) * share
        calm = bare_throat(picture, seen, PLACE)
        assert (calm is not picture) == gone


def test_a_gap_in_the_jaws_line_keeps_no_stroke() -> None:
    """What is first from above is the jaw only where it goes on so."""
    lines = (*JAW[:11], *JAW[13:])
    calm = bare_throat(drawn(*lines, FOLD, (-0.04, 0.85, 0.04, 0.85)), bare(), PLACE)
    np.testing.assert_allclose(calm, drawn(*lines), atol=12)


def test_a_necks_outline_stays() -> None:
    """Where skin ends in the photo a line is drawn, and not for nothing."""
    x, y, width = FACE
    seen, (left, right) = bare(), (round(x + side * width) for side in (-0.3, 0.3))
    low = round(y + 0.62 * width)
    seen[low:, :left], seen[low:, right:] = CLOTH, CLOTH
    sides = tuple((side, 0.64, side, 1.1) for side in (-0.3, 0.3))
    picture = drawn(*JAW, *sides)
    np.testing.assert_allclose(bare_throat(picture, seen, PLACE), picture, atol=12)


def test_sides_and_sizes_do_not_matter() -> None:
    lines = (*JAW, FOLD, CHAIN)
    calm, (x, y, width) = bare_throat(drawn(*lines), bare(), PLACE), FACE
    turned = around((255 - x, y, width))
    mirrored = bare_throat(np.ascontiguousarray(drawn(*lines)[:, ::-1]), bare(), turned)
    np.testing.assert_allclose(mirrored[:, ::-1], calm, atol=12)
    face = (2 * x, 2 * y, 2 * width)
    calm = bare_throat(drawn(*lines, face=face, size=512), bare(512), around(face, 512))
    np.testing.assert_allclose(calm, drawn(*JAW, face=face, size=512), atol=12)


@pytest.mark.parametrize(
    "face", [(0.0, 0.0, 300.0), (255.0, 255.0, 40.0), (128.0, -300.0, 90.0), (5.0, 240.0, 3.0)]
)
def test_a_face_at_the_border_is_no_mistake(face: tuple[float, float, float]) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (256, 256, 3), np.uint8)
    calm = bare_throat(noise, noise[::-1], around(face))
    assert calm.shape == noise.shape
    assert calm.dtype == np.uint8
    above = max(0, int(face[1] + 0.44 * face[2]) - 1)
    np.testing.assert_array_equal(calm[:above], noise[:above])


def ink(translator: Translator, window: Window) -> int:
    """Dark pixels on the astronaut's throat, below her chin and above her collar."""
    assert window.seen_face is not None
    x, y, width = window.seen_face
    drawing = translator(photo(), Options(crop_only=True))
    light = np.asarray(Image.fromarray(drawing).resize((256, 256), Image.Resampling.BOX)) @ LUMA
    rows = slice(round(y + 0.62 * width), round(y + 0.78 * width))
    return int((light[rows, round(x - 0.25 * width) : round(x + 0.25 * width)] < 110).sum())


def test_a_throat_is_bare_in_domains_that_keep_skin_so(
    anime: Translator, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []

    def counted(drawing: np.ndarray, *_: object) -> np.ndarray:
        calls.append(drawing)
        return drawing

    now = ink(anime, window)
    monkeypatch.setattr(frame_module, "bare_throat", counted)
    before = ink(anime, window)
    assert len(calls) == 1
    assert now < before
    cartoon = Translator.load("cartoon", device="cpu", dtype="float32")
    with Image.open(EXAMPLES / "hopper.jpg") as source:
        assert cartoon(source.convert("RGB"), Options(strength=0.3)).size
    assert len(calls) == 1
