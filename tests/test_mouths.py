"""One mouth to a drawn face: which line stays, and that nothing else changes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

import translate.frame as frame_module
from tests.conftest import EXAMPLES
from tests.test_relighting import LUMA, anime, window
from translate import Options, Translator
from translate.framing import Window
from translate.image_io import to_array
from translate.inking import calmed
from translate.mouths import one_mouth

__all__ = ["anime", "window"]

SKIN, INK = (240, 210, 190), (40, 25, 20)
FACE = (128.0, 115.0, 150.0)
Line = tuple[float, float, float, float]
MOUTH, LIP, FOLD, NOSE = (
    (-0.1, 0.31, 0.1, 0.31),
    (-0.05, 0.39, 0.05, 0.39),
    (-0.24, 0.28, -0.2, 0.32),
    (-0.03, 0.13, 0.03, 0.13),
)
JAW, EYE = (-0.36, 0.3, 0.0, 0.62), (-0.24, -0.1, -0.14, -0.1)


def drawn(*lines: Line, face: tuple[float, float, float] = FACE, size: int = 256) -> np.ndarray:
    """Lines of ink on skin, from one place to another, in widths of the face's box."""
    picture = np.full((size, size, 3), SKIN, np.uint8)
    x, y, width = face
    for x0, y0, x1, y1 in lines:
        ends = ((x + x0 * width, y + y0 * width), (x + x1 * width, y + y1 * width))
        start, end = ((round(a), round(b)) for a, b in ends)
        cv2.line(picture, start, end, INK, max(1, round(0.02 * width)), cv2.LINE_AA)
    return picture


def inked(picture: np.ndarray, line: Line, face: tuple[float, float, float] = FACE) -> bool:
    x, y, width = face
    row, column = round(y + (line[1] + line[3]) / 2 * width), round(x + line[0] * width + 3)
    column = round(x + (line[0] + line[2]) / 2 * width) if line[0] != line[2] else column
    near = picture[max(0, row - 2) : row + 3, max(0, column - 2) : column + 3]
    return bool((near @ LUMA).min() < 150)


def test_of_two_lips_and_a_fold_one_line_stays() -> None:
    picture = drawn(MOUTH, LIP, FOLD, NOSE, JAW, EYE)
    calm = one_mouth(picture, FACE)
    assert all(inked(picture, line) for line in (MOUTH, LIP, FOLD, NOSE, JAW, EYE))
    assert [inked(calm, line) for line in (MOUTH, LIP, FOLD)] == [True, False, False]
    np.testing.assert_allclose(calm, drawn(MOUTH, NOSE, JAW, EYE), atol=12)


def test_the_middle_counts_and_two_dashes_are_one_line() -> None:
    aside = (0.1, 0.36, 0.26, 0.36)
    calm = one_mouth(drawn((-0.06, 0.3, 0.06, 0.3), aside), FACE)
    np.testing.assert_allclose(calm, drawn((-0.06, 0.3, 0.06, 0.3)), atol=12)
    dashes = drawn((-0.1, 0.31, -0.02, 0.31), (0.01, 0.31, 0.1, 0.31))
    assert one_mouth(dashes, FACE) is dashes


@pytest.mark.parametrize("lines", [(), (MOUTH,), (NOSE, JAW), (MOUTH, NOSE, JAW, EYE)])
def test_a_face_with_one_mouth_or_none_is_the_same_array(lines: tuple[Line, ...]) -> None:
    picture = drawn(*lines)
    assert one_mouth(picture, FACE) is picture


def test_sides_and_sizes_do_not_matter() -> None:
    lines = (MOUTH, LIP, FOLD, NOSE)
    calm = one_mouth(drawn(*lines), FACE)
    x, y, width = FACE
    mirrored = one_mouth(np.ascontiguousarray(drawn(*lines)[:, ::-1]), (255 - x, y, width))
    np.testing.assert_allclose(mirrored[:, ::-1], calm, atol=12)
    large = (2 * x, 2 * y, 2 * width)
    larger = one_mouth(drawn(*lines, face=large, size=512), large)
    assert [inked(larger, line, large) for line in lines] == [True, False, False, True]


