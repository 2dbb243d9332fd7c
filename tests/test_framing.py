"""Windows always lie inside the photo, faces are found, and pasting leaves the rest alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydantic import BaseModel

from translate import framing
from translate.domain import Domain
from translate.errors import InputError, SettingsError
from translate.framing import DEFAULT_SQUARE, FaceSquare, Window, extract, find_window, inside
from translate.pasting import paste
from translate.training.config import Recipe

EXAMPLES = Path(__file__).parents[1] / "examples"
sides = st.integers(1, 200) | st.sampled_from([1, 2, 3, 400])
shapes = st.tuples(sides, sides)
quick = settings(max_examples=60, deadline=None)


def load(name: str) -> np.ndarray:
    return np.asarray(Image.open(EXAMPLES / name).convert("RGB"))


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / 40 + c) + np.cos(y / 50 - c) for c in range(3)]
    return (127 + 60 * np.stack(waves, axis=2)).astype(np.uint8)


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return load("astronaut.jpg")


FACE = (224, 113)  # where the astronaut's nose is, x and y, read off the picture


def assert_inside(window: Window, height: int, width: int) -> None:
    assert window.left >= 0
    assert window.top >= 0
    assert window.width >= 1
    assert window.height >= 1
    assert window.left + window.width <= width
    assert window.top + window.height <= height


# --- choosing a window


@settings(max_examples=30, deadline=None)
@given(shapes, st.sampled_from(["face", "crop"]))
def test_squares_are_square_and_inside(shape: tuple[int, int], kind: framing.Framing) -> None:
    height, width = shape
    window = find_window(noise(height, width), framing=kind, size=64, stride=16)
    assert_inside(window, height, width)
    assert window.width == window.height
    assert window.out_width == window.out_height == 64


@quick
@given(shapes, st.tuples(*[st.floats(-50, 450)] * 2, st.floats(1, 300)), st.floats(1, 4))
def test_a_square_whose_corners_count_is_inside(
    shape: tuple[int, int], face: tuple[float, float, float], margin: float
) -> None:
    height, width = shape
    square = FaceSquare(margin, corners=True)
    left, top, side = framing._face_square(face, width, height, square)
    assert_inside(
        Window(left=left, top=top, width=side, height=side, out_width=8, out_height=8),
        height,
        width,
    )
    assert side >= min(face[2] * margin - 1, min(shape) * 0.85 - 1)


@quick
@given(
    shapes,
    st.tuples(*[st.floats(-50, 450)] * 2, st.floats(1, 300)),
    st.floats(1, 4),
    st.floats(0.3, 0.7),
)
def test_any_other_square_has_the_face_where_it_belongs(
    shape: tuple[int, int], face: tuple[float, float, float], margin: float, centre: float
) -> None:
    height, width = shape
    left, top, side = framing._face_square(face, width, height, FaceSquare(margin, centre))
    assert side == pytest.approx(max(1, min(face[2] * margin, 2 * min(shape))), abs=0.51)
    assert left + 0.5 * side == pytest.approx(face[0], abs=0.51)
    assert top + centre * side == pytest.approx(face[1], abs=0.51)


@quick
@given(
    st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
    st.integers(8, 512),
    st.sampled_from([1, 8, 16]),
)
def test_scenes_are_whole_and_keep_their_aspect(
    shape: tuple[int, int], size: int, stride: int
) -> None:
    height, width = shape
    out_width, out_height = framing._scene_size(width, height, size, stride)
    assert out_width % stride == 0
    assert out_height % stride == 0
    assert min(out_width, out_height) >= 1
    assert max(out_width, out_height) <= 4 * size + stride
    ratio = max(shape) / min(shape)
    if ratio <= 4 and size >= stride:
        assert abs(min(out_width, out_height) - size) <= stride / 2
        assert abs(max(out_width, out_height) - size * ratio) <= stride / 2 + 1e-6


def test_scene_window() -> None:
    window = find_window(noise(300, 451), framing="scene", size=256, stride=16)
    shape = {"width": 451, "height": 300, "out_width": 384, "out_height": 256}
    assert window == Window(left=0, top=0, **shape, scene=True)


def test_crop_window() -> None:
    window = find_window(noise(30, 50), framing="crop", size=64)
    assert window == Window(left=10, top=0, width=30, height=30, out_width=64, out_height=64)


def test_a_photo_as_large_as_cameras_make() -> None:
    photo = np.zeros((8000, 10000, 3), np.uint8)
    window = find_window(photo, framing="face", size=64)
    assert (window.width, window.height) == (8000, 8000)


@pytest.mark.parametrize("shape", [(1, 1), (1, 4000), (4000, 1), (2, 3), (31, 700)])
@pytest.mark.parametrize("kind", ["face", "scene", "crop"])
def test_extreme_shapes_go_all_the_way(shape: tuple[int, int], kind: framing.Framing) -> None:
    photo = noise(*shape)
    window = find_window(photo, framing=kind, size=32, stride=8)
    seen = extract(photo, window)
    assert seen.shape == (window.out_height, window.out_width, 3)
    assert seen.dtype == np.uint8
    assert paste(photo, window, seen).shape == photo.shape


@pytest.mark.parametrize("kind", ["auto", "portrait", ""])
def test_unknown_framings_are_refused(kind: framing.Framing) -> None:
    with pytest.raises(SettingsError, match="face, scene or crop"):
        find_window(noise(8, 8), framing=kind, size=64)


def test_numbers_out_of_range_are_refused() -> None:
    photo = noise(8, 8)
    with pytest.raises(SettingsError, match="size 0"):
        find_window(photo, framing="crop", size=0)
    with pytest.raises(SettingsError, match="stride 0"):
        find_window(photo, framing="crop", size=8, stride=0)
    with pytest.raises(SettingsError, match=r"margin 0\.5"):
        find_window(photo, framing="crop", size=8, square=FaceSquare(0.5))
    for bad in (photo[..., 0], photo.astype(float), photo[:0], np.dstack([photo, photo])):
        with pytest.raises(InputError, match="uint8"):
            find_window(bad, framing="crop", size=8)


# --- faces


def check_astronaut(window: Window, scale: float = 1.0, dx: int = 0, dy: int = 0) -> None:
    """The nose sits where selfies have it, and the square is the size of her head."""
    assert window.note is None
    x = ((FACE[0] + dx) * scale - window.left) / window.width
    y = ((FACE[1] + dy) * scale - window.top) / window.height
    assert abs(x - 0.5) < 0.12
    assert 0.35 < y < 0.65
    assert 110 * scale < window.width < 250 * scale


@pytest.mark.parametrize("side", [200, 512, 1100])
def test_face_is_found_at_any_scale(astronaut: np.ndarray, side: int) -> None:
    photo = np.asarray(Image.fromarray(astronaut).resize((side, side)))
    check_astronaut(find_window(photo, framing="face", size=256), side / 512)


@pytest.mark.parametrize("angle", [-25, 20])
def test_tilted_face_is_found(astronaut: np.ndarray, angle: int) -> None:
    turned = Image.fromarray(astronaut).rotate(angle, center=FACE, fillcolor=(190, 190, 190))
    check_astronaut(find_window(np.asarray(turned), framing="face", size=256))


def test_face_at_the_edge_of_a_wide_photo(astronaut: np.ndarray) -> None:
    photo = np.full((512, 1000, 3), 190, np.uint8)
    photo[:412, 1000 - 284 :] = astronaut[100 - 60 : 512 - 60, 130 : 130 + 284]
    eared = FaceSquare(corners=True)
    window = find_window(photo, framing="face", size=256, square=eared)
    check_astronaut(window, dx=1000 - 284 - 130, dy=-40)
    assert_inside(window, 512, 1000)


def test_face_that_fills_a_square_photo_takes_all_of_it(astronaut: np.ndarray) -> None:
    """Where corners count; else what lies beyond is made up."""
    eared = FaceSquare(corners=True)
    found = find_window(astronaut, framing="face", size=256, square=eared)
    selfie = extract(astronaut, found)
    again = find_window(selfie, framing="face", size=256, square=eared)
    assert (again.left, again.top, again.width, again.height) == (0, 0, 256, 256)
    assert again.note is None


@pytest.mark.parametrize("cut", [(60, 0, 0, 0), (40, 30, 0, 10), (0, 0, 0, 30), (0, 60, 90, 0)])
def test_a_head_at_the_border_is_seen_as_in_the_middle(
    astronaut: np.ndarray, cut: tuple[int, int, int, int]
) -> None:
    """Its eyes at the same place and size, with the photo's edge repeated beyond."""
    above, below, before, after = cut
    usual = find_window(astronaut, framing="face", size=256)
    assert usual.face is not None
    x, y, width = usual.face
    bottom, right = usual.top + usual.height - below, usual.left + usual.width - after
    photo = astronaut[usual.top + above : bottom, usual.left + before : right]
    x, y = x - usual.left - before, y - usual.top - above
    moved = {"left": -before, "top": -above, "face": (x, y, width)}
    window = replace(usual, **moved)
    seen, scale = extract(photo, window), 256 / window.width
    own = inside(seen, photo, window)
    top, left = round(above * scale), round(before * scale)
    rows, columns = 256 - top - len(own), 256 - left - own.shape[1]
    assert (rows, columns) == pytest.approx((below * scale, after * scale), abs=1)
    repeated = np.pad(own, ((top, rows), (left, columns), (0, 0)), mode="edge")
    np.testing.assert_array_equal(seen, repeated)
    same = inside(extract(astronaut, usual), photo, window).astype(int)
    assert np.abs(same - own).mean() < 3  # half a pixel's shift at most


