"""The finder of glasses learns from painted ones: what is painted and marked; that it learns."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from tests.conftest import EXAMPLES
from translate.domain import WEIGHTS_FILE
from translate.faces import find_faces
from translate.glasses import SEEN, near
from translate.networks.segmenter import Segmenter
from translate.training.glasses import train as glasses
from translate.training.glasses.clutter import without_glasses
from translate.training.glasses.painted import with_glasses
from translate.training.glasses.photos import moved
from translate.training.segmenting import train_segmenter


@pytest.fixture(scope="module")
def face() -> np.ndarray:
    with Image.open(EXAMPLES / "astronaut.jpg") as picture:
        photo = np.asarray(picture.convert("RGB"))
    return near(photo, find_faces(photo, every=False)[0])


def differing(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.abs(a.astype(int) - b).max(axis=2)


def test_what_is_painted_is_marked(face: np.ndarray) -> None:
    """Most of the marked is changed; most of what is changed much is marked."""
    shares, areas = [], []
    for seed in range(200):
        picture, mask = with_glasses(face, np.random.default_rng(seed))
        changed = differing(picture, face)
        assert (picture.dtype, picture.shape, mask.shape) == (np.uint8, face.shape, SEEN[::-1])
        assert mask.any()
        shares.append((changed[mask] > 5).mean())
        areas.append(mask.mean())
        rows = np.flatnonzero(mask.any(axis=1))
        assert 5 < rows.mean() < 100
    assert np.mean(shares) > 0.9
    assert min(areas) < 0.03  # thin rims
    assert 0.1 < max(areas) < 0.6  # sunglasses
    assert len({round(area, 4) for area in areas}) > 100


def test_one_seed_paints_one_picture(face: np.ndarray) -> None:
    (a, m), (b, n) = (with_glasses(face, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(m, n)


def test_other_things_come_before_a_face(face: np.ndarray) -> None:
    changed = [
        (differing(without_glasses(face, np.random.default_rng(seed)), face) > 20).mean()
        for seed in range(100)
    ]
    assert sum(share == 0 for share in changed) < 30
    assert np.mean(changed) > 0.05


def test_picture_and_mask_move_together(face: np.ndarray) -> None:
    mask = np.zeros(SEEN[::-1], bool)
    mask[40:80, 60:120] = True
    picture = np.repeat(mask[..., None] * np.uint8(255), 3, axis=2)
    for seed in range(20):
        moved_picture, moved_mask = moved(picture, mask, np.random.default_rng(seed))
        inside = moved_picture[..., 0] > 110
        assert (inside == moved_mask).all()
        assert not np.array_equal(moved_mask, mask)


def test_it_learns(face: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """From one face: painted glasses are marked, little else is."""
    monkeypatch.setattr(glasses, "BATCH", 8)
    seen = np.stack([face, face[::-1]])[None]
    model = train_segmenter(partial(glasses.batch, seen), 120, seed=0, marked=glasses.MARKED)
    marks, misses = [], []
    for seed in range(1000, 1010):
        picture, mask = with_glasses(face, np.random.default_rng(seed))
        with torch.inference_mode():
            found = model(torch.from_numpy(picture).permute(2, 0, 1)[None].float())[0] > 0
        marks.append(found.numpy()[mask].mean())
        misses.append(found.numpy()[~mask].mean())
    assert np.mean(marks) > 0.5
    assert np.mean(misses) < 0.1


def test_both_trainings_end_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "faces").mkdir()
    for name in ("a.jpg", "b.jpg"):
        shutil.copy(EXAMPLES / "astronaut.jpg", tmp_path / "faces" / name)
    shutil.copy(EXAMPLES / "hopper.jpg", tmp_path / "faces" / "z-held-out.jpg")
    monkeypatch.setattr(glasses, "SOURCES", (("faces", 1),))
    monkeypatch.setattr(glasses, "ROUNDS", (2, 2))
    monkeypatch.setattr(glasses, "BATCH", 2)
    monkeypatch.setattr(glasses, "SUSPECTED", 10**6)
    found = glasses.faces(tmp_path)
    assert found.shape == (2, 2, *SEEN[::-1], 3)
    glasses.train_twice(tmp_path, tmp_path / "out")
    Segmenter().load_state_dict(load_file(tmp_path / "out" / WEIGHTS_FILE))
    assert (tmp_path / "out" / WEIGHTS_FILE).stat().st_mode & 0o044
