"""Blurs of a batch of pictures: Gaussian ones, and one that keeps edges."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

FLAT_RADIUS = 2  # pixels, of `flattened` unless another is asked for


def flattened(x: Tensor, edge: float, radius: int = FLAT_RADIUS) -> Tensor:
    """Each channel with its fine differences flattened and its edges kept.

    The guided filter (He, Sun and Tang 2010) of a picture by itself: in each window, the line
    a·x + b with the least Σ (a·x + b − x)² + edge²·a². Where values spread less than `edge`, that
    is about their mean.

    Args:
        x: (N,C,H,W) float.
        edge: standard deviation in a window, in the unit of x, that is halfway to being kept; 0
            keeps everything.
        radius: pixels from the middle to the side of a window.

    Returns:
        (N,C,H,W), its values within those of x but for rounding.
    """
    if edge == 0:
        return x
    part = 1 / _sums(torch.ones_like(x[:1, :1]), radius)  # of one pixel in a window's mean
    mean = _sums(x, radius).mul_(part)
    spread = _sums(x.square(), radius).mul_(part).sub_(mean.square()).clamp_min_(0.0)
    share = spread / (spread + edge * edge)
    mixed = _sums(share, radius).mul_(x).add_(_sums(mean.mul_(1 - share), radius))
    return mixed.mul_(part)


def averaged(x: Tensor, radius: int) -> Tensor:
    """(N,C,H,W) -> the mean over the pixels of a square window around each, 2·radius + 1 wide, that
    lie in the picture."""
    return _sums(x, radius) / _sums(torch.ones_like(x[:1, :1]), radius)


def _sums(x: Tensor, radius: int) -> Tensor:
    """Over the pixels of a window around each that lie in the picture; on a CPU that takes a tenth
    of the time of a pooling, which stays with one channel at a time."""
    padded = F.pad(x, (radius,) * 4)
    size = 2 * radius + 1
    return padded.unfold(2, size, 1).sum(dim=-1).unfold(3, size, 1).sum(dim=-1)


def smoothed(x: Tensor, sigma: float, *, across: bool = True) -> Tensor:
    """Each picture convolved with a Gaussian; the border is continued with its own pixels.

    Args:
        x: (N,C,H,W) float.
        sigma: standard deviation in pixels, ≥ 0; 0 returns x.
        across: blur the rows, too; False blurs columns only.

    Returns:
        (N,C,H,W), in the range of x.
    """
    radius = math.ceil(3 * sigma)
    if radius == 0:
        return x
    taps = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
    taps = torch.exp(-0.5 * (taps / sigma) ** 2)
    taps = (taps / taps.sum()).view(1, 1, 1, -1).expand(x.shape[1], 1, 1, -1)
    sides = radius if across else 0
    wide = F.pad(x, (sides, sides, radius, radius), mode="replicate")
    if across:
        wide = F.conv2d(wide, taps, groups=x.shape[1])
    return F.conv2d(wide, taps.transpose(2, 3), groups=x.shape[1])


def slow_part(x: Tensor, sigma: float) -> Tensor:
    """About `smoothed(x, sigma)`, on a smaller copy where the blur is wide: the time stays small.

    Args:
        x: (N,C,H,W) float.
        sigma: standard deviation in pixels, ≥ 0.

    Returns:
        (N,C,H,W).
    """
    shrink = int(sigma / 2)
    if shrink < 2:
        return smoothed(x, sigma)
    (few_rows, rows), (few_columns, columns) = (
        _through_fewer(length, shrink, sigma / shrink, x.dtype, x.device) for length in x.shape[-2:]
    )
    return rows @ (few_rows @ x @ few_columns.T) @ columns.T


@lru_cache(maxsize=32)
@torch.inference_mode(False)  # kept, so whoever asks first: fit for every mode
def _through_fewer(
    length: int, shrink: int, sigma: float, dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    """A row of `length` pixels averaged into fewer and blurred, and its linear enlargement, as
    matrices: a CPU multiplies them faster than it resizes pictures of three channels.

    Returns:
        (few,length) and (length,few).
    """
    few = math.ceil(length / shrink)
    averaged = F.interpolate(torch.eye(length)[None], size=few, mode="area")
    into = smoothed(averaged.transpose(1, 2)[None], sigma, across=False)[0, 0]
    out_of = F.interpolate(torch.eye(few)[None], size=length, mode="linear")[0].T
    return into.to(device, dtype), out_of.to(device, dtype)
