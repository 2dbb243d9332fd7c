"""Large eyes for a walk to set out from: where eyes are found, how large they get, what stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from tests.conftest import EXAMPLES, Result, made_by_both, without_closeups
from translate import Options, Translator
from translate.batch.settings import Settings
from translate.domain import read_domain
from translate.errors import SettingsError
from translate.eyes import enlarged_eyes, find_eyes
from translate.faces import find_faces
from translate.framing import Window
from translate.hub import bundled_domains
from translate.image_io import Photo
from translate.training.data import load_images
from translate.training.data_settings import Source
from translate.view import Asked, gathered, look, looked_for

Cli = Callable[..., Result]
FACE = (130.0, 128.0, 150.0)
SKIN = 0.8
TILTED = ((-0.22, -0.02), (0.13, -0.17))  # by 23 degrees
EYES = ((203, 101), (248, 103))


def photo(name: str = "astronaut.jpg") -> np.ndarray:
    with Image.open(EXAMPLES / name) as picture:
        return np.asarray(picture.convert("RGB"))


def drawn(*eyes: tuple[float, float], radius: float = 0.05) -> np.ndarray:
    """Even skin with dark discs, at places in widths of the face from its middle."""
    picture = np.full((256, 256, 3), SKIN, np.float32)
    x, y, width = FACE
    for across, down in eyes:
        middle = round(x + across * width), round(y + down * width)
        cv2.circle(picture, middle, round(radius * width), (0.1, 0.1, 0.1), -1)
    return picture


@pytest.fixture(scope="module")
def anime() -> Translator:
    return Translator.load("anime", device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def window(anime: Translator) -> Window:
    return anime.windows(Photo(rgb=photo()))[0]


@pytest.mark.parametrize(
    "places", [((-0.19, -0.1), (0.19, -0.1)), ((-0.15, -0.13), (0.22, -0.14)), TILTED]
)
def test_eyes_are_found_where_it_is_dark(places: tuple[tuple[float, float], ...]) -> None:
    found = find_eyes(drawn(*places), FACE)
    np.testing.assert_allclose(found, places, atol=0.03)


def test_where_nothing_is_dark_they_are_where_most_are() -> None:
    np.testing.assert_allclose(find_eyes(drawn(), FACE), ((-0.19, -0.1), (0.19, -0.1)), atol=1e-6)


def test_eyes_of_photos_are_found() -> None:
    """Places read off the pictures by eye, in pixels."""
    rgb = photo()
    face = find_faces(rgb, every=False)[0]
    x, y, width = face
    found = find_eyes(rgb.astype(np.float32) / 255, face)
    seen = [(x + across * width, y + down * width) for across, down in found]
    np.testing.assert_allclose(seen, EYES, atol=0.05 * width)


@pytest.mark.parametrize("times", [1.5, 2.0, 3.0])
def test_they_get_so_many_times_as_tall_and_less_wide(times: float) -> None:
    picture = drawn((-0.19, -0.1), (0.19, -0.1), radius=0.04)
    larger = enlarged_eyes(picture, FACE, times, find_eyes(picture, FACE))
    x, y, width = FACE
    middle = round(y - 0.1 * width), round(x - 0.19 * width)
    half = slice(None), slice(0, round(x))  # the one to the left
    tall, wide = (
        [int((p[half][line] < 0.45).sum()) for p in (picture[..., 0], larger[..., 0])]
        for line in ((slice(None), middle[1]), (middle[0], slice(None)))
    )
    assert 0.7 * times < tall[1] / tall[0] < times
    assert 1 < wide[1] / wide[0] < tall[1] / tall[0]


def test_nothing_else_moves_and_nothing_folds() -> None:
    ramp = np.zeros((256, 256, 3), np.float32)
    ramp[..., 0] = np.linspace(0, 1, 256, dtype=np.float32)
    ramp[..., 1] = np.linspace(0, 1, 256, dtype=np.float32)[:, None]
    larger = enlarged_eyes(ramp, FACE, 4.0, find_eyes(ramp, FACE))
    assert larger.dtype == np.float32
    assert (np.diff(larger[..., 0], axis=1) > 0).all()
    assert (np.diff(larger[..., 1], axis=0) > 0).all()
    moved = np.abs(larger - ramp).max(axis=2) > 1e-4
    x, y, width = FACE
    rows, columns = np.nonzero(moved)
    assert rows.min() > y - 0.45 * width
    assert rows.max() < y + 0.25 * width
    assert columns.min() > x - 0.5 * width
    assert columns.max() < x + 0.5 * width
    assert enlarged_eyes(ramp, FACE, 1.0, find_eyes(ramp, FACE)) is ramp


def test_a_face_at_the_border_is_no_error() -> None:
    picture = drawn()
    for face in ((0.0, 0.0, 150.0), (256.0, 256.0, 40.0), (128.0, -30.0, 90.0)):
        larger = enlarged_eyes(picture, face, 4.0, find_eyes(picture, face))
        assert larger.shape == picture.shape
        assert np.isfinite(larger).all()


def test_a_walk_sets_out_from_them(anime: Translator, window: Window) -> None:
    views = [
        look(photo(), window, keep_glasses=True, asked=Asked(relit=True, eyes=times))
        for times in (1.0, 2.0)
    ]
    assert torch.equal(views[0].x, views[1].x)
    start = views[0].start[0].permute(1, 2, 0).numpy()
    assert window.seen_face is not None
    eyes = find_eyes(start, window.seen_face)
    expected = enlarged_eyes(start, window.seen_face, 2.0, eyes)
    result = views[1].start[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(result, expected, atol=1e-6)
    assert np.abs(result - start).max() > 0.2
    faceless = look(photo(), replace(window, face=None), keep_glasses=True, asked=Asked(eyes=2.0))
    assert faceless.shift is None
    both = gathered([views[1], faceless, views[0]])
    assert both.shift is not None
    assert both.shift.shape == both.x.shape
    assert torch.equal(both.start[:1], views[1].start)
    assert torch.equal(both.start[1:2], faceless.x)
    assert torch.equal(both.start[2:], views[0].start)


def inked(translator: Translator, window: Window, options: Options) -> list[np.ndarray]:
    """Where a small square around each drawn eye has ink, and its middle's row; sides are 0.26 of
    the face's width, and 0.3 of it from a tenth above."""
    assert window.face is not None
    assert window.seen_face is not None
    x, y, width = window.seen_face
    *_, last = translator.frames(photo(), options, measured=False)
    ink = (last.step.x[0].mean(dim=0) < 0.4).numpy()
    eyes: list[np.ndarray] = []
    for across, down in ((a - window.face[0], b - window.face[1]) for a, b in EYES):
        left, top = x + across / window.face[2] * width, y + down / window.face[2] * width
        rows = slice(round(top) - round(0.1 * width), round(top + 0.2 * width))
        columns = slice(round(left - 0.13 * width), round(left + 0.13 * width))
        eyes.append(ink[rows, columns])
    return eyes


