"""Glasses: found, left as they are, and only where there are any."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import EXAMPLES, Result, made_by_both
from translate import Options, Translator, translator, view
from translate.batch.engine import End, Engine
from translate.domain import read_domain
from translate.faces import find_faces
from translate.framing import Window, extract, part
from translate.glasses import SEEN, find_glasses, near, without_rims
from translate.hub import bundled_domains
from translate.image_io import Photo, to_array
from translate.segmenting import _workers
from translate.view import Asked, View, gathered, look

Cli = Callable[..., Result]
PLAIN, WEARER = "astronaut.jpg", "hopper.jpg"
EYES = (209, 100), (244, 100)  # pupils of the plain one, x and y, read off the picture
RIMS = (145, 250)  # first and last row of the wearer's rims


def bare(name: str) -> np.ndarray:
    with Image.open(EXAMPLES / name) as picture:
        return np.asarray(picture.convert("RGB"))


def painted(*, dark: bool = False, colour: float = 30) -> tuple[np.ndarray, np.ndarray]:
    """The plain one with glasses on, and where they hide the face."""
    (x, y), (x2, y2) = EYES
    apart = x2 - x
    lens, thick = (round(0.4 * apart), round(0.3 * apart)), max(2, round(0.07 * apart))
    photo = bare(PLAIN)
    line = np.zeros(photo.shape[:2], np.uint8)
    for centre in ((x, y), (x2, y2)):
        cv2.ellipse(line, centre, lens, 0, 0, 360, 255, -1 if dark else thick, cv2.LINE_AA)
    middle = ((x + x2) // 2, (y + y2) // 2)
    cv2.ellipse(line, middle, (round(0.12 * apart), 3), 0, 180, 360, 255, thick, cv2.LINE_AA)
    for eye, way in ((x, -1), (x2, 1)):
        start = eye + way * lens[0]
        cv2.line(line, (start, y), (start + way * round(0.3 * apart), y - 2), 255, thick)
    weight = (line / 255)[..., None]
    return np.rint(photo * (1 - weight) + weight * colour).astype(np.uint8), line


def inside(line: np.ndarray, window: Window) -> np.ndarray:
    """What of a picture of the photo's size lies in a window, which lies in the photo."""
    return line[window.top : window.top + window.height, window.left : window.left + window.width]


@pytest.fixture(scope="module")
def anime() -> Translator:
    return Translator.load("anime", device="cpu", dtype="float32")


# --- finding


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", [0.6, 1.0, 2.0, 5.0])
def test_painted_glasses_are_found_where_they_are(size: float, dark: bool) -> None:
    photo, line = painted(dark=dark)
    shape = (round(photo.shape[1] * size), round(photo.shape[0] * size))
    photo, line = (cv2.resize(picture, shape) for picture in (photo, line))
    (face,) = find_faces(bare(PLAIN), every=False)
    x, y, width = (length * size for length in face)
    found = find_glasses(photo, (x, y, width))
    assert found is not None
    assert found.shape == photo.shape[:2]
    assert found[line > 200].mean() > 0.8
    by = max(9, round(width / 12))
    near_by = cv2.dilate(line, np.ones((by, by), np.uint8)) > 0
    assert near_by[found].mean() > 0.8


@pytest.mark.parametrize("colour", [10, 60, 110, 250])
def test_rims_of_any_colour_are_found(colour: float) -> None:
    photo, line = painted(colour=colour)
    found = find_glasses(photo, find_faces(bare(PLAIN), every=False)[0])
    assert found is not None
    assert found[line > 200].mean() > 0.6


@pytest.mark.parametrize("tilt", [-15, 15])
def test_glasses_tilt_with_the_head(tilt: float) -> None:
    photo, line = painted()
    ((x, y, width),) = find_faces(bare(PLAIN), every=False)
    turn = cv2.getRotationMatrix2D((x, y), tilt, 1.0)
    photo, line = (cv2.warpAffine(p, turn, p.shape[1::-1]) for p in (photo, line))
    found = find_glasses(photo, (x, y, width))
    assert found is not None
    assert found[line > 200].mean() > 0.8


def test_faces_are_looked_at_upright_and_whole() -> None:
    photo = np.zeros((600, 800, 3), np.uint8)
    photo[200:400, 300:500] = 255
    for scale in (1.0, 0.2, 4.0):
        seen = cv2.resize(photo, None, fx=scale, fy=scale)
        face = near(seen, (400 * scale, 300 * scale, 200 * scale))
        assert face.shape == (*SEEN[::-1], 3)
        assert face[4:-4, 37:155].min() > 200
        assert face[:, :27].max() < 20


