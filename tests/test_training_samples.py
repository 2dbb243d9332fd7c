"""Sample grids show photos, and what becomes of them with all that a walk knows of a photo."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import EXAMPLES
from translate.framing import FaceSquare
from translate.image_io import to_array
from translate.training.config import Recipe
from translate.training.data import first_images, load_images
from translate.training.run import Session, run
from translate.training.samples import walk
from translate.training.trainer import Trainer
from translate.view import NOTHING, Asked, look_at, looked_for

PEOPLE = ("astronaut", "hopper")
SIZE = 64
RECIPE = {
    "name": "toy",
    "title": "Toy",
    "framing": "face",
    "face_relit": True,
    "face_eyes": 2.0,
    "seed": 3,
    "as_sampled": 1.0,
    "sample_steps": 3,
    "sample_travel": 0.3,
    "sample_bare": 0.8,
    "sample_dark": 0.8,
    "data": {
        "p_data": [{"path": "people"}],
        "p_0": [{"path": "people", "framing": "relit"}],
        "augment_p_0": {"crop": 0, "flip": 0},
    },
    "network": {"channels": [4, 8, 8, 8]},
    "stages": [
        {"size": SIZE, "updates": 1, "batch_size": 4, "learning_rate": 1e-3, "k_start": 1}
        | {"k_max": 1, "step_size": 0.5, "translated": 1.0}
    ],
}
WALKED = Asked(bare=True, dark=True)


@pytest.fixture
def trainer(tmp_path: Path) -> Trainer:
    (tmp_path / "people").mkdir()
    for name in PEOPLE:
        with Image.open(EXAMPLES / f"{name}.jpg") as photo:
            photo.save(tmp_path / "people" / f"{name}.png")
    recipe, cpu = Recipe.model_validate(RECIPE), torch.device("cpu")
    return Trainer(recipe, tmp_path, tmp_path / "cache", cpu, torch.float32)


def test_a_batch_keeps_every_bit_and_gets_what_is_asked() -> None:
    with Image.open(EXAMPLES / "astronaut.jpg") as photo:
        x = torch.from_numpy(np.array(photo.convert("RGB").crop((80, 0, 380, 300))))
    x = x.permute(2, 0, 1)[None] / 255 + 1e-4
    seen, found = look_at(x, WALKED), looked_for(to_array(x), WALKED)
    assert seen.x is x
    for ours, expected in ((seen.bare, found.bare), (seen.dark, found.dark)):
        assert ours is not None
        assert expected is not None
        assert ours.max() > 0.5
        assert torch.equal(ours, expected)
    assert look_at(x, NOTHING).dark is None


def test_sample_grids_show_photos_and_what_becomes_of_them(
    trainer: Trainer, tmp_path: Path
) -> None:
    session = Session(out=tmp_path / "run", samples_every=1, sample_count=2)
    for _ in run(trainer, session, threading.Event()):
        pass
    recipe, source = trainer.recipe, trainer.recipe.data.p_0[0]
    square = FaceSquare.of(recipe)
    photos = load_images(source.unlit, tmp_path, SIZE, trainer.cache, square=square)
    asked = Asked(relit=True, bare=True, eyes=2.0, dark=True)
    seen = look_at(first_images(photos, 2), asked)
    *_, last = walk(trainer.ema.energy, seen, recipe.descent_at(0))
    with Image.open(tmp_path / "run" / "samples" / "0000001.png") as grid:
        drawn = np.asarray(grid).astype(int)
    for index in range(2):
        columns = slice(2 + index * (SIZE + 2), 2 + index * (SIZE + 2) + SIZE)
        assert (drawn[2 : 2 + SIZE, columns] == photos[index]).all()
        below = drawn[4 + SIZE : 4 + 2 * SIZE, columns]
        assert abs(below - to_array(last.x)[index]).max() <= 1
