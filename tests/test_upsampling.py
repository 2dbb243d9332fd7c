"""The change of a small scene carried up to the photo: exact, sharp, smooth, small in memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from translate.errors import InputError
from translate.framing import extract, find_window
from translate.pasting import paste
from translate.upsampling import carry_up

EXAMPLES = Path(__file__).parents[1] / "examples"
NIGHT = np.array([0.25, 0.3, 0.5])  # shares of red, green and blue left


def small(rgb, short=64):
    height, width = rgb.shape[:2]
    scale = short / min(height, width)
    size = round(width * scale), round(height * scale)
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS))


def darkened(rgb):
    return np.rint(rgb * NIGHT).astype(np.uint8)


@pytest.fixture(scope="module")
def temple():
    return np.asarray(Image.open(EXAMPLES / "temple.jpg").convert("RGB"))


def test_no_change_gives_the_photo_bit_by_bit(temple):
    seen = small(temple)
    np.testing.assert_array_equal(carry_up(temple, seen, seen), temple)


def test_far_from_a_change_every_pixel_stays(temple):
    seen = small(temple)
    result = seen.copy()
    middle = seen.shape[1] // 2
    result[:, : middle - 20] = darkened(seen)[:, : middle - 20]
    out = carry_up(temple, seen, result)
    scale = temple.shape[1] / seen.shape[1]
    right = round(scale * middle)
    # The fit to the whole picture reaches everywhere; what it says there, the local one takes back.
    assert np.abs(out[:, right:].astype(int) - temple[:, right:]).mean() < 4
    assert out[:, : right // 2].mean() < 0.6 * temple[:, : right // 2].mean()


def test_a_change_of_colours_is_as_sharp_as_made_at_full_size(temple):
    seen = small(temple)
    out = carry_up(temple, seen, darkened(seen)).astype(float)
    wanted = darkened(temple).astype(float)
    assert np.abs(out - wanted).mean() < 1.5
    enlarged = Image.fromarray(darkened(seen)).resize(temple.shape[1::-1], Image.Resampling.LANCZOS)
    error = np.abs(np.asarray(enlarged, float) - wanted).mean()
    assert np.abs(out - wanted).mean() < error / 3
    edges = [np.abs(np.diff(x.mean(2), axis=1)).mean() for x in (out, wanted)]
    assert edges[0] == pytest.approx(edges[1], rel=0.1)


def test_no_halo_beside_an_edge():
    photo = np.full((480, 640, 3), 200, np.uint8)
    photo[:, 320:] = 60
    seen = small(photo, 48)
    result = seen.copy()
    result[seen.mean(2) > 130] = 20  # the bright half turns dark, the dark half stays
    row = carry_up(photo, seen, result)[240, :, 0].astype(int)
    assert np.abs(row[:316] - 20).max() <= 12
    assert np.abs(row[324:] - 60).max() <= 12


def test_a_dark_sky_has_no_bands():
    """Rounded plainly, a slope of 8 levels over 2000 pixels has steps 250 pixels long."""
    slope = np.linspace(180, 200, 2000)[None, :, None] + np.zeros((300, 1, 3))
    photo = np.rint(slope).astype(np.uint8)
    seen = small(photo, 48)
    out = carry_up(photo, seen, np.rint(seen * 0.2).astype(np.uint8))
    means = out[..., 0].reshape(300, 50, 40).mean(axis=(0, 2))
    steps = np.diff(means)
    assert steps.max() < 0.75  # of one level, between neighbours of 40 pixels
    assert len(np.unique(out[:, 1000:1040, 0])) > 1


def test_a_new_light_shows_and_its_surroundings_stay_dark(temple):
    seen = small(temple)
    dark = darkened(seen)
    lit = dark.copy()
    lit[30:34, 40:44] = (255, 220, 140)
    without, out = carry_up(temple, seen, dark), carry_up(temple, seen, lit)
    scale = temple.shape[0] / seen.shape[0]
    box = slice(round(31 * scale), round(33 * scale)), slice(round(41 * scale), round(43 * scale))
    assert out[box].mean() - without[box].mean() > 80
    away = slice(0, round(20 * scale))
    assert np.abs(out[away].astype(int) - without[away]).mean() < 3


def test_a_photo_no_larger_than_the_window_is_the_result(temple):
    seen = small(temple)
    result = darkened(seen)
    np.testing.assert_array_equal(carry_up(seen, seen, result), result)


def test_scenes_are_carried_up_by_paste(temple):
    window = find_window(temple, framing="scene", size=64, stride=32)
    seen = extract(temple, window)
    np.testing.assert_array_equal(paste(temple, window, seen), temple)
    night = paste(temple, window, darkened(seen))
    np.testing.assert_array_equal(night, carry_up(temple, seen, darkened(seen)))


def test_twelve_megapixels_need_little_memory():
    code = """
import resource, numpy as np
from translate.upsampling import carry_up
photo = np.random.default_rng(0).integers(0, 255, (3000, 4000, 3), np.uint8)
seen = photo[:: 3000 // 96, :: 3000 // 96].copy()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
carry_up(photo, seen, seen // 3)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    grown = int(subprocess.check_output([sys.executable, "-c", code]))
    assert grown < 120_000  # kilobytes: the copy (36 MB) and strips


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 4), (8, 9, 3)])
def test_arrays_of_another_kind_are_refused(shape):
    photo = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(InputError):
        carry_up(photo, np.zeros((8, 8, 3), np.uint8), np.zeros(shape, np.uint8))


def test_what_the_network_does_at_its_own_border_is_not_carried_up(temple):
    seen = small(temple)
    result = darkened(seen)
    framed = result.copy()
    framed[:2], framed[-2:], framed[:, :2], framed[:, -2:] = 255, 255, 255, 255
    clean, out = (carry_up(temple, seen, r).astype(int) for r in (result, framed))
    rim = round(1.5 * temple.shape[0] / seen.shape[0])
    for edge in (np.s_[:rim], np.s_[-rim:], np.s_[:, :rim], np.s_[:, -rim:]):
        assert np.abs(out[edge] - clean[edge]).mean() < 30
        enlarged = np.asarray(Image.fromarray(framed).resize(temple.shape[1::-1])).astype(int)
        assert np.abs(enlarged[edge] - clean[edge]).mean() > 100
