"""No ink on cheeks: which strokes go, and that features, hair and rims stay."""

from __future__ import annotations

import numpy as np
import pytest

import translate.frame as frame_module
from tests.test_mouths import EYE, FACE, JAW, MOUTH, NOSE, Line, drawn, inked
from tests.test_relighting import LUMA, anime, window
from translate import Options, Translator
from translate.cheeks import bare_cheeks
from translate.framing import Window

__all__ = ["anime", "window"]

UNDER_EYES: tuple[Line, ...] = ((-0.22, 0.06, -0.14, 0.08), (0.14, 0.1, 0.25, 0.06))
LID, BROW = (-0.24, -0.02, -0.13, -0.02), (0.1, -0.22, 0.26, -0.24)
RIM, LOCK = (0.1, 0.04, 0.34, 0.04), (0.3, 0.1, 0.6, 0.2)
OTHERS = (MOUTH, NOSE, JAW, EYE, LID, BROW, RIM, LOCK)


def test_strokes_below_eyes_go_and_all_else_stays() -> None:
    picture = drawn(*OTHERS, *UNDER_EYES[:1])
    calm = bare_cheeks(picture, FACE)
    assert inked(picture, UNDER_EYES[0])
    assert not inked(calm, UNDER_EYES[0])
    assert all(inked(calm, line) for line in OTHERS)
    np.testing.assert_allclose(calm, drawn(*OTHERS), atol=12)


def test_on_both_cheeks() -> None:
    calm = bare_cheeks(drawn(MOUTH, EYE, *UNDER_EYES), FACE)
    np.testing.assert_allclose(calm, drawn(MOUTH, EYE), atol=12)


@pytest.mark.parametrize("lines", [(), OTHERS])
def test_bare_cheeks_are_the_same_array(lines: tuple[Line, ...]) -> None:
    picture = drawn(*lines)
    assert bare_cheeks(picture, FACE) is picture


def test_a_stroke_beside_hair_takes_none_of_it() -> None:
    picture = drawn(LOCK, (0.16, 0.07, 0.25, 0.07))
    calm = bare_cheeks(picture, FACE)
    assert not inked(calm, (0.16, 0.07, 0.25, 0.07))
    hair = (drawn(LOCK) @ LUMA) < 150
    np.testing.assert_array_equal(calm[hair], picture[hair])


def test_sizes_do_not_matter() -> None:
    for size, width in ((96, 48.0), (1024, 560.0)):
        face = (size / 2, 0.45 * size, width)
        calm = bare_cheeks(drawn(MOUTH, BROW, *UNDER_EYES, face=face, size=size), face)
        np.testing.assert_allclose(calm, drawn(MOUTH, BROW, face=face, size=size), atol=16)


@pytest.mark.parametrize(
    "face",
    [(0.0, 0.0, 300.0), (255.0, 255.0, 40.0), (-500.0, 10.0, 60.0), (10.0, 800.0, 60.0)],
)
def test_a_face_at_the_border_is_no_mistake(face: tuple[float, float, float]) -> None:
    picture = drawn(*UNDER_EYES)
    assert bare_cheeks(picture, face).shape == picture.shape


def test_what_a_walk_draws_below_eyes_goes(
    anime: Translator, window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counted(drawing: np.ndarray, face: tuple[float, float, float]) -> np.ndarray:
        calm = bare_cheeks(drawing, face)
        changed.append(int((calm != drawing).any(axis=-1).sum()))
        again.append(bare_cheeks(calm, face) is calm)
        return calm

    changed: list[int] = []
    again: list[bool] = []
    monkeypatch.setattr(frame_module, "bare_cheeks", counted)
    for name in ("astronaut", "hopper"):
        anime(f"examples/{name}.jpg", Options(crop_only=True))
    assert max(changed) > 20
    assert all(again)
