"""Masks of photos and mixtures of two domains."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.conftest import pixels, write_domain
from translate import Options, Translator
from translate.errors import InputError, SettingsError
from translate.masking import keep_outside, window_mask
from translate.mixture import Mixture
from translate.view import View

FULL = Options(strength=1.0)


@pytest.fixture
def pair(tiny_domain: Path, tiny_scene: Path) -> tuple[Translator, Translator]:
    return tuple(Translator.load(str(d), device="cpu") for d in (tiny_domain, tiny_scene))


def test_share_zero_is_the_first_domain(pair: tuple[Translator, Translator], photo: Path) -> None:
    mixed = Mixture.of(*pair, 0.0)
    for a, b in zip(mixed.frames(photo, FULL), pair[0].frames(photo, FULL), strict=True):
        torch.testing.assert_close(a.step.x, b.step.x)
        assert a.energy == pytest.approx(b.energy, abs=1e-5)


def test_share_one_walks_as_the_second_does(pair: tuple[Translator, Translator]) -> None:
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    mixed = Mixture.of(*pair, 1.0)
    both = zip(mixed.descend(View(x), FULL), pair[1].descend(View(x), FULL), strict=True)
    for (a, _), (b, _) in both:
        torch.testing.assert_close(a.x, b.x, atol=1e-4, rtol=1e-4)


def test_the_energy_is_the_weighted_sum_in_common_units(
    pair: tuple[Translator, Translator],
) -> None:
    x = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(2))
    first, second = (t.domain.calibration for t in pair)
    a = (pair[0].energy(x) - first.target) / (first.source[10] - first.target)
    b = (pair[1].energy(x) - second.target) / (second.source[10] - second.target)
    mixed = Mixture.of(*pair, 0.3).energy(x)
    expected = first.target + (first.source[10] - first.target) * (0.7 * a + 0.3 * b)
    torch.testing.assert_close(mixed, expected, atol=1e-4, rtol=1e-4)


def test_both_look_from_the_same_distance(
    tiny_domain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One halving of a domain of 64 pixels is the whole picture of one of 32."""
    large = write_domain(tmp_path / "large", size=64, channels=(8, 8, 16, 16, 16))
    first, second = (Translator.load(str(d), device="cpu") for d in (large, tiny_domain))
    looks = []
    energy = second.energy

    def spy(x: torch.Tensor, halvings: int, member: int | None) -> torch.Tensor:
        looks.append((tuple(x.shape[-2:]), halvings))
        return energy(x, halvings, member)

    monkeypatch.setattr(second, "energy", spy)
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    for halvings in range(4):
        Mixture.of(first, second, 0.5).energy(x, halvings)
    assert looks == [((32, 32), 0), ((32, 32), 0), ((32, 32), 1), ((32, 32), 2)]


def test_mixtures_that_cannot_be(pair: tuple[Translator, Translator]) -> None:
    with pytest.raises(SettingsError, match="0 to 1"):
        Mixture.of(*pair, 1.1)
    with pytest.raises(SettingsError, match="swap"):
        Mixture.of(pair[1], pair[0], 0.5)


@pytest.mark.parametrize("framing", ["crop", "scene"])
def test_outside_a_mask_nothing_changes(
    pair: tuple[Translator, Translator], photo: Path, framing: str
) -> None:
    translator = pair[framing == "scene"]
    mask = np.zeros((60, 90), bool)
    mask[20:40, 30:60] = True
    *_, frame = translator.frames(photo, FULL, mask)
    changed = (np.asarray(frame.image) != pixels(photo)).any(axis=2)
    assert not changed[~mask].any()
    assert changed[mask].mean() > 0.5


def test_a_whole_mask_is_no_mask(pair: tuple[Translator, Translator], photo: Path) -> None:
    *_, masked = pair[0].frames(photo, FULL, np.ones((60, 90), bool))
    np.testing.assert_array_equal(np.asarray(masked.image), np.asarray(pair[0](photo, FULL)))


def test_an_empty_mask_leaves_the_photo(pair: tuple[Translator, Translator], photo: Path) -> None:
    *_, frame = pair[0].frames(photo, FULL, np.zeros((60, 90), bool))
    np.testing.assert_array_equal(np.asarray(frame.image), pixels(photo))


def test_a_mask_of_another_size_is_refused(
    pair: tuple[Translator, Translator], photo: Path
) -> None:
    with pytest.raises(InputError, match="mask"):
        next(pair[0].frames(photo, FULL, np.ones((5, 5), bool)))


def test_the_window_sees_every_pixel_that_may_change() -> None:
    mask = np.zeros((100, 200), bool)
    mask[50, 120] = True
    seen = window_mask(mask, (100, 0, 100, 100), 10, 10)
    assert seen.sum() == 1
    assert seen[5, 2]


def test_the_edge_of_a_region_is_soft_inside() -> None:
    old, new = np.zeros((200, 200, 3), np.uint8), np.full((200, 200, 3), 200, np.uint8)
    mask = np.zeros((200, 200), bool)
    mask[50:150, 50:150] = True
    out = keep_outside(old, new, mask)
    assert (out[~mask] == 0).all()
    assert out[100, 100, 0] == 200
    assert 0 < out[50, 100, 0] < 200