def test_what_lies_beyond_the_photo_is_not_pasted(astronaut: np.ndarray) -> None:
    """The rest is, in its place: a close-up is drawn up to the borders that cut the head."""
    found = find_window(astronaut, framing="face", size=256, square=FaceSquare(2.0))
    photo = astronaut[found.top + 30 : found.top + 170, found.left + 25 : found.left + 170]
    window = find_window(photo, framing="face", size=256, square=FaceSquare(2.0))
    assert min(window.left, window.top) < 0
    again = paste(photo, window, extract(photo, window))
    assert np.abs(again.astype(int) - photo).mean() < 3
    white = paste(photo, window, np.full((256, 256, 3), 255, np.uint8))
    face = white[20:100, 45:100]
    assert (face == 255).all()
    assert white.shape == photo.shape


def test_squares_beyond_a_photo_have_an_end() -> None:
    left, top, side = framing._face_square((50, 50, 90), 100, 300, FaceSquare(10))
    assert (left, top, side) == (-50, -40, 200)


def test_margin_sets_the_square(astronaut: np.ndarray) -> None:
    tight = find_window(astronaut, framing="face", size=64, square=FaceSquare(1.0))
    usual = find_window(astronaut, framing="face", size=64)
    assert usual.width == pytest.approx(DEFAULT_SQUARE.margin * tight.width, abs=2)
    eared = FaceSquare(10, corners=True)
    assert find_window(astronaut, framing="face", size=64, square=eared).width == 512