@pytest.mark.parametrize("grain", [0, 5, 20])
def test_real_rims_are_found_and_little_else(grain: int) -> None:
    photo = bare(WEARER)
    noise = np.random.default_rng(0).normal(0, grain, photo.shape)
    grainy = (photo + noise).clip(0, 255).astype(np.uint8)
    found = find_glasses(grainy, find_faces(photo, every=False)[0])
    assert found is not None
    rows, columns = np.nonzero(found)
    assert RIMS[0] <= rows.min() < rows.max() <= RIMS[1]
    assert np.ptp(columns) > 140
    assert 0.02 < found[RIMS[0] : RIMS[1], 170:350].mean() < 0.4


def test_who_wears_no_glasses_has_none() -> None:
    photo = bare(PLAIN)
    ((x, *rest),) = find_faces(photo, every=False)
    assert find_glasses(photo, (x, *rest)) is None
    assert find_glasses(cv2.GaussianBlur(photo, (0, 0), 1.5), (x, *rest)) is None
    assert (
        find_glasses(np.ascontiguousarray(photo[:, ::-1]), (photo.shape[1] - 1 - x, *rest)) is None
    )
    for grain in (5, 10, 20, 40):
        noise = np.random.default_rng(grain).normal(0, grain, photo.shape)
        assert find_glasses((photo + noise).clip(0, 255).astype(np.uint8), (x, *rest)) is None


@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_plain_picture_has_none(level: int) -> None:
    photo = np.full((200, 200, 3), level, np.uint8)
    assert find_glasses(photo, (100.0, 100.0, 120.0)) is None
    assert find_glasses(photo, (10.0, 190.0, 300.0)) is None


def test_threads_find_the_same_and_torch_keeps_its_threads() -> None:
    """Also those that begin later."""
    before = torch.get_num_threads()
    photos = [painted()[0], painted(dark=True)[0], bare(PLAIN), bare(WEARER)]
    faces = [find_faces(bare(name), every=False)[0] for name in (PLAIN, PLAIN, PLAIN, WEARER)]
    alone = [find_glasses(photo, face) for photo, face in zip(photos, faces, strict=True)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(find_glasses, 5 * photos, 5 * faces))
        assert {pool.submit(torch.get_num_threads).result() for _ in range(8)} == {before}
    assert torch.get_num_threads() == before
    count = min(2, os.cpu_count() or 1)
    begun = threading.Barrier(count)  # at once, so in different threads

    def own() -> int:
        begun.wait(60)
        return torch.get_num_threads()

    asked = [_workers().submit(own) for _ in range(count)]
    assert {answer.result() for answer in asked} == {1}
    for one, other in zip(together, 5 * alone, strict=True):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            np.testing.assert_array_equal(one, other)


# --- leaving


def test_a_walk_leaves_rims_as_they_are(anime: Translator) -> None:
    photo = bare(WEARER)
    (window,) = anime.windows(Photo(rgb=photo))
    seen_view = look(photo, window, keep_glasses=True)
    assert seen_view.mask is not None
    rim = ~seen_view.mask[0, 0].numpy()
    seen = extract(photo, window)

    def end(**wishes: bool) -> np.ndarray:
        *_, last = anime.frames(photo, Options(**wishes), measured=False)
        return to_array(last.step.x)[0].astype(int)

    kept, lost = end(keep_glasses=True), end(keep_glasses=False)
    np.testing.assert_array_equal(kept[rim], seen[rim])
    assert abs(lost - seen)[rim].mean() > 20
    assert abs(kept - seen)[~rim].mean() > 20
    np.testing.assert_array_equal(end(), kept)


def test_rims_are_as_sharp_as_the_photos(anime: Translator) -> None:
    """In a photo with four pixels for each that the network sees."""
    with Image.open(EXAMPLES / WEARER) as picture:
        large = picture.convert("RGB").resize((1536, 1800), Image.Resampling.LANCZOS)
    photo = np.asarray(large).copy()
    photo[::2, ::2] = (photo[::2, ::2] * 0.8).astype(np.uint8)  # a pattern that no window shows
    (window,) = anime.windows(Photo(rgb=photo))
    seen_view = look(photo, window, keep_glasses=True)
    assert seen_view.mask is not None
    rim = (~seen_view.mask[0, 0].numpy()).astype(np.uint8)
    kept = cv2.erode(rim, np.ones((3, 3), np.uint8))
    inside = cv2.resize(kept, (window.width, window.height), interpolation=cv2.INTER_NEAREST) > 0
    assert inside.sum() > 1000
    made, own = (
        part(pixels_, window)[inside].astype(int) for pixels_ in (np.asarray(anime(photo)), photo)
    )
    assert abs(made - own).mean() < 2


