"""Where a head ends: on real photos, on a drawn one, in threads, and on anything at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from translate.faces import Face, find_faces
from translate.matting import head_matte

EXAMPLES = Path(__file__).parent.parent / "examples"
HAIR, SKIN, WALL = (60, 40, 30), (215, 170, 150), (140, 150, 130)
DRAWN: Face = (150.0, 150.0, 100.0)


def example(name: str) -> np.ndarray:
    with Image.open(EXAMPLES / name) as picture:
        return np.asarray(picture.convert("RGB"))


def whole_matte(photo: np.ndarray, face: Face) -> np.ndarray:
    height, width = photo.shape[:2]
    return head_matte(photo, face, (0, 0, width, height), (width, height))


def drawn() -> tuple[np.ndarray, np.ndarray]:
    """A head with hair before an uneven wall, and where it is."""
    rng = np.random.default_rng(0)
    photo = np.full((300, 300, 3), WALL, np.uint8)
    cv2.rectangle(photo, (190, 0), (230, 299), (120, 130, 160), -1)
    head = np.zeros((300, 300), np.uint8)
    cv2.ellipse(head, (150, 140), (58, 78), 0, 0, 360, 1, -1)
    photo[head == 1] = HAIR
    cv2.ellipse(photo, (150, 158), (44, 58), 0, 0, 360, SKIN, -1)
    grain = rng.normal(0, 6, photo.shape)
    return np.clip(photo + grain, 0, 255).astype(np.uint8), head == 1


@pytest.mark.parametrize(
    ("name", "head", "background"),
    [
        (  # x, y: fringe, both sides of the hair, chin; wall, flag, both shoulders, rocket
            "astronaut.jpg",
            [(225, 30), (165, 80), (288, 80), (225, 175)],
            [(120, 60), (335, 60), (40, 60), (140, 220), (330, 220), (415, 100)],
        ),
        (  # cap, ears, chin; sky on three sides, flag, shoulder
            "hopper.jpg",
            [(262, 90), (165, 220), (355, 220), (265, 320)],
            [(450, 60), (450, 250), (400, 330), (60, 80), (430, 420)],
        ),
    ],
)
def test_a_head_is_cut_out_of_its_photo(
    name: str, head: list[tuple[int, int]], background: list[tuple[int, int]]
) -> None:
    photo = example(name)
    matte = whole_matte(photo, find_faces(photo, every=False)[0])
    assert [matte[y, x] > 0.9 for x, y in head] == [True] * len(head)
    assert [matte[y, x] < 0.1 for x, y in background] == [True] * len(background)


def test_hair_belongs_to_the_head_and_the_wall_does_not() -> None:
    photo, head = drawn()
    matte = whole_matte(photo, DRAWN)
    assert np.abs(matte - head).mean() < 0.02
    tenth = np.ones((21, 21))  # of the face, to each side
    inside = cv2.erode(head.astype(np.uint8), tenth) == 1
    outside = cv2.dilate(head.astype(np.uint8), tenth) == 0
    assert matte[inside].min() > 0.9
    assert matte[outside].max() < 0.1


@pytest.mark.parametrize("window", [(70, 60, 160, 160), (0, 30, 200, 120)])
def test_a_windows_matte_is_its_part_of_the_whole(window: tuple[int, int, int, int]) -> None:
    photo, head = drawn()
    left, top, width, height = window
    part = head[top : top + height, left : left + width]
    matte = head_matte(photo, DRAWN, window, (width, height))
    assert matte.shape == (height, width)
    assert np.abs(matte - part).mean() < 0.04
    twice = head_matte(photo, DRAWN, window, (2 * width, 2 * height))
    assert (
        np.abs(cv2.resize(twice, (width, height), interpolation=cv2.INTER_AREA) - matte).mean()
        < 0.01
    )


def test_a_close_up_is_all_head() -> None:
    photo, _ = drawn()
    near = photo[100:210, 110:190]  # nothing but the face
    assert (whole_matte(near, (40.0, 50.0, 200.0)) == 1).all()


def test_the_same_photo_is_cut_the_same_way_in_every_thread() -> None:
    photos = [example("astronaut.jpg"), example("hopper.jpg"), drawn()[0]]
    faces = [find_faces(photo, every=False)[0] for photo in photos[:2]] + [DRAWN]
    alone = [whole_matte(photo, face) for photo, face in zip(photos, faces, strict=True)]
    cv2.setRNGSeed(7)  # whatever else draws from it
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(whole_matte, photos * 8, faces * 8))
    for first, again in zip(alone * 8, together, strict=True):
        np.testing.assert_array_equal(first, again)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_photo_face_and_window_have_a_matte(data: st.DataObject) -> None:
    def whole(least: int, most: int) -> int:
        return data.draw(st.integers(least, most))

    height, width = whole(1, 90), whole(1, 90)
    flat = np.full((height, width, 3), whole(0, 255), np.uint8)
    noise = np.random.default_rng(whole(0, 9)).integers(0, 256, flat.shape, np.uint8)
    photo = flat if data.draw(st.booleans()) else noise
    face = (float(whole(-20, 120)), float(whole(-20, 120)), float(whole(10, 150)))
    left, top = whole(0, width - 1), whole(0, height - 1)
    window = (left, top, whole(1, width - left), whole(1, height - top))
    size = whole(1, 40), whole(1, 40)
    matte = head_matte(photo, face, window, size)
    assert matte.shape == size[::-1]
    assert matte.dtype == np.float32
    assert matte.min() >= 0
    assert matte.max() <= 1