@pytest.mark.parametrize("name", ["temple.jpg", "coffee.jpg", "rocket.jpg"])
def test_without_a_face_the_centre_is_used_and_said(name: str) -> None:
    photo = load(name)
    window = find_window(photo, framing="face", size=256)
    assert window.note == "No face was found, so the centre of the photo was used."
    centre = find_window(photo, framing="crop", size=256)
    assert (window.left, window.top, window.width) == (centre.left, centre.top, centre.width)
    assert centre.note is None


def test_views_and_read_only_photos(astronaut: np.ndarray) -> None:
    mirrored = astronaut[:, ::-1]
    window = find_window(mirrored, framing="face", size=64)
    assert abs(window.left + window.width / 2 - (512 - FACE[0])) < 30
    seen = extract(mirrored, window)
    seen.flags.writeable = False
    assert paste(mirrored, window, seen).flags.writeable


def test_threads_find_the_same_face(astronaut: np.ndarray) -> None:
    photos = [astronaut[:240, 100:340], astronaut[:240, 340:100:-1]] * 3
    alone = [find_window(p, framing="face", size=64) for p in photos]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda p: find_window(p, framing="face", size=64), photos))
    assert together == alone


# --- extracting and pasting


def test_extract_does_not_alias() -> None:
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    window = find_window(stripes, framing="crop", size=64)
    assert np.abs(extract(stripes, window).astype(int) - 127).max() <= 3


def test_extract_at_its_own_size_is_exact() -> None:
    photo = noise(40, 64)
    window = find_window(photo, framing="crop", size=40)
    np.testing.assert_array_equal(extract(photo, window), photo[:, 12:52])


