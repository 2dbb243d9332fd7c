"""Gaussian blurs of a batch of pictures."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def smoothed(x: Tensor, sigma: float) -> Tensor:
    """Each picture convolved with a Gaussian; the border is continued with its own pixels.

    Args:
        x: (N,C,H,W) float.
        sigma: standard deviation in pixels, ≥ 0; 0 returns x.

    Returns:
        (N,C,H,W), in the range of x.
    """
    radius = math.ceil(3 * sigma)
    if radius == 0:
        return x
    taps = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
    taps = torch.exp(-0.5 * (taps / sigma) ** 2)
    taps = (taps / taps.sum()).view(1, 1, 1, -1).expand(x.shape[1], 1, 1, -1)
    wide = F.pad(x, (radius, radius, radius, radius), mode="replicate")
    across = F.conv2d(wide, taps, groups=x.shape[1])
    return F.conv2d(across, taps.transpose(2, 3), groups=x.shape[1])


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
    height, width = x.shape[-2:]
    size = (math.ceil(height / shrink), math.ceil(width / shrink))
    small = smoothed(F.interpolate(x, size=size, mode="area"), sigma / shrink)
    return F.interpolate(small, size=(height, width), mode="bilinear")
