"""Comparing two runs: images that both saw are drawn in pairs, others apart."""

from __future__ import annotations

import numpy as np
import pytest

from translate.evaluation.compare import Run, _draw, compare

IMAGES = 60


def run(values: np.ndarray, *, source: str = "s") -> Run:
    """A measured translation of one strength with these values of SSIM."""
    arrays = {"energy": values[None], "ssim": values[None], "target_energy": np.zeros(9)}
    row = {"strength": 1.0, "steps": 3, "share": float((values <= 0).mean())}
    row |= {"energy": float(np.median(values)), "ssim": float(values.mean())}
    sets = {"source": {"images": IMAGES, "sha256": source}, "target": {"images": 9, "sha256": "t"}}
    domain = {"name": "tiny", "sha256": "0" * 64}
    settings = {"kind": "translation", "sets": sets, "domain": domain, "features": None}
    return Run(report={"settings": settings, "rows": [row]}, values=arrays)


def ssim_line(a: Run, b: Run, seed: int = 0) -> str:
    *_, table = compare(a, b, resamples=200, seed=seed)
    assert isinstance(table, str)
    return next(line for line in table.splitlines() if line.startswith("| 1.00: SSIM"))


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(0.5, 0.2, IMAGES)


def test_a_small_change_of_every_image_shows_only_where_images_are_paired(values):
    other = values + np.random.default_rng(1).normal(0.02, 0.01, IMAGES)
    assert " * " in ssim_line(run(values), run(other))
    assert " * " not in ssim_line(run(values), run(other, source="elsewhere"))


def test_the_interval_of_paired_means_is_that_of_the_differences(values):
    other = values + np.random.default_rng(1).normal(0.0, 0.05, IMAGES)
    low, high = (float(x) for x in ssim_line(run(values), run(other)).split("|")[5].split("…"))
    half = 1.96 * (other - values).std(ddof=1) / np.sqrt(IMAGES)
    assert (high - low) / 2 == pytest.approx(half, rel=0.25)
    assert (high + low) / 2 == pytest.approx((other - values).mean(), abs=0.3 * half)


def test_the_seed_decides_the_draws(values):
    a, b = run(values), run(values + np.linspace(-0.1, 0.1, IMAGES))
    assert ssim_line(a, b) == ssim_line(a, b)
    assert ssim_line(a, b) != ssim_line(a, b, seed=1)
    apart = run(values, source="elsewhere")
    pick_a, pick_b = _draw(a, apart, np.random.default_rng(0))
    assert (pick_a["target"] == pick_b["target"]).all()
    assert (pick_a["source"] != pick_b["source"]).any()
