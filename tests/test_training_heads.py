"""The finder of heads: which ones colours cut out, before what it sees them; that it learns."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from tests.conftest import EXAMPLES
from translate.domain import WEIGHTS_FILE
from translate.matting import SEEN
from translate.networks.segmenter import Segmenter
from translate.training.heads import train as heads
from translate.training.heads.cutouts import (
    LARGE,
    Cutout,
    cut_as_told,
    cut_by_colour,
    looked_at,
    reduced,
)
from translate.training.heads.scenes import _moved, scene
from translate.training.segmenting import train_segmenter


def example(name: str) -> np.ndarray:
    with Image.open(EXAMPLES / name) as picture:
        return np.asarray(picture.convert("RGB"))


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    found = looked_at(example("astronaut.jpg"))
    assert found is not None
    return found


@pytest.fixture(scope="module")
def cutout(face: np.ndarray) -> Cutout:
    found = cut_by_colour(face)
    assert found is not None
    return found


def grounds(count: int = 3) -> np.ndarray:
    """Waves of two colours."""
    rng, places = np.random.default_rng(0), np.mgrid[:160, :160] / 160
    made = []
    for _ in range(count):
        wave = np.sin((places * rng.uniform(2, 20, (2, 1, 1))).sum(axis=0))[..., None]
        made.append(128 + wave * rng.uniform(-100, 100, 3))
    return np.stack(made).astype(np.uint8)


def test_a_face_is_looked_at_with_what_the_photo_shows(face: np.ndarray) -> None:
    assert face.shape == (LARGE, LARGE, 4)
    assert set(np.unique(face[..., 3])) == {0, 255}
    assert 0.9 < (face[..., 3] > 0).mean() < 1  # her photo ends above her
    assert (face[0, :, 3] == 0).all()
    assert looked_at(example("temple.jpg")[:200, :200]) is None


@pytest.mark.parametrize("name", ["astronaut.jpg", "hopper.jpg"])
def test_colours_cut_heads_out(name: str) -> None:
    face = looked_at(example(name))
    assert face is not None
    found = cut_by_colour(face)
    assert found is not None
    assert found.head.shape == found.person.shape == (LARGE, LARGE)
    assert (found.person >= found.head).all()
    assert found.head[LARGE // 2, LARGE // 2] == 1  # the nose
    assert found.head[LARGE // 2, ::255].max() < 0.1  # far to either side
    assert found.person[-8:, LARGE // 2].min() > 0.9 > 0.1 > found.head[-8:, LARGE // 2].max()


def test_a_head_of_its_grounds_colours_is_not_cut(face: np.ndarray, cutout: Cutout) -> None:
    rng = np.random.default_rng(0)
    hair = cutout.picture[: LARGE // 3][cutout.head[: LARGE // 3] > 0.9]
    ground = hair[rng.integers(len(hair), size=(LARGE, LARGE))]
    hidden = np.where(cutout.head[..., None] > 0.5, cutout.picture, ground)
    assert cut_by_colour(np.concatenate([hidden, face[..., 3:]], axis=2)) is None


def test_a_close_up_teaches_nothing(face: np.ndarray) -> None:
    near = face.copy()
    near[..., 3] = 0
    near[80:180, 90:166, 3] = 255
    assert cut_by_colour(near) is None


def test_colours_have_to_agree_with_a_network(face: np.ndarray, cutout: Cutout) -> None:
    likely = cv2.resize(cutout.head, (SEEN, SEEN), interpolation=cv2.INTER_AREA)
    told = cut_as_told(face, likely)
    assert told is not None
    assert np.abs(told.head - cutout.head).mean() < 0.02
    elsewhere = np.zeros((SEEN, SEEN), np.float32)
    elsewhere[:, : SEEN // 2] = 1
    assert cut_as_told(face, elsewhere) is None
    assert cut_as_told(face, np.full((SEEN, SEEN), 0.6, np.float32)) is None  # unsure of all


def test_scenes_keep_the_head_and_change_what_lies_behind(cutout: Cutout) -> None:
    shares, areas = [], []
    for seed in range(60):
        picture, head = scene(cutout, grounds(), np.random.default_rng(seed))
        assert (picture.shape, picture.dtype) == ((SEEN, SEEN, 3), np.uint8)
        assert (head.shape, head.dtype) == ((SEEN, SEEN), np.float32)
        assert 0 <= head.min() < 0.1 < 0.9 < head.max() <= 1
        areas.append(head.mean())
        shares.append(picture.std())
    assert len({round(float(area), 4) for area in areas}) > 50
    assert np.std(shares) > 5


def test_one_seed_makes_one_scene(cutout: Cutout) -> None:
    (a, m), (b, n) = (scene(cutout, grounds(), np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(m, n)


def test_picture_and_head_move_together(cutout: Cutout) -> None:
    white = np.rint(cutout.head * 255).astype(np.uint8)[..., None].repeat(3, axis=2)
    places = set()
    for seed in range(30):
        picture, head = _moved(white, cutout.head, np.random.default_rng(seed))
        assert np.abs(picture[..., 0] / 255 - head).max() < 0.02
        places.add(head.tobytes())
    assert len(places) == 30


def test_it_learns(cutout: Cutout, monkeypatch: pytest.MonkeyPatch) -> None:
    """From one head: it is found before grounds never seen, little else is."""
    monkeypatch.setattr(heads, "BATCH", 8)
    made = partial(heads.batch, [[cutout], [cutout]], grounds(20))
    model = train_segmenter(made, 120, seed=0)
    alike, by_colour = heads.measured(model, [cutout], grounds(30)[20:])
    assert 0.6 < alike < 1
    assert 0.3 < by_colour < 1


def test_both_trainings_end_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder, face, held_out in (("a", "astronaut", "temple"), ("b", "hopper", "astronaut")):
        (tmp_path / folder).mkdir()
        shutil.copy(EXAMPLES / f"{face}.jpg", tmp_path / folder / "face.jpg")
        shutil.copy(EXAMPLES / "rocket.jpg", tmp_path / folder / "none.jpg")
        shutil.copy(EXAMPLES / f"{held_out}.jpg", tmp_path / folder / "z.jpg")
    monkeypatch.setattr(heads, "SOURCES", (("a", 1), ("b", 1)))
    monkeypatch.setattr(heads, "GROUNDS", (("a", 1),))
    monkeypatch.setattr(heads, "ROUNDS", (2, 2))
    monkeypatch.setattr(heads, "BATCH", 2)
    assert [len(seen) for seen in heads.faces(tmp_path)] == [1, 1]
    assert [len(seen) for seen in heads.faces(tmp_path, held_out=True)] == [0, 1]
    monkeypatch.setattr(heads, "cut_as_told", lambda face, _: cut_by_colour(face))
    heads.train_twice(tmp_path, tmp_path / "out")
    said = capsys.readouterr().err
    assert "a: 1 of 1 heads are cut out" in said
    assert "intersection over union" in said
    Segmenter().load_state_dict(load_file(tmp_path / "out" / WEIGHTS_FILE))


def test_a_network_that_tells_nothing_ends_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    face = looked_at(example("astronaut.jpg"))
    assert face is not None
    assert reduced(face).shape == (SEEN, SEEN, 4)
    with pytest.raises(heads.InputError, match="no head stands out"):
        heads._cut([[face], [face]], lambda _: None)
    assert not list(tmp_path.iterdir())