@pytest.mark.parametrize(
    "face", [(0.0, 0.0, 300.0), (255.0, 255.0, 40.0), (128.0, -300.0, 90.0), (5.0, 240.0, 3.0)]
)
def test_a_face_at_the_border_is_no_mistake(face: tuple[float, float, float]) -> None:
    picture = np.random.default_rng(3).integers(0, 256, (256, 256, 3), np.uint8)
    assert one_mouth(picture, face).shape == picture.shape


def strokes(translator: Translator, window: Window, options: Options) -> int:
    """Dark lines about the astronaut's mouth, below her nose and above her chin."""
    assert window.seen_face is not None
    x, y, width = window.seen_face
    drawn = Image.fromarray(translator(photo(), options)).resize((256, 256), Image.Resampling.BOX)
    light = np.asarray(drawn) @ LUMA
    rows = slice(round(y + 0.2 * width), round(y + 0.47 * width))
    part = light[rows, round(x - 0.2 * width) : round(x + 0.2 * width)]
    return int(ndimage.label(ndimage.grey_closing(part, size=(15, 15)) - part > 30)[1])


def photo() -> np.ndarray:
    with Image.open(EXAMPLES / "astronaut.jpg") as picture:
        return np.asarray(picture.convert("RGB"))


def test_a_smile_is_one_line(
    anime: Translator, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What this is for: with teeth there were dashes beside it."""
    options = Options(crop_only=True)
    now = strokes(anime, window, options)
    monkeypatch.setattr(frame_module, "one_mouth", lambda drawing, face: drawing)
    assert strokes(anime, window, options) >= 3
    assert now == 1


@pytest.mark.parametrize("crop_only", [False, True])
def test_before_the_first_move_no_mouth_is_looked_for(
    anime: Translator, monkeypatch: pytest.MonkeyPatch, crop_only: bool
) -> None:
    def asked(drawing: np.ndarray, face: object) -> np.ndarray:
        calls.append(drawing)
        return drawing

    calls: list[np.ndarray] = []
    monkeypatch.setattr(frame_module, "one_mouth", asked)
    first, second, *_ = anime.frames(photo(), Options(crop_only=crop_only, steps=1))
    assert first.image.size
    assert not calls
    assert second.image.size
    assert len(calls) == 1


@pytest.mark.parametrize(("wide", "high"), [(0.12, 0.05), (0.2, 0.13), (0.24, 0.15)])
def test_an_open_mouth_is_one(wide: float, high: float) -> None:
    picture, (x, y, width) = drawn(NOSE, JAW), FACE
    axes = (round(wide * width), round(high * width))
    centre = (round(x), round(y + 0.34 * width))
    cv2.ellipse(picture, centre, axes, 0, 0, 360, (120, 40, 40), -1, cv2.LINE_AA)
    assert one_mouth(picture, FACE) is picture


def test_a_low_mouth_is_not_taken_for_a_line_beside_the_nose() -> None:
    """Hopper's avatar has one near the chin, and a shade below the nose."""
    cartoon = Translator.load("cartoon", device="cpu", dtype="float32")
    with Image.open(EXAMPLES / "hopper.jpg") as source:
        *_, last = cartoon.frames(source.convert("RGB"), Options(strength=1.0))
    (place,), (state,) = last.windows, to_array(last.step.x)
    assert place.seen_face is not None
    x, y, width = place.seen_face
    rows = slice(round(y + 0.42 * width), round(y + 0.52 * width))
    columns = slice(round(x - 0.12 * width), round(x + 0.12 * width))
    calm = calmed(state)
    mouth = (calm @ LUMA)[rows, columns]
    assert mouth.min() < 0.5 * np.percentile(calm @ LUMA, 90)
    after = (one_mouth(calm, place.seen_face) @ LUMA)[rows, columns]
    dark = mouth < 0.7 * np.median(calm @ LUMA)
    np.testing.assert_allclose(after[dark], mouth[dark], atol=2)
