"""Where a head ends: on real photos, before another background, in threads, on anything at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from translate import matting
from translate.faces import Face, find_faces
from translate.matting import ACROSS, SEEN, head_matte
from translate.training.heads.cutouts import LARGE, cut_by_colour, looked_at

EXAMPLES = Path(__file__).parent.parent / "examples"


def example(name: str) -> np.ndarray:
    with Image.open(EXAMPLES / name) as picture:
        return np.asarray(picture.convert("RGB"))


def whole_matte(photo: np.ndarray, face: Face) -> np.ndarray:
    height, width = photo.shape[:2]
    return head_matte(photo, face, (0, 0, width, height), (width, height))


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


@pytest.mark.parametrize("ground", [None, "rocket.jpg"])
def test_hair_belongs_to_the_head_and_the_background_does_not(ground: str | None) -> None:
    """As her own colours tell, which stand out from the wall behind her."""
    face = looked_at(example("astronaut.jpg"))
    assert face is not None
    found = cut_by_colour(face)
    assert found is not None
    photo, head = found.picture, found.head > 0.5
    if ground is not None:
        behind = cv2.resize(example(ground)[:400, :400], (LARGE, LARGE)).astype(float)
        photo = np.rint(behind + (photo - behind) * found.person[..., None]).astype(np.uint8)
    width = LARGE / ACROSS
    matte = whole_matte(photo, (LARGE / 2, LARGE / 2, width))
    assert np.abs(matte - found.head).mean() < 0.02
    tenth = np.ones((2 * round(width / 10) + 1,) * 2)
    inside = cv2.erode(head.astype(np.uint8), tenth) == 1
    outside = cv2.dilate(head.astype(np.uint8), tenth) == 0
    assert matte[inside].min() > 0.9
    assert matte[outside].max() < 0.1


@pytest.mark.parametrize("window", [(144, 20, 160, 160), (100, 0, 200, 120)])
def test_a_windows_matte_is_its_part_of_the_whole(window: tuple[int, int, int, int]) -> None:
    photo = example("astronaut.jpg")
    (face,) = find_faces(photo, every=False)
    left, top, width, height = window
    part = whole_matte(photo, face)[top : top + height, left : left + width]
    assert 0.2 < part.mean() < 0.8
    matte = head_matte(photo, face, window, (width, height))
    assert matte.shape == (height, width)
    assert np.abs(matte - part).mean() < 0.01
    twice = head_matte(photo, face, window, (2 * width, 2 * height))
    assert (
        np.abs(cv2.resize(twice, (width, height), interpolation=cv2.INTER_AREA) - matte).mean()
        < 0.01
    )


def test_a_close_up_is_all_head() -> None:
    photo = example("hopper.jpg")
    ((x, y, width),) = find_faces(photo, every=False)
    reach = round(0.3 * width)
    near = photo[round(y) - reach : round(y) + reach, round(x) - reach : round(x) + reach]
    assert (whole_matte(near.copy(), (reach, reach, width)) == 1).all()


def test_the_same_photo_is_cut_the_same_way_in_every_thread() -> None:
    photos = [example("astronaut.jpg"), example("hopper.jpg")]
    photos.append(photos[0][:, ::-1].copy())
    faces = [find_faces(photo, every=False)[0] for photo in photos]
    alone = [whole_matte(photo, face) for photo, face in zip(photos, faces, strict=True)]
    cv2.setRNGSeed(7)  # whatever else draws from it
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(whole_matte, photos * 8, faces * 8))
    for first, again in zip(alone * 8, together, strict=True):
        np.testing.assert_array_equal(first, again)


def test_a_photo_is_cut_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """For windows and sizes of any kind, with the same outcome; another photo is cut anew."""
    photo = example("hopper.jpg")
    (face, *_), cuts = find_faces(photo, every=False), list[str]()
    matting._cut.cache_clear()
    judge = matting.segmented

    def counted(name: str, picture: np.ndarray) -> np.ndarray:
        cuts.append(name)
        return judge(name, picture)

    monkeypatch.setattr(matting, "segmented", counted)
    box = (0, 0, photo.shape[1], photo.shape[0])
    first = head_matte(photo, face, box, (128, 128))
    np.testing.assert_array_equal(head_matte(photo, face, box, (128, 128)), first)
    head_matte(photo, face, (20, 10, 200, 200), (256, 256))
    assert len(cuts) == 1
    head_matte(255 - photo, face, box, (128, 128))
    assert len(cuts) == 2


def test_colours_decide_where_the_network_is_unsure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sure of the face and of the borders only, it leaves hair and wall to their colours."""
    photo = example("astronaut.jpg")
    (face,) = find_faces(photo, every=False)
    whole = whole_matte(photo, face)
    unsure = np.full((SEEN, SEEN), 0.45, np.float32)
    unsure[44:84, 48:80], unsure[:, :24], unsure[:, -24:], unsure[:16] = 1, 0, 0, 0
    monkeypatch.setattr(matting, "_cut", matting._cut.__wrapped__)  # remembers nothing
    monkeypatch.setattr(matting, "segmented", lambda name, picture: unsure)
    told = whole_matte(photo, face)
    assert np.abs(told - whole)[: round(face[1])].mean() < 0.02
    monkeypatch.setattr(matting, "segmented", lambda name, picture: np.full_like(unsure, 0.9))
    assert (whole_matte(photo, face) == 1).all()


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
