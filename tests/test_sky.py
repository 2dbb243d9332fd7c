"""Skies: where a photo shows one, and what a walk does there."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from translate import Options, Translator
from translate.errors import SettingsError
from translate.evaluation.walks import _pictures
from translate.hub import bundled_domains, open_domain
from translate.image_io import read_photo, to_tensor
from translate.pgd import attack, descend
from translate.pgd_settings import PGD
from translate.shaping import as_one
from translate.sky import find_sky
from translate.training.config import load_recipe
from translate.training.export import _walk
from translate.view import Asked, View, gathered, look, looked_for, steady

EXAMPLES = Path(__file__).parents[1] / "examples"
TEMPLE = EXAMPLES / "temple.jpg"


def photo(name: str, size: int = 384) -> np.ndarray:
    picture = Image.open(EXAMPLES / f"{name}.jpg").convert("RGB")
    picture.thumbnail((size, size))
    return np.asarray(picture)


def scene(*, cloud: bool = False, tower: bool = True) -> np.ndarray:
    """A blue sky, lighter towards the horizon, above rough ground; 120x180 pixels."""
    rough = np.random.default_rng(5).integers(20, 120, (120, 180, 1))
    rgb = np.repeat(rough, 3, axis=2).astype(np.uint8)
    rows = np.linspace(0, 1, 70)[:, None, None]
    rgb[:70] = (np.array((60, 110, 200)) * (1 - rows) + np.array((170, 200, 230)) * rows).round()
    if cloud:
        cv2.circle(rgb, (60, 30), 12, (40, 40, 45), -1)
    if tower:
        rgb[20:70, 120:140] = np.repeat(rough[20:70, 120:140], 3, axis=2)
    return rgb


def test_a_white_sky_is_found_and_nothing_before_it() -> None:
    sky = find_sky(photo("temple"))
    assert sky.dtype == np.float32
    assert sky.shape == (256, 384)
    assert 0 <= sky.min() <= sky.max() <= 1
    assert sky[:80, 220:330].mean() > 0.98
    assert sky[60:140, 110:160].mean() < 0.01  # the temple
    assert sky[200:].mean() < 0.01  # trees
    assert sky[90:140, 345:].mean() < 0.1  # and the one at the side


def test_where_there_is_none_none_is_found() -> None:
    assert not find_sky(photo("coffee")).any()
    assert not find_sky(scene()[70:]).any()


def test_a_blue_sky_ends_at_the_ground_and_at_towers_and_holds_clouds() -> None:
    for cloud in (False, True):
        sky = find_sky(scene(cloud=cloud))
        assert sky[:62, :110].min() > 0.9
        assert sky[80:].max() < 0.1
        assert sky[30:66, 125:135].mean() < 0.1
    assert find_sky(scene(cloud=True, tower=False))[30, 60] > 0.9


def test_a_sky_goes_on_between_towers_and_below_a_branch() -> None:
    rgb, rough = scene(), scene()[75:120]
    rgb[:30, 60:] = rough[:30, 60:]  # a branch
    rgb[30:70, 60:64] = rough[:40, 60:64]  # and what it grows from
    sky = find_sky(rgb)
    assert sky[38:62, 70:112].mean() > 0.9
    assert sky[38:62, 145:172].mean() > 0.9
    assert sky[:24, 70:].max() < 0.1
    rgb[30:70, 64:] = (230, 215, 205)  # a wall
    assert find_sky(rgb)[38:62, 70:172].max() < 0.1
    rgb = scene()
    rgb[85:115, 20:160] = (170, 200, 230)  # a lake, lower than the sky
    assert find_sky(rgb)[90:110, 30:150].max() < 0.1


def test_what_is_all_light_or_all_dark_is_no_sky() -> None:
    for level in (0, 30, 255):
        assert not find_sky(np.full((90, 120, 3), level, np.uint8)).any()
    upside_down = np.ascontiguousarray(scene()[::-1])
    assert not find_sky(upside_down)[:50].any()


def test_a_sky_that_comes_to_nothing_has_no_parts() -> None:
    """GrabCut may take all of it for ground, and what looks like sky elsewhere stays."""
    rough = np.random.default_rng(0).integers(150, 210, (96, 128, 1))
    rgb = np.repeat(rough, 3, axis=2).astype(np.uint8)
    rgb[:2] = rgb[50:56, 40:60] = (205, 215, 230)
    assert not find_sky(rgb).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (400, 1), (2, 3), (7, 900)])
def test_any_shape_will_do(shape: tuple[int, int]) -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (*shape, 3)).astype(np.uint8)
    sky = find_sky(rgb)
    assert sky.shape == shape
    assert np.isfinite(sky).all()


def test_the_same_picture_has_the_same_sky() -> None:
    rgb = photo("temple")
    first = find_sky(rgb)
    cv2.setRNGSeed(77)
    np.testing.assert_array_equal(find_sky(rgb), first)
    larger = find_sky(photo("temple", 640))
    assert abs(cv2.resize(larger, first.shape[::-1]) - first).mean() < 0.02


def slopes(seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    gradient = torch.randn(3, 3, 9, 12, generator=generator, dtype=torch.float64)
    gradient[0] += 0.5
    gradient[1, 1] -= 0.7
    sky = torch.rand(3, 1, 9, 12, generator=generator, dtype=torch.float64)
    sky[2] = 0  # no sky at all
    return gradient, sky


def test_a_sky_moves_as_one_and_only_darker_in_numpy() -> None:
    gradient, sky = slopes(3)
    found = as_one(gradient, sky, 0.8).numpy()
    for picture in range(3):
        for colour in range(3):
            own, weights = gradient[picture, colour].numpy(), sky[picture, 0].numpy()
            mean = max(float((own * weights).sum()) / max(float(weights.sum()), 1e-12), 0.0)
            expected = own * (1 - 0.8 * weights) + 0.8 * weights * mean
            np.testing.assert_allclose(found[picture, colour], expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(found[2], gradient[2].numpy())


def glowing(x: Tensor) -> Tensor:
    """Lighter in the middle column, darker elsewhere."""
    weights = torch.full((x.shape[-1],), 1.0)
    weights[x.shape[-1] // 2] = -6.0
    return (x.mean(dim=1) * weights).flatten(1).sum(1)


def test_nothing_glows_in_a_sky() -> None:
    source = torch.full((2, 3, 16, 16), 0.6)
    sky = torch.zeros(2, 1, 16, 16)
    sky[:, :, :8] = 1
    walk = PGD(steps=3, step_size=0.5, sky=1.0)
    *_, free = descend(glowing, source, walk)
    *_, held = descend(glowing, source, walk, sky=sky)
    assert float(free.x[:, :, :8].max()) > 0.65
    assert float(held.x[:, :, :8].max()) < 0.6
    assert float(held.x[:, :, :8].std()) < 1e-6
    assert float(held.x[:, :, 8:].max()) > 0.65  # lamps stand on the ground
    *_, unasked = descend(glowing, source, PGD(steps=3, step_size=0.5), sky=sky)
    assert torch.equal(unasked.x, free.x)
    assert torch.equal(attack(glowing, source, walk), free.x)


@pytest.mark.parametrize("sky", [-0.1, 1.1, math.nan])
def test_the_share_is_checked(sky: float) -> None:
    with pytest.raises(SettingsError, match="sky"):
        PGD(steps=1, step_size=1.0, sky=sky)


def test_only_walks_that_ask_look_for_a_sky(monkeypatch: pytest.MonkeyPatch) -> None:
    cards = {name: open_domain(name)[0] for name in bundled_domains()}
    assert [name for name, card in cards.items() if card.pgd.sky] == ["night"]
    assert load_recipe("night").sample_sky == cards["night"].pgd.sky
    rgb = photo("temple")
    night = Translator.load("night")
    (window,) = night.windows(read_photo(TEMPLE))
    asked = Asked.by(night.domain)
    assert not asked.of_face
    seen = look(
        np.asarray(Image.open(TEMPLE).convert("RGB")), window, keep_glasses=False, asked=asked
    )
    assert seen.sky is not None
    assert seen.sky.shape == (1, 1, *seen.x.shape[-2:])
    assert float(seen.sky.mean()) > 0.2
    both = gathered([View(seen.x), seen])
    assert both.sky is not None
    assert not both.sky[0].any()
    torch.testing.assert_close(both.sky[1:], seen.sky)
    torch.testing.assert_close(both[1:].sky, seen.sky)
    monkeypatch.setattr("translate.view.find_faces", lambda *_, **__: pytest.fail("a face?"))
    found = looked_for([rgb], asked)
    assert found.sky is not None
    np.testing.assert_array_equal(found.sky[0, 0].numpy(), find_sky(rgb))
    monkeypatch.setattr("translate.view.find_sky", lambda *_: pytest.fail("a sky?"))
    assert looked_for([rgb], Asked()).sky is None


def test_in_moving_pictures_a_sky_is_held_in_all_frames_or_in_none() -> None:
    night = Translator.load("night")
    frames = [photo("temple", 192), photo("temple", 192)[:, ::-1].copy()]
    views = looked_for(frames, Asked.by(night.domain))
    without = View(views.x[:1], sky=torch.zeros_like(views.x[:1, :1]))
    first, second = views[:1], views[1:]
    for view, own in zip(steady([first, second], 1), (first, second), strict=True):
        assert view.sky is not None
        assert own.sky is not None
        assert torch.equal(view.sky, own.sky)
    assert all(view.sky is None for view in steady([first, without, second], 1))
    both = steady([first, without, second, without], 2)  # two places of two frames
    assert [view.sky is None for view in both] == [False, True, False, True]


def test_exports_and_evaluations_walk_so() -> None:
    night = Translator.load("night", dtype="float32")
    picture, asked = photo("temple")[:, :256], Asked.by(night.domain)
    *_, (last, _) = night.descend(looked_for([picture], asked))
    own, members = night.domain.pgd, night.domain.network.members
    ends = [
        float(_walk(night.energy, to_tensor(picture), own, members, night.device, each).energy[-1])
        for each in (asked, Asked())
    ]
    assert ends[0] == pytest.approx(float(last.energy), abs=2e-3)
    assert abs(ends[1] - ends[0]) > 0.02
    for each in (asked, Asked()):
        *_, (_, states) = _pictures(night, picture[None], [own.steps], each)
        away = np.abs(states[own.steps][0] / 255 - last.x[0].permute(1, 2, 0).numpy()).mean()
        assert (away < 0.005) == (each == asked)


def test_alone_and_in_a_batch_a_scene_is_the_same() -> None:
    night = Translator.load("night", dtype="float32")
    pictures = [photo("temple", 192), photo("temple", 192)[:, ::-1].copy()]
    alone = [np.asarray(night(picture)) for picture in pictures]
    views = []
    for picture in pictures:
        (window,) = night.windows(read_photo(picture))
        views.append(look(picture, window, keep_glasses=False, asked=Asked.by(night.domain)))
    *_, (step, _) = night.descend(gathered(views), Options())
    for index, picture in enumerate(pictures):
        *_, frame = night.frames(picture)
        torch.testing.assert_close(step.x[index], frame.step.x[0], rtol=0, atol=2 / 255)
        assert np.array_equal(np.asarray(frame.image), alone[index])