@quick
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.data(),
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
)
def test_paste_leaves_the_outside_alone(
    shape: tuple[int, int], data: st.DataObject, out: tuple[int, int]
) -> None:
    height, width = shape
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    window = Window(
        left=left,
        top=top,
        width=data.draw(st.integers(1, width - left)),
        height=data.draw(st.integers(1, height - top)),
        out_width=out[1],
        out_height=out[0],
    )
    photo, result = noise(height, width), noise(*out, seed=1)
    photo.flags.writeable = False
    kept, kept_result = photo.copy(), result.copy()
    pasted = paste(photo, window, result)
    outside = np.ones(shape, bool)
    outside[top : top + window.height, left : left + window.width] = False
    np.testing.assert_array_equal(pasted[outside], photo[outside])
    np.testing.assert_array_equal(photo, kept)
    np.testing.assert_array_equal(result, kept_result)


def test_paste_over_a_whole_photo_has_no_feather() -> None:
    photo, result = noise(90, 60), noise(90, 60, seed=1)
    window = Window(left=0, top=0, width=60, height=90, out_width=60, out_height=90)
    np.testing.assert_array_equal(paste(photo, window, result), result)


def test_paste_fades_in_only_where_photo_goes_on() -> None:
    photo = np.zeros((300, 200, 3), np.uint8)
    window = Window(left=0, top=50, width=200, height=200, out_width=50, out_height=50)
    pasted = paste(photo, window, np.full((50, 50, 3), 200, np.uint8))
    column = pasted[50:250, 100, 0].astype(int)
    assert (pasted[50:250] == pasted[50:250, :1]).all()  # no feather left and right
    assert column[0] < 2
    assert column[-1] < 2
    assert (np.diff(column[:30]) > 0).all()  # 15 % of 200 pixels
    assert (column[30:-30] == 200).all()
    np.testing.assert_array_equal(column, column[::-1])
    assert np.abs(np.diff(column)).max() <= 12


def test_paste_in_strips_has_no_seams() -> None:
    photo = smooth(700, 600)
    window = Window(left=20, top=30, width=560, height=640, out_width=560, out_height=640)
    result = 255 - extract(photo, window)
    whole = paste(photo, window, result).astype(int)
    change = whole[30:670, 300] - photo[30:670, 300]
    full = (255 - 2 * photo[30:670, 300].astype(int))[96:-96]
    assert np.abs(change[96:-96] - full).max() <= 1


def test_pasting_back_what_was_seen_changes_almost_nothing() -> None:
    photo = smooth(400, 600)
    for kind in ("crop", "scene"):
        window = find_window(photo, framing=kind, size=128)
        change = np.abs(paste(photo, window, extract(photo, window)).astype(int) - photo)
        assert change.mean() < 0.6
        assert change.max() <= 6


def test_paste_refuses_what_does_not_fit() -> None:
    photo = noise(40, 40)
    window = find_window(photo, framing="crop", size=16)
    for bad in (noise(16, 15), noise(16, 16).astype(np.float32), noise(16, 16)[..., 0]):
        with pytest.raises(InputError, match="16, 16, 3"):
            paste(photo, window, bad)
    with pytest.raises(InputError, match="20x20"):
        extract(noise(20, 20), window)
    with pytest.raises(InputError, match="20x20"):
        paste(noise(20, 20), window, noise(16, 16))


@pytest.mark.parametrize("card", [Domain, Recipe])
def test_a_card_that_says_nothing_has_the_usual_square(card: type[BaseModel]) -> None:
    said = {name: field.default for name, field in card.model_fields.items()}
    names = ("face_margin", "face_centre", "face_corners", "face_drawn")
    assert FaceSquare(*(said[name] for name in names)) == DEFAULT_SQUARE


def test_a_card_says_where_in_its_square_a_face_lies(astronaut: np.ndarray) -> None:
    usual, low, full = (
        find_window(astronaut, framing="face", size=64, square=square)
        for square in (FaceSquare(1.9), FaceSquare(1.9, 0.6), FaceSquare(1.9, 0.6, True))
    )
    assert low.width == usual.width
    assert low.left == usual.left
    assert usual.top - low.top == pytest.approx(0.15 * usual.width, abs=2)
    assert (usual.corners, low.corners, full.corners) == (False, False, True)