# --- dissolving


@pytest.mark.parametrize("colour", [0, 40, 90])
@pytest.mark.parametrize("light", [0.0, 0.15])
def test_rims_get_the_light_of_the_skin_beside_them(colour: float, light: float) -> None:
    photo, line = painted(colour=colour)
    face = find_faces(bare(PLAIN), every=False)[0]
    worn = find_glasses(photo, face)
    assert worn is not None
    given = np.full(worn.shape, light, np.float32)
    lighter = without_rims(photo, face, worn, given)
    assert (lighter.shape, lighter.dtype) == (worn.shape, np.float32)
    assert lighter.min() >= 0
    dark, plain = (cv2.cvtColor(p, cv2.COLOR_RGB2GRAY) / 255 for p in (photo, bare(PLAIN)))
    rim = (line > 200) & worn
    before = abs(dark - plain)[rim].mean()
    after = abs(dark + lighter - (plain + light).clip(0, 1))[rim].mean()
    assert before > 0.2  # dark lines on her
    assert after < before / 2  # brows and lashes are below, too
    far = cv2.dilate(worn.astype(np.uint8), np.ones((15, 15))) == 0
    np.testing.assert_array_equal(lighter[far], given[far])


def test_dark_lenses_stay_dark() -> None:
    photo, line = painted(dark=True)
    face = find_faces(bare(PLAIN), every=False)[0]
    worn = find_glasses(photo, face)
    assert worn is not None
    lighter = without_rims(photo, face, worn, np.zeros(worn.shape, np.float32))
    lens = cv2.erode(line, np.ones((9, 9))) > 200
    assert lens.sum() > 200
    assert (lighter[lens] == 0).all()


def test_a_walk_sets_out_without_the_rims_that_it_is_to_dissolve(anime: Translator) -> None:
    photo, line = painted()
    (window,) = anime.windows(Photo(rgb=bare(PLAIN)))
    for keep, relit in ((True, True), (False, False)):
        kept = look(photo, window, keep_glasses=keep, asked=Asked(relit=relit))
        assert (kept.shift is None) == (not relit)
    before, lost = (
        look(photo, window, keep_glasses=keep, asked=Asked(relit=True)) for keep in (True, False)
    )
    assert lost.mask is None
    assert torch.equal(lost.x, before.x)  # the photo itself
    assert before.shift is not None
    assert lost.shift is not None
    size = (window.out_width, window.out_height)
    rim = cv2.resize(inside(line, window), size, interpolation=cv2.INTER_AREA) > 200
    more = (lost.shift - before.shift)[0, 0].numpy()
    assert more[rim].mean() > 0.3
    assert more.min() >= 0


@pytest.mark.parametrize(("name", "needed"), [("cat", True), ("cartoon", True), ("night", False)])
def test_what_finds_glasses_is_there_before_the_first_photo(
    monkeypatch: pytest.MonkeyPatch, name: str, needed: bool
) -> None:
    prepared: list[str] = []
    monkeypatch.setattr(translator, "prepare_glasses", lambda: prepared.append(name))
    Translator.load(name, device="cpu")
    assert bool(prepared) == needed


def test_eyes_that_are_put_elsewhere_come_without_rims(anime: Translator) -> None:
    photo, line = painted()
    (window,) = anime.windows(Photo(rgb=bare(PLAIN)))
    asked = Asked(rimless=True)
    seen = look(photo, window, keep_glasses=False, asked=asked)
    assert torch.equal(seen.x, look(photo, window, keep_glasses=False).x)
    assert seen.shift is not None
    size = (window.out_width, window.out_height)
    rim = cv2.resize(inside(line, window), size, interpolation=cv2.INTER_AREA) > 200
    assert seen.shift[0, 0].numpy()[rim].mean() > 0.3
    assert float((seen.shift != 0).float().mean()) < 0.2  # in her own light elsewhere
    assert look(photo, window, keep_glasses=True, asked=asked).shift is None
    assert look(bare(PLAIN), window, keep_glasses=False, asked=asked).shift is None


