"""Metrics as pure functions. `docs/evaluation.md` says in words what each one means."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from translate.shaping import l2_norm
from translate.srgb import LUMA

Array = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int64]

TPR = 0.95  # share of in-domain images that are accepted where FPR95 is read
TINY = 1e-12


def structural_similarity(x: Tensor, y: Tensor) -> Tensor:
    """SSIM (Wang et al. 2004): Gaussian window of sigma 1.5, 11 pixels, mean over RGB and over
    the positions whose window lies inside the picture.

    Args:
        x, y: (N,3,H,W) float32 in [0,1], H and W above 10.

    Returns:
        (N,), 1 for equal pictures.
    """
    from torchmetrics.functional.image import structural_similarity_index_measure as ssim

    _, each = ssim(x, y, data_range=1.0, reduction="none", return_full_image=True)
    return each[..., 5:-5, 5:-5].flatten(1).mean(dim=1)


def gradient_correlation(x: Tensor, y: Tensor) -> Tensor:
    """Pearson correlation of the brightness gradients: do edges lie and point the same way?

    Forward differences of luma, horizontal and vertical ones in one vector per picture.

    Args:
        x, y: (N,3,H,W) float32 in [0,1].

    Returns:
        (N,) in [−1,1]; 0 where a picture has no edges at all.
    """

    def edges(images: Tensor) -> Tensor:
        weights = torch.tensor(LUMA, device=images.device).view(1, 3, 1, 1)
        luma = (images * weights).sum(dim=1)
        across, down = luma.diff(dim=2), luma.diff(dim=1)
        flat = torch.cat([across.flatten(1), down.flatten(1)], dim=1)
        return flat - flat.mean(dim=1, keepdim=True)

    a, b = edges(x), edges(y)
    product = l2_norm(a) * l2_norm(b)
    return (a * b).sum(dim=1) / product.clamp_min(TINY)


def frechet_distance(x: Array, y: Array) -> float:
    """Squared Fréchet distance of two Gaussians fitted to features (Heusel et al. 2017).

    ‖μ₁−μ₂‖² + tr Σ₁ + tr Σ₂ − 2·tr (Σ₁Σ₂)^½. The last trace is the nuclear norm of A·Bᵀ for
    centred features A, B with Σ = AᵀA, so that no root of a product of singular matrices is
    taken: few samples in many dimensions stay exact.

    Args:
        x, y: (N,D) and (M,D) features, N and M at least 2.
    """
    a = (x - x.mean(axis=0)) / math.sqrt(len(x) - 1)
    b = (y - y.mean(axis=0)) / math.sqrt(len(y) - 1)
    if max(len(a), len(b)) <= a.shape[1]:
        product = a @ b.T
        squares = product @ product.T
    else:
        values, vectors = np.linalg.eigh(a.T @ a)
        root = vectors * np.sqrt(values.clip(0)) @ vectors.T
        squares = root @ (b.T @ b) @ root
    trace = np.sqrt(np.linalg.eigvalsh(squares).clip(0)).sum()
    apart = ((x.mean(axis=0) - y.mean(axis=0)) ** 2).sum()
    return float(max(apart + (a**2).sum() + (b**2).sum() - 2 * trace, 0.0))


def kernel_distance(
    x: Array, y: Array, x_ids: Ids | None = None, y_ids: Ids | None = None
) -> float:
    """Unbiased squared MMD with the kernel (x·y/D + 1)³ on whole sets (Bińkowski et al. 2018).

    Args:
        x, y: (N,D) and (M,D) features, at least two different ones each.
        x_ids, y_ids: which original each row is a copy of; in a bootstrap sample copies of one
            picture are no pair.
    """

    def kernel(a: Array, b: Array) -> Array:
        return (a @ b.T / a.shape[1] + 1) ** 3

    def within(a: Array, ids: Ids | None) -> float:
        ids = np.arange(len(a)) if ids is None else ids
        pairs = ids[:, None] != ids[None, :]
        return float((kernel(a, a) * pairs).sum() / max(pairs.sum(), 1))

    return within(x, x_ids) + within(y, y_ids) - 2 * float(kernel(x, y).mean())


def auroc(inside: Array, outside: Array) -> float:
    """Chance that an in-domain image has a lower energy than another; ties count half.

    Args:
        inside, outside: energies (N,) and (M,).
    """
    ordered = np.sort(outside)
    above = len(outside) - np.searchsorted(ordered, inside, side="right")
    level = np.searchsorted(ordered, inside, side="right") - np.searchsorted(ordered, inside)
    return float((above + 0.5 * level).mean() / len(outside))


def aupr(inside: Array, outside: Array) -> float:
    """Average precision, in-domain images being the positives.

    Args:
        inside, outside: energies (N,) and (M,).
    """
    thresholds = np.unique(inside)
    found = np.searchsorted(np.sort(inside), thresholds, side="right")
    false = np.searchsorted(np.sort(outside), thresholds, side="right")
    gained = np.diff(found, prepend=0) / len(inside)
    return float((gained * found / (found + false)).sum())


def fpr95(inside: Array, outside: Array) -> float:
    """Share of the other images accepted at the lowest threshold that accepts 95 % in-domain.

    Args:
        inside, outside: energies (N,) and (M,).
    """
    threshold = np.sort(inside)[math.ceil(TPR * len(inside) - 1e-9) - 1]
    return float((outside <= threshold).mean())
