"""Dark spots that are filled, and lines that are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage
from torch import Tensor

import translate.frame as frame_module
from translate import Options, Translator
from translate.pgd import descend
from translate.pgd_settings import PGD
from translate.specks import SPAN, cleared, despeckled

EXAMPLES = Path(__file__).parents[1] / "examples"
LENGTH = 7.0  # 7 pixels standing, 5 lying or slanting


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def paper(height: int = 24, width: int = 24) -> Tensor:
    return torch.full((1, 1, height, width), 0.9)


def test_it_is_the_least_of_four_closings() -> None:
    """Against SciPy's, on pictures of any shape whose border is continued."""
    x = noise(2, 3, 11, 17)
    lines = [np.ones((7, 1)), np.ones((1, 5)), np.eye(5), np.eye(5)[::-1]]
    found = despeckled(x, LENGTH)
    for picture, channel in np.ndindex(2, 3):
        wide = np.pad(x[picture, channel].numpy(), 20, mode="edge")
        closed = [ndimage.grey_closing(wide, footprint=line) for line in lines]
        expected = np.minimum.reduce(closed)[20:-20, 20:-20]
        np.testing.assert_array_equal(found[picture, channel].numpy(), expected)


@given(
    seed=st.integers(0, 999),
    length=st.floats(0, 12),
    height=st.integers(1, 20),
    width=st.integers(1, 20),
)
def test_it_is_a_closing(seed: int, length: float, height: int, width: int) -> None:
    """It darkens nothing, keeps the order of pictures, finds nothing left to fill, and each picture
    of a batch is on its own."""
    x = noise(2, 1, height, width, seed=seed)
    once = despeckled(x, length)
    assert once.shape == x.shape
    assert bool((once >= x).all())
    assert float(once.max()) <= float(x.max())
    assert torch.equal(despeckled(once, length), once)
    lighter = (x + 0.3 * noise(2, 1, height, width, seed=seed + 1)).clamp(0, 1)
    assert bool((despeckled(lighter, length) >= once).all())
    assert torch.equal(once[1:], despeckled(x[1:], length))


@pytest.mark.parametrize("side", [1, 2, 4])
def test_a_dot_is_filled(side: int) -> None:
    x = paper()
    x[..., 10 : 10 + side, 9 : 9 + side] = 0.1
    assert torch.equal(despeckled(x, LENGTH), paper())
    assert torch.equal(despeckled(x, 1.0), x)  # nothing is shorter than one pixel


@pytest.mark.parametrize(
    ("down", "across", "enough"), [(1, 0, 7), (0, 1, 5), (1, 1, 5), (1, -1, 5)]
)
def test_a_line_stays_and_a_shorter_one_goes(down: int, across: int, enough: int) -> None:
    for count, stays in ((enough, True), (enough - 1, False)):
        x = paper()
        for step in range(count):
            x[..., 12 + down * step, 12 + across * step] = 0.1
        assert torch.equal(despeckled(x, LENGTH), x if stays else paper())


def test_light_in_dark_eyes_stays() -> None:
    x = paper()
    x[..., 8:16, 8:16] = 0.1
    x[..., 10, 10] = 1.0
    assert torch.equal(despeckled(x, LENGTH), x)


def test_each_move_sets_out_from_a_picture_without_specks() -> None:
    source = noise(2, 3, 16, 16).float()
    still = PGD(steps=2, step_size=1.0, despeckle=LENGTH)
    first, second, third = (
        step.x for step in descend(lambda x: 0 * x.flatten(1).sum(1), source, still)
    )
    assert torch.equal(first, source)
    assert torch.equal(second, despeckled(source, LENGTH))
    assert torch.equal(third, second)
    mask = torch.zeros(1, 1, 16, 16, dtype=torch.bool)
    *_, masked = descend(lambda x: x.flatten(1).sum(1), source, still, mask=mask)
    assert torch.equal(masked.x, source)
    near = PGD(steps=2, step_size=0.1, despeckle=LENGTH, eps=0.5)
    *_, bound = descend(lambda x: x.flatten(1).sum(1), source, near)
    assert bool((bound.distance <= 0.5 + 1e-5).all())