def test_rims_dissolve(anime: Translator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines where they were are no darker than on her without glasses; without it they stay.

    With eyes as large as they are, too: those that get larger push rims aside.
    """
    photo, line = painted()
    (window,) = anime.windows(Photo(rgb=bare(PLAIN)))
    size = (window.out_width, window.out_height)
    rim = cv2.resize(inside(line, window), size, interpolation=cv2.INTER_AREA) > 150

    def lines(rgb: np.ndarray, eyes: float | None = None) -> float:
        options = Options(keep_glasses=False, eyes=eyes)
        *_, last = anime.frames(rgb, options, measured=False)
        end = cv2.cvtColor(to_array(last.step.x)[0], cv2.COLOR_RGB2GRAY)
        return float((end[rim] < 120).mean())

    assert lines(photo) < lines(bare(PLAIN)) + 0.1
    plain, lost = (lines(rgb, 1.0) for rgb in (bare(PLAIN), photo))
    monkeypatch.setattr(view, "without_rims", lambda rgb, face, worn, lighter: lighter)
    stay = lines(photo, 1.0)
    assert lost < plain + 0.1
    assert stay > lost + 0.1


@pytest.mark.parametrize("name", bundled_domains())
def test_a_card_decides_over_glasses(name: str) -> None:
    card = read_domain(Path(__file__).parents[1] / "weights" / name)
    assert card.face_glasses == (name == "anime")
    assert Options().keeps_glasses(card) == card.face_glasses
    assert Options(keep_glasses=True).keeps_glasses(card)
    assert not Options(keep_glasses=False).keeps_glasses(card)


def test_scenes_and_the_centre_keep_no_glasses(anime: Translator) -> None:
    photo = bare(WEARER)
    (window,) = anime.windows(Photo(rgb=photo), Options(framing="crop"))
    assert look(photo, window, keep_glasses=True).mask is None


def test_a_painted_region_and_rims_both_count(anime: Translator) -> None:
    photo = bare(WEARER)
    (window,) = anime.windows(Photo(rgb=photo))
    region = np.zeros(photo.shape[:2], bool)
    region[: round(window.top + 0.6 * window.height)] = True
    both, painted, rim = (
        look(photo, window, keep_glasses=keep, mask=mask).mask
        for keep, mask in ((True, region), (False, region), (True, None))
    )
    assert both is not None
    assert painted is not None
    assert rim is not None
    assert torch.equal(both, painted & rim)
    assert not torch.equal(both, painted)


def test_who_wears_glasses_changes_nobody_else_in_the_batch(anime: Translator) -> None:
    views: list[View] = []
    for photo in (bare(PLAIN), bare(WEARER), bare(PLAIN)[:, ::-1]):
        (window,) = anime.windows(Photo(rgb=photo))
        views.append(look(photo, window, keep_glasses=True))
    assert [view.mask is None for view in views] == [True, False, True]
    assert gathered([views[0], views[2]]).mask is None
    together, alone = (Engine(anime, Options(steps=4), size, print).run(views) for size in (3, 1))
    for one, other in zip(together, alone, strict=True):
        assert isinstance(one, End)
        assert isinstance(other, End)
        torch.testing.assert_close(one.step.x, other.step.x, rtol=0, atol=1e-4)
    kept = ~views[1].mask[0, 0]  # pyright: ignore[reportOptionalSubscript]
    assert torch.equal(together[1].step.x[0][:, kept], views[1].x[0][:, kept])  # pyright: ignore[reportAttributeAccessIssue]


def test_in_a_moving_picture_glasses_do_not_blink(cli: Cli, tmp_path: Path) -> None:
    wearer, other = (Image.fromarray(bare(name)[:512, :512]) for name in (WEARER, PLAIN))
    moved = wearer.transform(wearer.size, Image.Transform.AFFINE, (1, 0, 2, 0, 1, 0))
    made: list[np.ndarray] = []
    for number, frames in enumerate(([wearer, moved], [wearer, moved, other])):
        path = tmp_path / f"{number}.webp"
        frames[0].save(path, save_all=True, append_images=frames[1:], lossless=True)
        done = cli("batch", path, tmp_path / "out", "--device", "cpu", "--overwrite")
        assert done.code == 0, done.err
        with Image.open(tmp_path / "out" / path.name) as picture:
            made.append(np.asarray(picture.convert("RGB"), dtype=int))
    own = np.asarray(wearer, dtype=int)
    found = find_glasses(
        bare(WEARER)[:512, :512], find_faces(bare(WEARER)[:512, :512], every=False)[0]
    )
    assert found is not None
    kept, lost = (abs(picture - own)[found].mean() for picture in made)
    assert kept < 10
    assert lost > 20


def test_both_commands_keep_and_dissolve(cli: Cli, tmp_path: Path) -> None:
    Image.fromarray(bare(WEARER)).save(tmp_path / "in.png")
    flags = ("--keep-glasses", "--no-glasses")
    kept, lost = (made_by_both(cli, tmp_path / "in.png", flag) for flag in flags)
    assert (kept != lost)[RIMS[0] : RIMS[1]].any()
