"""Each metric against an independent computation, and in cases whose value is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg
import torch
from skimage.metrics import structural_similarity as skimage_ssim
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.kid import KernelInceptionDistance

from translate.evaluation import metrics


class Identity(torch.nn.Module):
    """Hands torchmetrics features as they are."""

    def __init__(self, count):
        super().__init__()
        self.num_features = count

    def forward(self, x):
        return x


def features(count, width, seed, shift=0.0):
    random = np.random.default_rng(seed)
    mixing = random.normal(size=(width, width)) / math.sqrt(width)
    return random.normal(size=(count, width)) @ mixing + shift


def pictures(count, size, seed):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("size", [16, 40])
def test_ssim_is_scikit_images(size):
    x = pictures(4, size, 0)
    y = (0.7 * x + 0.3 * pictures(4, size, 1)).clamp(0, 1)
    ours = metrics.structural_similarity(x, y)
    for a, b, value in zip(x.numpy(), y.numpy(), ours.tolist(), strict=True):
        expected = skimage_ssim(
            a,
            b,
            channel_axis=0,
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        assert value == pytest.approx(expected, abs=1e-5)
    assert metrics.structural_similarity(x, x).tolist() == pytest.approx([1.0] * 4)
    assert metrics.structural_similarity(x[:1], y[:1]).shape == (1,)


def test_gradient_correlation_is_the_pearson_correlation():
    x, y = pictures(3, 12, 0), pictures(3, 12, 1)
    ours = metrics.gradient_correlation(x, y).tolist()
    for a, b, value in zip(x.double().numpy(), y.double().numpy(), ours, strict=True):
        vectors = []
        for image in (a, b):
            luma = 0.299 * image[0] + 0.587 * image[1] + 0.114 * image[2]
            across, down = luma[:, 1:] - luma[:, :-1], luma[1:] - luma[:-1]
            vectors.append(np.concatenate([across.ravel(), down.ravel()]))
        assert value == pytest.approx(np.corrcoef(*vectors)[0, 1], abs=1e-5)
    assert metrics.gradient_correlation(x, x).tolist() == pytest.approx([1.0] * 3, abs=1e-5)
    assert metrics.gradient_correlation(x, 1 - x).tolist() == pytest.approx([-1.0] * 3, abs=1e-5)
    brighter = metrics.gradient_correlation(x, 0.5 * x + 0.3)
    assert brighter.tolist() == pytest.approx([1.0] * 3, abs=1e-5)
    assert metrics.gradient_correlation(x, torch.full_like(x, 0.5)).tolist() == [0.0] * 3


@pytest.mark.parametrize(("n", "m", "width"), [(200, 150, 8), (12, 9, 40), (60, 10, 30)])
def test_frechet_distance_is_the_formula_and_torchmetrics(n, m, width):
    x, y = features(n, width, 0), features(m, width, 1, shift=0.4)
    first, second = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    # A little on the diagonal: SciPy's root of a singular matrix is noise otherwise.
    root = scipy.linalg.sqrtm((first + 1e-9 * np.eye(width)) @ (second + 1e-9 * np.eye(width)))
    apart = ((x.mean(0) - y.mean(0)) ** 2).sum()
    formula = apart + np.trace(first) + np.trace(second) - 2 * np.trace(root.real)
    ours = metrics.frechet_distance(x, y)
    assert ours == pytest.approx(formula, rel=2e-3)
    reference = FrechetInceptionDistance(feature=Identity(width)).set_dtype(torch.float64)
    reference.update(torch.from_numpy(x), real=True)
    reference.update(torch.from_numpy(y), real=False)
    assert ours == pytest.approx(float(reference.compute()), rel=1e-4)


def test_frechet_distance_of_known_gaussians():
    x = features(40, 6, 0)
    assert metrics.frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert metrics.frechet_distance(x, x[::-1]) == pytest.approx(0, abs=1e-9)
    wide = features(5, 60, 0)
    assert metrics.frechet_distance(wide, wide[[3, 1, 0, 4, 2]]) == pytest.approx(0, abs=1e-6)
    assert metrics.frechet_distance(x, x + 2) == pytest.approx(6 * 4, rel=1e-9)
    centred = x - x.mean(0)  # twice as wide: (2 − 1)² times the trace
    trace = np.trace(np.cov(x, rowvar=False))
    assert metrics.frechet_distance(centred, 2 * centred) == pytest.approx(trace, rel=1e-9)


def test_kernel_distance_is_its_definition_and_torchmetrics():
    x, y = features(13, 7, 0), features(13, 7, 1, shift=0.3)

    def k(a, b):
        return (float(a @ b) / 7 + 1) ** 3

    n = len(x)
    within = sum(k(s[i], s[j]) for s in (x, y) for i in range(n) for j in range(n) if i != j)
    between = sum(k(a, b) for a in x for b in y)
    expected = within / (n * (n - 1)) - 2 * between / n**2
    ours = metrics.kernel_distance(x, y)
    assert ours == pytest.approx(expected, rel=1e-9)
    with pytest.warns(UserWarning, match="memory"):
        reference = KernelInceptionDistance(feature=Identity(7), subsets=1, subset_size=n)
    reference.update(torch.from_numpy(x), real=True)
    reference.update(torch.from_numpy(y), real=False)
    assert ours == pytest.approx(float(reference.compute()[0]), rel=1e-5)


def test_kernel_distance_in_known_cases():
    x, y = features(30, 5, 0), features(20, 5, 1)
    shuffled = metrics.kernel_distance(x[::-1], y[np.random.default_rng(0).permutation(20)])
    assert shuffled == pytest.approx(metrics.kernel_distance(x, y), rel=1e-9)
    same = np.repeat(x[:1], 9, axis=0)
    assert metrics.kernel_distance(same, same) == pytest.approx(0, abs=1e-9)
    # Unbiased: over many draws from one distribution the mean is 0.
    random = np.random.default_rng(5)
    draws = [
        metrics.kernel_distance(random.normal(size=(20, 3)), random.normal(size=(20, 3)))
        for _ in range(400)
    ]
    assert abs(np.mean(draws)) < 4 * np.std(draws) / 20


def test_copies_of_one_picture_are_no_pair_of_the_kernel_distance():
    random = np.random.default_rng(0)
    x, y = features(40, 5, 0), features(40, 5, 1, shift=0.5)
    measured = metrics.kernel_distance(x, y)
    plain, aware = [], []
    for _ in range(300):
        i, j = random.integers(0, 40, 40), random.integers(0, 40, 40)
        plain.append(metrics.kernel_distance(x[i], y[j]))
        aware.append(metrics.kernel_distance(x[i], y[j], i, j))
    assert abs(np.mean(aware) - measured) < 0.2 * abs(np.mean(plain) - measured)


@pytest.mark.parametrize("decimals", [6, 1, 0])  # the fewer, the more ties
def test_detection_figures_are_scikit_learns(decimals):
    random = np.random.default_rng(decimals)
    inside = random.normal(-1, 1, 60).round(decimals)
    outside = random.normal(0.5, 1.5, 45).round(decimals)
    truth = [1] * 60 + [0] * 45
    scores = -np.concatenate([inside, outside])
    assert metrics.auroc(inside, outside) == pytest.approx(roc_auc_score(truth, scores))
    assert metrics.aupr(inside, outside) == pytest.approx(average_precision_score(truth, scores))
    false, true, _ = roc_curve(truth, scores, drop_intermediate=False)
    assert metrics.fpr95(inside, outside) == pytest.approx(false[true >= 0.95].min())


def test_detection_figures_in_known_cases():
    low, high = np.array([-2.0, -1.0]), np.array([1.0, 2.0, 3.0])
    assert (metrics.auroc(low, high), metrics.aupr(low, high), metrics.fpr95(low, high)) == (
        1,
        1,
        0,
    )
    assert (metrics.auroc(high, low), metrics.fpr95(high, low)) == (0, 1)
    assert metrics.auroc(low, low) == 0.5
