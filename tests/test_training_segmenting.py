"""What the finders of glasses and of heads share: pictures, folding, files, mistakes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from tests.conftest import EXAMPLES
from translate.domain import WEIGHTS_FILE
from translate.networks.segmenter import STRIDE, Segmenter
from translate.training.segmenting import photographed

FINDERS = ("glasses", "heads")


def test_photographs_differ_in_light_and_stay_pictures() -> None:
    with Image.open(EXAMPLES / "astronaut.jpg") as picture:
        face = np.asarray(picture.convert("RGB").crop((120, 40, 312, 168)))
    means = []
    for seed in range(40):
        picture = photographed(face, np.random.default_rng(seed))
        assert (picture.dtype, picture.shape) == (np.uint8, face.shape)
        means.append(picture.mean())
    assert np.std(means) > 10


def test_folding_changes_nothing() -> None:
    torch.manual_seed(0)
    model = Segmenter(normalised=True)
    x = torch.rand(4, 3, 2 * STRIDE, 3 * STRIDE) * 255
    for _ in range(3):
        model(x)  # so that means and variances are no longer 0 and 1
    model.eval()
    with torch.no_grad():
        torch.testing.assert_close(model.folded()(x), model(x), rtol=1e-4, atol=1e-4)
    assert model(x).shape == (4, 2 * STRIDE, 3 * STRIDE)


@pytest.mark.parametrize("finder", FINDERS)
@pytest.mark.parametrize(
    ("given", "words"),
    [([], "usage: python -m translate.training."), (["nowhere", "out"], "no such folder")],
)
def test_a_mistake_gets_one_sentence(
    given: list[str], words: str, finder: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", f"translate.training.{finder}", *given]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("finder", FINDERS)
def test_the_bundled_weights_fit(finder: str) -> None:
    folder = EXAMPLES.parent / "weights" / finder
    weights = load_file(folder / WEIGHTS_FILE)
    Segmenter().load_state_dict(weights)
    assert {value.dtype for value in weights.values()} == {torch.float16}
    assert (folder / WEIGHTS_FILE).stat().st_size < 2**18
    assert f"translate.training.{finder}" in (folder / "README.md").read_text(encoding="utf-8")
