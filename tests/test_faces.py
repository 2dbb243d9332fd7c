"""Every face or the largest: found, doubted, translated and pasted without a seam."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import EXAMPLES, Result, pixels, write_domain
from translate import Options, SettingsError, Translator, framing, pasting, translator
from translate.cropping import overlap
from translate.faces import _Detectors, _distinct, find_faces, flaw
from translate.framing import Window, extract, find_windows
from translate.matting import around
from translate.pasting import paste, paste_all
from translate.pgd import Step
from translate.training.heads.cutouts import cut_by_colour, looked_at
from translate.ui.catalog import Catalog
from translate.ui.studio import Studio, Wish
from translate.ui.walks import CLOSE
from translate.ui.words import story

Cli = Callable[..., Result]
ALL = Options(faces="all")
NOSE = (114, 93)  # of `head`, x and y, read off the picture


def head(scale: float = 1.0) -> np.ndarray:
    """The astronaut's head and collar, 230×280 pixels at scale 1; her face is 97 wide."""
    with Image.open(EXAMPLES / "astronaut.jpg") as picture:
        part = picture.convert("RGB").crop((110, 20, 340, 300))
    size = (round(230 * scale), round(280 * scale))
    return np.asarray(part.resize(size, Image.Resampling.LANCZOS))


def wall(height: int, width: int, *heads: tuple[np.ndarray, int, int]) -> np.ndarray:
    """Heads on a plain wall, each with its left and top."""
    photo = np.full((height, width, 3), 190, np.uint8)
    for pixels_, left, top in heads:
        photo[top : top + pixels_.shape[0], left : left + pixels_.shape[1]] = pixels_
    return photo


PLACES = [(1.0, 30, 40), (0.75, 300, 150), (0.5, 520, 60)]  # scale, left and top


@pytest.fixture(scope="module")
def group() -> np.ndarray:
    return wall(420, 640, *((head(scale), left, top) for scale, left, top in PLACES))