def test_strokes_go_where_skin_is_bare() -> None:
    """Against SciPy's closing by a square and its mean; half of a stroke where it is half bare."""
    x, places = noise(2, 3, 33, 40), noise(2, 1, 33, 40, seed=1)
    places[..., :12] = 0
    found = cleared(x, places)
    side = round(SPAN * 33)
    assert side == 4
    for picture, channel in np.ndindex(2, 3):
        wide = np.pad(x[picture, channel].numpy(), 10, mode="edge")
        closed = ndimage.grey_closing(wide, footprint=np.ones((side, side)))[10:-10, 10:-10]
        inside = ndimage.uniform_filter(np.ones_like(closed), 3, mode="constant")
        closed = ndimage.uniform_filter(closed, 3, mode="constant") / inside
        closed = np.maximum(closed, wide[10:-10, 10:-10])
        share = places[picture, 0].numpy()
        expected = x[picture, channel].numpy() * (1 - share) + closed * share
        np.testing.assert_allclose(found[picture, channel].numpy(), expected, rtol=0, atol=1e-12)
    assert torch.equal(found[..., :12], x[..., :12])
    assert bool((found >= x).all())
    line = paper(100, 100)
    line[..., 40:42, :] = 0.1  # from border to border, as no speck is
    assert torch.equal(despeckled(line, LENGTH), line)
    everywhere = torch.ones(1, 1, 100, 100)
    torch.testing.assert_close(cleared(line, everywhere), paper(100, 100), rtol=0, atol=1e-6)
    line[..., 40 : 42 + round(SPAN * 100), :] = 0.1
    assert float(cleared(line, everywhere)[..., 46, :].max()) < 0.2


def test_each_move_sets_out_from_bare_skin() -> None:
    source = noise(2, 3, 32, 32).float()
    bare = torch.zeros(2, 1, 32, 32)
    bare[1, :, 8:24] = 1

    def flat(x: Tensor) -> Tensor:
        return 0 * x.flatten(1).sum(1)

    for share in (0.0, 0.4, 1.0):
        still = PGD(steps=1, step_size=1.0, bare=share)
        first, second = (step.x for step in descend(flat, source, still, bare=bare))
        assert torch.equal(first, source)
        torch.testing.assert_close(second, cleared(source, share * bare), rtol=0, atol=1e-6)
        assert torch.equal(second[0], source[0])
    *_, unknown = descend(flat, source, still)
    assert torch.equal(unknown.x, source)
    mask = torch.zeros(1, 1, 32, 32, dtype=torch.bool)
    mask[..., :16] = True
    *_, masked = descend(flat, source, still, bare=bare, mask=mask)
    assert torch.equal(masked.x[..., 16:], source[..., 16:])
    torch.testing.assert_close(masked.x[..., :16], second[..., :16], rtol=0, atol=1e-6)


def dots(translator: Translator) -> int:
    """Dark spots, 5 pixels either way at most, on the astronaut's cheeks and around her smile."""
    drawn = translator(EXAMPLES / "astronaut.jpg", Options(crop_only=True))
    assert isinstance(drawn, Image.Image)
    grey = np.asarray(drawn.convert("L"), np.float64)
    side = len(grey)
    part = (slice(int(0.42 * side), int(0.66 * side)), slice(int(0.38 * side), int(0.66 * side)))
    darker = ndimage.grey_closing(grey, size=(7, 7)) - grey > 40
    found = ndimage.find_objects(ndimage.label(darker[part])[0])
    return sum(max(y.stop - y.start, x.stop - x.start) <= 5 for y, x in found)


def test_no_dots_where_a_photo_smiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Six without it and one with it, where neither `translate.mouths` nor bare skin hides them;
    one at most on the bundled walk."""
    monkeypatch.setattr(frame_module, "one_mouth", lambda drawing, face: drawing)
    anime = Translator.load("anime")

    def walking(**changes: float) -> Translator:
        own = anime.domain.pgd.model_copy(update={"bare": 0.0} | changes)
        card = anime.domain.model_copy(update={"pgd": own})
        return Translator(card, anime.model, anime.device, anime.dtype)

    before = dots(walking(despeckle=0.0))
    assert before >= 3
    assert dots(walking()) <= before / 3
    assert dots(anime) <= 1