def test_drawn_eyes_are_larger_for_it(anime: Translator, window: Window) -> None:
    """In the walk's result, not only in the start, in parts of the face's width: their lower lids
    before the last moves, and in the end how high their ink is. There a small eye has a lash where
    the lid of a large one is.

    A lid has ink across a fifth of 0.12 widths and more; what is thinner below it is none of the
    eye.
    """
    anime = without_closeups(anime)
    assert window.seen_face is not None
    width = window.seen_face[2]
    lids: list[list[float]] = []
    heights: list[list[float]] = []
    for times in (1.0, 2.5):
        most = Options(eyes=times, crop_only=True, strength=0.8)
        below = [eye[round(0.1 * width) :] for eye in inked(anime, window, most)]
        middles = [eye[:, round(0.07 * width) : round(0.19 * width)] for eye in below]
        lids.append([np.flatnonzero(eye.mean(axis=1) > 0.2).max() / width for eye in middles])
        heights.append([])
        for eye in inked(anime, window, Options(eyes=times, crop_only=True)):
            upper = eye[: round(0.23 * width)]
            parts, count = ndimage.label(upper, np.ones((3, 3)))
            own = 1 + int(np.argmax(ndimage.sum(parts > 0, parts, range(1, count + 1))))
            rows = ndimage.find_objects(parts)[own - 1][0]
            heights[-1].append((rows.stop - rows.start) / width)
    assert lids[1][0] - lids[0][0] > 0.025
    assert lids[1][1] - lids[0][1] > 0.025
    higher = np.subtract(heights[1], heights[0])
    assert higher.mean() > 0.025
    assert higher.min() > 0.01


def test_masks_stay(anime: Translator) -> None:
    rgb = photo()
    mask = np.zeros(rgb.shape[:2], bool)
    mask[:, :230] = True
    for frame in anime.frames(rgb, Options(eyes=3.0), mask):
        np.testing.assert_array_equal(np.asarray(frame.image)[~mask], rgb[~mask])


@pytest.mark.parametrize("name", bundled_domains())
def test_a_card_decides(name: str) -> None:
    card = read_domain(Path(__file__).parents[1] / "weights" / name)
    assert Options().eye_size(card) == card.face_eyes == {"anime": 1.9}.get(name, 1.0)
    assert Options(eyes=3).eye_size(card) == 3
    assert Asked.by(card, Options(eyes=1.0)).eyes == 1
    for bad in (0.9, 4.1, float("nan")):
        with pytest.raises(SettingsError, match="eyes"):
            Options(eyes=bad)


def test_cut_out_faces_get_them_too(anime: Translator) -> None:
    rgb = photo()[:300, 80:380]
    found = looked_for([rgb, np.zeros_like(rgb)], Asked(eyes=2.0))
    assert found.shift is not None
    assert found.shift[0].abs().max() > 0.2
    assert not found.shift[1].any()


def test_training_sets_out_from_them(tmp_path: Path) -> None:
    source = Source(path="examples", framing="relit", hold_out=1)
    root = EXAMPLES.parent
    plain, large = (load_images(source, root, 128, tmp_path, eyes=times) for times in (1.0, 2.0))
    assert plain.shape == large.shape
    assert any((a != b).any() for a, b in zip(plain, large, strict=True))


def test_finished_photos_are_made_anew(anime: Translator) -> None:
    digests = {Settings(options=Options(eyes=e)).digest(anime) for e in (None, 1.0, 3.0)}
    assert len(digests) == 3
    own = Options(eyes=anime.domain.face_eyes)
    assert Settings(options=own).digest(anime) in digests


def test_both_commands_agree_and_say_so(cli: Cli, tmp_path: Path) -> None:
    Image.fromarray(photo()).save(tmp_path / "in.png")
    small, large = (made_by_both(cli, tmp_path / "in.png", "--eyes", e) for e in ("1", "2.5"))
    assert (small != large).any()
    done = cli("image", tmp_path / "in.png", tmp_path / "no.png", "--eyes", "9")
    assert done.code == 2
    assert "eyes is 9.0; use a number from 1 to 4" in done.err