@pytest.fixture(scope="module")
def tiny_face(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_domain(tmp_path_factory.mktemp("domains") / "tiny-face", framing="face")


@pytest.fixture(scope="module")
def tiny(tiny_face: Path) -> Translator:
    return Translator.load(str(tiny_face), device="cpu", dtype="float32")


def outside(photo: np.ndarray, windows: tuple[Window, ...]) -> np.ndarray:
    """(H,W) bool: what lies in no window."""
    kept = np.ones(photo.shape[:2], bool)
    for w in windows:
        kept[w.top : w.top + w.height, w.left : w.left + w.width] = False
    return kept


# --- finding and doubting


def test_every_face_of_a_group_is_found_the_largest_first(group: np.ndarray) -> None:
    windows = find_windows(group, framing="face", size=64, faces="all")
    assert [w.note for w in windows] == [None] * 3
    for window, (scale, left, top) in zip(windows, PLACES, strict=True):
        x = (left + NOSE[0] * scale - window.left) / window.width
        y = (top + NOSE[1] * scale - window.top) / window.height
        assert abs(x - 0.5) < 0.12
        assert 0.35 < y < 0.65
        assert 110 * scale < window.width < 250 * scale
        assert (window.out_width, window.out_height) == (64, 64)
        assert window.face
        assert window.usable


def test_the_largest_is_one_of_them_and_the_others_are_mentioned(group: np.ndarray) -> None:
    (window,) = find_windows(group, framing="face", size=64)
    assert window.note == (
        "Several faces were found and the largest was taken; choose all faces to take each."
    )
    first = find_windows(group, framing="face", size=64, faces="all")[0]
    assert replace(window, note=None) == first


@pytest.mark.parametrize("width", [300, 361, 478, 596])
@pytest.mark.parametrize("scale", [0.33, 0.5, 0.8, 1.0])
def test_the_quicker_search_finds_the_face_that_a_whole_search_does(
    width: int, scale: float
) -> None:
    photo = wall(310, width, (head(scale), 40, 20))
    (quick,), (whole,) = (find_faces(photo, every=every) for every in (False, True))
    assert quick == pytest.approx(whole, abs=0.02 * whole[2])


@pytest.mark.parametrize("name", ["temple.jpg", "coffee.jpg", "rocket.jpg"])
def test_without_a_face_all_of_them_is_the_centre(name: str) -> None:
    with Image.open(EXAMPLES / name) as picture:
        photo = np.asarray(picture.convert("RGB"))
    (window,) = find_windows(photo, framing="face", size=64, faces="all")
    assert window.note == "No face was found, so the centre of the photo was used."
    assert not window.face


@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize(
    ("name", "left", "top", "side"),
    [
        ("astronaut", 300, 104, 128),
        ("cat", 99, 80, 84),
        ("cat", 258, 1, 64),
        ("cat", 292, 152, 51),
        ("coffee", 236, 118, 270),
        ("hopper", 255, 457, 106),
        ("rocket", 450, 210, 147),
    ],
)
def test_what_only_resembles_a_face_is_none(
    name: str, left: int, top: int, side: int, every: bool
) -> None:
    """Parts of the examples with a box about a quarter as wide as they are, and no face."""
    with Image.open(EXAMPLES / f"{name}.jpg") as picture:
        part = picture.convert("RGB").crop((left, top, left + side, top + side))
    photo = np.asarray(part.resize((256, 256), Image.Resampling.BICUBIC))
    assert find_faces(photo, every=every) == []


@pytest.mark.parametrize("faces", ["all", "largest"])
def test_a_tiny_face_is_left_alone(tiny: Translator, faces: framing.Faces) -> None:
    photo = wall(120, 200, (head(0.28), 60, 20))
    (window,) = find_windows(photo, framing="face", size=32, faces=faces)
    assert not window.usable
    (frame,) = tiny.frames(photo, Options(faces=faces, seed=3))
    assert frame.note == "Faces left alone: 1 too small."
    np.testing.assert_array_equal(np.asarray(frame.image), photo)


def test_a_blurred_face_is_left_alone_and_the_others_are_not(
    group: np.ndarray, tiny: Translator
) -> None:
    photo = group.copy()
    photo[:, :280] = cv2.GaussianBlur(group, (0, 0), 5.5)[:, :280]  # the largest
    first, second = find_windows(photo, framing="face", size=32, faces="all")
    assert first.note == "Faces left alone: 1 too blurred."
    assert min(first.left, second.left) > 280
    (largest,) = find_windows(photo, framing="face", size=32)
    assert abs(largest.left - first.left) < 10
    assert largest.note is not None
    made = tiny(photo, ALL)
    np.testing.assert_array_equal(made[:, :280], photo[:, :280])
    assert (made[:, 280:] != photo[:, 280:]).any()


def test_a_soft_but_honest_portrait_is_taken() -> None:
    photo = cv2.GaussianBlur(wall(280, 230, (head(), 0, 0)), (0, 0), 1.5)
    (face,) = find_faces(photo, every=True)
    assert flaw(photo, face) is None


def test_searches_at_once_share_no_detector_and_later_ones_do() -> None:
    detectors = _Detectors()
    with detectors.one() as first, detectors.one() as second:
        assert first is not second
    with detectors.one() as later:
        assert later in (first, second)


def test_a_box_inside_a_larger_one_is_the_same_face() -> None:
    boxes = [(100.0, 100.0, 40.0), (104.0, 96.0, 80.0), (150.0, 100.0, 60.0), (105.0, 96.0, 80.0)]
    assert _distinct(boxes) == [(105.0, 96.0, 80.0), (150.0, 100.0, 60.0)]


@pytest.mark.parametrize("faces", ["both", "", None])
def test_other_faces_are_refused(faces: framing.Faces) -> None:
    with pytest.raises(SettingsError, match="use all or largest"):
        find_windows(np.zeros((8, 8, 3), np.uint8), framing="crop", size=8, faces=faces)
    with pytest.raises(SettingsError, match="use all or largest"):
        Options(faces=faces)


# --- pasting

SQUARE = Window(
    left=40, top=30, width=200, height=200, out_width=50, out_height=50, face=(140.0, 120.0, 129.0)
)


def steepest(photo: np.ndarray) -> int:
    """Largest jump between neighbours."""
    values = photo.astype(int)
    return max(int(np.abs(np.diff(values, axis=axis)).max()) for axis in (0, 1))


@pytest.mark.usefixtures("head_everywhere")
def test_a_lighter_result_leaves_no_seam() -> None:
    photo, lighter = np.full((300, 300, 3), 100, np.uint8), np.full((50, 50, 3), 200, np.uint8)
    pasted, square = (
        paste(photo, SQUARE, lighter),
        paste(photo, replace(SQUARE, face=None), lighter),
    )
    assert (pasted[100:160, 110:170] == 200).all()
    assert steepest(pasted) <= 3
    assert steepest(square) > 4
    np.testing.assert_array_equal(pasted[30:40], photo[30:40])  # the outer twentieth stays
    corner = pasted[30:70, 40:80]  # background, in a portrait
    assert (corner == 100).mean() > 0.7
    assert (square[30:70, 40:80] > 150).mean() > 0.1
    np.testing.assert_array_equal(pasted[30:230, 40:240], pasted[30:230, 40:240][::-1, ::-1])


@pytest.mark.usefixtures("head_everywhere")
def test_a_result_with_ears_is_pasted_up_to_its_upper_corners() -> None:
    photo, lighter = np.full((300, 300, 3), 100, np.uint8), np.full((50, 50, 3), 200, np.uint8)
    oval, full = (paste(photo, replace(SQUARE, corners=c), lighter) for c in (False, True))
    assert (full[80:130, 95:185] == 200).all()
    assert (full[60:65, 70:75] > 140).all()  # where ears are
    assert (oval[60:65, 70:75] < 110).all()
    assert (full[205:210, 60:65] == 100).all()  # and where shoulders are
    fine = replace(SQUARE, corners=True, out_width=200, out_height=200)
    large = paste(photo, fine, np.full((200, 200, 3), 200, np.uint8))
    assert (large[125:135, 40:45] == 100).all()  # light ends before lines do
    assert steepest(full) <= 6
    np.testing.assert_array_equal(full[30], photo[30])


@pytest.mark.usefixtures("head_everywhere")
def test_drawn_hair_is_pasted_further_out_than_shoulders() -> None:
    photo, lighter = np.full((300, 300, 3), 100, np.uint8), np.full((50, 50, 3), 200, np.uint8)
    usual, hair = (paste(photo, replace(SQUARE, drawn=d), lighter) for d in (False, True))
    assert (hair[64:120, 110:170] == 200).all()
    assert (usual[60:65, 135:145] < 180).all()
    np.testing.assert_array_equal(hair[180:], usual[180:])  # shoulders
    assert (hair >= usual).all()
    assert steepest(hair) <= 6
    np.testing.assert_array_equal(hair[30], photo[30])
    np.testing.assert_array_equal(hair[:, [39, 40, 239, 240]], photo[:, [39, 40, 239, 240]])


@pytest.mark.usefixtures("head_everywhere")
@pytest.mark.parametrize("skin", [110, 220])
@pytest.mark.parametrize("place", [np.s_[50:55, 120:160], np.s_[90:105, 76:82]])
def test_a_drawing_lightens_no_dark_hair(skin: int, place: tuple[slice, slice]) -> None:
    """A drawn cap of hair that is smaller than the person's leaves no pale gap."""
    face = cv2.ellipse(np.zeros((300, 300), np.uint8), (140, 130), (45, 60), 0, 0, 360, 255, -1)

    def pasted(hair: int, level: int, *, drawn: bool = True) -> np.ndarray:
        photo = np.where(face > 0, skin, hair).astype(np.uint8)[..., None].repeat(3, axis=2)
        result = np.full((50, 50, 3), level, np.uint8)
        return paste(photo, replace(SQUARE, drawn=drawn), result).astype(int)

    dark, fair = skin // 4, skin * 9 // 10
    assert 0 <= (pasted(dark, 230)[place] - dark).max() <= 50
    assert pasted(dark, 230, drawn=False)[place].max() > dark + 60
    assert (pasted(dark, 230)[110:150, 120:160] == 230).all()  # the face
    for hair, level in ((fair, 230), (fair, 10), (dark, 0)):  # and what is drawn darker
        assert abs(pasted(hair, level)[place] - level).max() <= 0.45 * abs(hair - level)


@pytest.mark.usefixtures("head_everywhere")
def test_at_the_borders_of_the_photo_nothing_fades() -> None:
    photo, result = np.zeros((200, 300, 3), np.uint8), np.full((50, 50, 3), 200, np.uint8)
    photo[:, :200] = 90  # a head that leaves no room on three sides
    corner = replace(SQUARE, left=0, top=0, face=(100.0, 100.0, 129.0))
    pasted = paste(photo, corner, result)
    assert (pasted[0, :100] == 200).all()
    assert (pasted[-1, :100] == 200).all()
    assert (pasted[:, 0] == 200).all()
    np.testing.assert_array_equal(pasted[:, 191:], photo[:, 191:])
    whole = replace(corner, width=300, face=(150.0, 100.0, 290.0))
    assert (paste(photo, whole, result) == 200).all()


@pytest.mark.usefixtures("head_everywhere")
@pytest.mark.parametrize("corners", [False, True])
def test_beside_a_head_it_fades_at_the_borders_of_the_photo_too(corners: bool) -> None:
    photo, result = np.full((200, 200, 3), 90, np.uint8), np.full((50, 50, 3), 200, np.uint8)
    window = replace(SQUARE, left=0, top=0, face=(100.0, 100.0, 80.0), corners=corners)
    pasted = paste(photo, window, result)
    assert (pasted[90:110, 90:110] == 200).all()
    for border in (pasted[0], pasted[-1], pasted[:, 0], pasted[:, -1]):
        assert (border == 90).all()


@pytest.mark.usefixtures("head_everywhere")
def test_the_later_of_two_results_is_on_top() -> None:
    photo = np.full((300, 400, 3), 100, np.uint8)
    other = replace(SQUARE, left=160, face=(260.0, 120.0, 129.0))
    black, white = np.zeros((50, 50, 3), np.uint8), np.full((50, 50, 3), 255, np.uint8)
    pasted = paste_all(photo, [(SQUARE, black), (other, white)])
    assert (pasted[110:150, 240:280] == 255).all()
    assert (pasted[110:150, 120:150] == 0).all()
    assert steepest(pasted) <= 9
    np.testing.assert_array_equal(pasted[:30], photo[:30])


@pytest.mark.usefixtures("head_everywhere")
def test_large_photos_are_pasted_in_strips_without_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    photo = np.full((900, 800, 3), 100, np.uint8)
    window = replace(SQUARE, left=20, top=30, width=760, height=760, face=(400.0, 372.0, 490.0))
    pasted = paste(photo, window, np.full((50, 50, 3), 200, np.uint8))
    assert steepest(pasted) <= 1
    monkeypatch.setattr(pasting, "_STRIP", 10_000)
    whole = paste(photo, window, np.full((50, 50, 3), 200, np.uint8))
    np.testing.assert_array_equal(pasted, whole)


def test_a_wall_that_the_model_lightened_is_no_halo() -> None:
    """A dark head before a grey wall; the model draws the head as it was and the wall white."""
    window = replace(SQUARE, face=(140.0, 130.0, 75.0))
    photo = np.full((300, 300, 3), 150, np.uint8)
    photo[90:170, 100:180] = 30
    seen = extract(photo, window)
    drawn = np.where(seen > 90, 245, seen).astype(np.uint8)
    pasted = paste(photo, window, drawn).astype(int)
    assert np.abs(pasted[90:170, 66:74] - 150).max() < 3
    assert np.abs(pasted - photo)[:, :92].max() < 15
    assert np.abs(pasted[100:160, 110:170] - 30).max() < 15
    np.testing.assert_array_equal(pasted[30:40], photo[30:40])


def test_the_middle_of_a_face_is_the_result() -> None:
    """Lines and light, as the model drew them."""
    photo, noisy = np.full((300, 300, 3), 100, np.uint8), np.zeros((200, 200, 3), np.uint8)
    noisy[:] = np.random.default_rng(0).integers(0, 256, (200, 200, 1))
    square = replace(SQUARE, out_width=200, out_height=200)
    pasted = paste(photo, square, noisy)
    np.testing.assert_array_equal(pasted[115:145, 125:155], noisy[85:115, 85:115])


# --- translating


def test_all_faces_change_and_nothing_else(group: np.ndarray, tiny: Translator) -> None:
    first, *_, last = tiny.frames(group, ALL)
    assert len(last.windows) == 3
    assert last.step.x.shape == (3, 3, 32, 32)
    assert last.energy == pytest.approx(float(last.step.energy.mean()))
    np.testing.assert_array_equal(np.asarray(first.image), group)
    made = np.asarray(last.image)
    away = outside(group, last.windows)
    np.testing.assert_array_equal(made[away], group[away])
    for w in last.windows:
        middle = np.s_[w.top + w.height // 3 : w.top + w.height // 2, w.left + w.width // 2]
        assert np.abs(made[middle].astype(int) - group[middle]).mean() > 2
    np.testing.assert_array_equal(tiny(group, replace(ALL, strength=0.0)), group)


def test_each_face_walks_as_it_would_alone(group: np.ndarray, tiny: Translator) -> None:
    together = list(tiny.frames(group, ALL))
    alone = list(tiny.frames(group))
    assert len(together) == len(alone)
    for a, b in zip(together, alone, strict=True):
        assert float(a.step.energy[0]) == pytest.approx(b.energy, abs=1e-4)


def test_many_faces_go_a_few_at_a_time(
    group: np.ndarray, tiny: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    class Counting(Translator):
        def energy(self, x: torch.Tensor, halvings: int = 0) -> torch.Tensor:
            seen.append(len(x))
            return super().energy(x, halvings)

    options = replace(ALL, strength="auto")
    whole = list(tiny.frames(group, options))
    monkeypatch.setattr(translator, "PIECE", 2)
    counting = Counting(tiny.domain, tiny.model, tiny.device, tiny.dtype)
    pieces = list(counting.frames(group, options))
    assert set(seen) == {1, 2}
    assert [f.index for f in pieces] == [f.index for f in whole]
    assert [f.last for f in pieces] == [f.last for f in whole]
    difference = np.asarray(pieces[-1].image).astype(int) - np.asarray(whole[-1].image)
    assert np.abs(difference).max() <= 1


def test_a_face_whose_energy_hardly_fell_is_left_alone(group: np.ndarray, tiny: Translator) -> None:
    first, *_, last = tiny.frames(group, ALL)
    assert last.stuck == (False, False, False)
    energy = last.step.energy.clone()
    energy[0] = first.step.energy[0] + 0.5
    energy[2] = first.step.energy[2] - 0.5 * last.least_fall * last.step.distance[2]
    step = Step(last.index, last.step.x, energy, last.step.distance, last.step.active)
    frame = replace(last, step=step)
    assert frame.stuck == (True, False, True)
    assert frame.note == "2 faces left alone: the energy hardly fell."
    made = np.asarray(frame.image)
    away = outside(group, last.windows[1:2])
    np.testing.assert_array_equal(made[away], group[away])
    assert (made != group).any()
    risen = Step(last.index, last.step.x, first.step.energy + 1, last.step.distance, step.active)
    np.testing.assert_array_equal(np.asarray(replace(last, step=risen).image), group)


def test_two_heads_side_by_side_overlap_without_a_seam(tiny: Translator) -> None:
    photo = wall(300, 420, (head()[:, 30:], 160, 10), (head(0.8)[:, :150], 60, 50))
    *_, last = tiny.frames(photo, ALL)
    near, far = last.windows
    assert far.left + far.width > near.left
    made = np.asarray(last.image).astype(int)
    for w in last.windows:
        y, x = w.top + round(0.45 * w.height), w.left + w.width // 2
        assert np.abs(made - photo)[y - 5 : y + 5, x - 5 : x + 5].mean() > 2
    away = outside(photo, last.windows)
    np.testing.assert_array_equal(made[away], photo[away])


def test_a_mask_holds_for_every_face(group: np.ndarray, tiny: Translator) -> None:
    mask = np.zeros(group.shape[:2], bool)
    mask[:, 130:400] = True
    *_, frame = tiny.frames(group, ALL, mask)
    made = np.asarray(frame.image)
    np.testing.assert_array_equal(made[~mask], group[~mask])
    for w in frame.windows[:2]:
        box = np.s_[w.top : w.top + w.height, w.left : w.left + w.width]
        assert (made[box] != group[box]).any()


def test_a_crop_shows_the_largest_face(group: np.ndarray, tiny: Translator) -> None:
    crops = [tiny(group, Options(faces=f, crop_only=True)) for f in ("all", "largest")]
    assert crops[0].shape == (32, 32, 3)
    np.testing.assert_array_equal(*crops)


# --- the commands and the page


def test_the_commands_give_what_the_python_api_gives(
    cli: Cli, tiny: Translator, tiny_face: Path, group: np.ndarray, tmp_path: Path
) -> None:
    photos = {
        "a.png": group,
        "b.png": np.ascontiguousarray(group[:, :300]),
        "c.png": wall(120, 200, (head(0.28), 60, 20)),
        "d.png": np.ascontiguousarray(group[:, ::-1]),
    }
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    for name, photo in photos.items():
        Image.fromarray(photo).save(source / name)
    flags = ("--domain", tiny_face, "--faces", "all", "--device", "cpu", "--dtype", "float32")
    done = cli("batch", source, out, *flags, "--batch-size", 2)
    assert done.code == 0, done.err
    lines = [json.loads(line) for line in (out / "run.jsonl").read_text().splitlines()]
    records = {line["input"]: line for line in lines}
    assert [records[name]["faces"] for name in photos] == [3, 1, 0, 3]
    assert records["c.png"]["energy_before"] is None
    assert records["c.png"]["note"] == "Faces left alone: 1 too small."
    for name, photo in photos.items():
        *_, frame = tiny.frames(photo, ALL)
        difference = pixels(out / name).astype(int) - np.asarray(frame.image)
        assert np.abs(difference).max() <= 1
        if records[name]["faces"]:
            assert records[name]["energy_after"] == pytest.approx(frame.energy, abs=1e-3)
    np.testing.assert_array_equal(pixels(out / "c.png"), photos["c.png"])

    made = {name: (out / name).read_bytes() for name in photos}
    (out / "b.png").unlink()
    again = cli("batch", source, out, *flags, "--batch-size", 2)
    assert "3 skipped" in again.out
    assert {name: (out / name).read_bytes() for name in photos} == made

    one = cli("image", source / "a.png", tmp_path / "one.png", *flags)
    assert one.code == 0, one.err
    np.testing.assert_array_equal(pixels(tmp_path / "one.png"), tiny(group, ALL))
    largest = cli("image", source / "a.png", tmp_path / "largest.png", *flags[:2])
    assert "note: Several faces were found and the largest was taken" in largest.err


def test_the_page_keeps_every_face_of_every_state(
    group: np.ndarray, tiny_face: Path, tmp_path: Path
) -> None:
    Image.fromarray(group).save(tmp_path / "group.png")
    studio = Studio(Catalog([str(tiny_face)], device="cpu"))
    wish = Wish(photo=str(tmp_path / "group.png"), domain="tiny-face", options=ALL)
    *_, walk = studio.walk(wish)
    frames = list(studio.catalog.translator("tiny-face").frames(group, ALL))
    assert walk.energies == [frame.energy for frame in frames]
    for index, frame in enumerate(frames):
        np.testing.assert_array_equal(np.asarray(walk.picture(index)), np.asarray(frame.image))
    assert "3 faces were found." in story(walk, walk.last)
    walk.view = CLOSE
    assert walk.shown(walk.last).width > 600  # close up on all of them


def test_the_bundled_domain_leaves_no_square_around_a_face() -> None:
    anime = Translator.load("anime", device="cpu", dtype="float32")
    with Image.open(EXAMPLES / "astronaut.jpg") as picture:
        photo = np.asarray(picture.convert("RGB"))
    *_, frame = anime.frames(photo)
    assert frame.note is None
    (w,) = frame.windows
    change = np.abs(np.asarray(frame.image).astype(int) - photo).max(axis=2)
    inside = change[w.top : w.top + w.height, w.left : w.left + w.width]
    rim = round(0.05 * w.width)
    assert inside[rim * 6 : -rim * 6, rim * 6 : -rim * 6].mean() > 15
    face = looked_at(photo)
    assert face is not None
    cut = cut_by_colour(face)
    assert cut is not None
    own = np.zeros(photo.shape[:2], np.float32)  # her hair reaches into the rim, the wall does not
    left, top, side, _ = around(w.face or (0, 0, 0))
    part = overlap((left, top, side, side), (photo.shape[1], photo.shape[0]))
    head = cv2.resize(cut.head, (side, side))[part[1] - top :, part[0] - left :]
    own[part[1] : part[1] + part[3], part[0] : part[0] + part[2]] = head[: part[3], : part[2]]
    near = cv2.dilate(own, np.ones((3, 3)))[w.top : w.top + w.height, w.left : w.left + w.width]
    for edge in (np.s_[:rim], np.s_[-rim:], np.s_[:, :rim], np.s_[:, -rim:]):
        assert not inside[edge][near[edge] < 0.1].any()
    for border in (inside[0], inside[-1], inside[:, 0], inside[:, -1]):
        assert not border.any()
    away = cv2.dilate(near, np.ones((9, 9))) < 0.02
    assert away.mean() > 0.2
    assert inside[away].max() <= 2  # nor anywhere else
