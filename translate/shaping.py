"""Where a move goes: the energy's gradient, bent away from what makes pictures ugly."""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor

from translate.smooth import flattened, slow_part

TINY = 1e-12  # keeps 0/0 away from zero gradients and zero distances
EDGE = 0.02  # differences between neighbours, in [0,1] pixels, that total variation takes for noise

# By eye on eighteen day scenes:
AROUND = 1 / 12  # of a picture's side: radius of what lies around a pixel, to `dimming`
LIGHT_EDGE = 0.14  # differences of light, of 1, that `dimming` takes for edges


def l2_norm(x: Tensor) -> Tensor:
    """(N,...) -> (N,) Euclidean length per image."""
    return cast("Tensor", torch.linalg.vector_norm(x.flatten(1), dim=1))


def scale_to(x: Tensor, length: Tensor | float) -> Tensor:
    """(N,C,H,W) -> (N,1,1,1): the factor that gives each sample this length; zeros stay zeros."""
    return (length / l2_norm(x).clamp_min(TINY)).view(-1, 1, 1, 1)


def unlocked(
    gradient: Tensor, x: Tensor, *, tone: float, colour: float, shade: float, sigma: float
) -> Tensor:
    """The gradient at x without shares of its slow and of its colour part; see `PGD.tone_lock`."""
    if tone > 0:
        gradient = gradient.sub(slow_part(gradient, sigma), alpha=tone)
    if colour > 0:
        grey = (gradient[:, :1] + gradient[:, 1:2]).add_(gradient[:, 2:]).div_(3)
        kept = grey
        if shade > 0:  # both are part of the gradient, and neither jumps where it turns
            kept = grey.lerp(_darkening(gradient, x) + grey.clamp_max(0.0), shade)
        gradient = gradient.lerp(kept, colour)
    return gradient


def _darkening(gradient: Tensor, x: Tensor) -> Tensor:
    """The part of each pixel's gradient along its own colour where that leads darker: (N,3,H,W)."""
    length = x.square().sum(dim=1, keepdim=True).clamp_min_(TINY)
    return x * ((gradient * x).sum(dim=1, keepdim=True).clamp_min_(0.0) / length)


def room(x: Tensor, headroom: float, footroom: float) -> Tensor:
    """How fast each value of (N,3,H,W) may move, in [0,1]: 1 − headroom at black and white, and
    as much slower the darker it is, by 1 − footroom at black; see `PGD`."""
    most = x.sub(0.5).square_().mul_(-4 * headroom).add_(1)
    return most.mul_(x.mul(footroom).add_(1 - footroom)) if footroom > 0 else most


def dimming(x: Tensor, exposure: Tensor | float, burning: float = 0.0) -> Tensor:
    """The factor that brings the light of a picture down to `exposure`: with its mean light and the
    light around each pixel, exposure / (mean^(1 − burning) · around^burning), 1 at most.

    The light around is what a filter that keeps edges leaves of the picture's grey: local
    adaptation (Reinhard et al. 2002) with hardly a halo at roofs.

    Args:
        x: (N,3,H,W) in [0,1].
        exposure: mean light, above 0, one for all or (N,1,1,1).
        burning: how far the light around a pixel counts instead of the picture's mean, in [0,1].

    Returns:
        (N,1,1,1), or (N,1,H,W) with burning.
    """
    light = x.mean(dim=(1, 2, 3), keepdim=True).clamp_min_(TINY)
    if burning > 0:
        grey = x.mean(dim=1, keepdim=True)
        radius = max(1, round(AROUND * math.sqrt(x.shape[2] * x.shape[3])))
        around = flattened(grey, LIGHT_EDGE, radius).clamp_min_(TINY)
        light = light ** (1 - burning) * around**burning
    return (exposure / light).clamp_max(1.0)


def as_one(gradient: Tensor, sky: Tensor, share: float) -> Tensor:
    """The gradient (N,3,H,W) with, where there is sky, (N,1,H,W) in [0,1], this share of its mean
    over the sky, masked or not; none of what leads lighter: see `PGD.sky`."""
    area = sky.sum(dim=(2, 3), keepdim=True).clamp_min(TINY)
    mean = (gradient * sky).sum(dim=(2, 3), keepdim=True).div_(area).clamp_min_(0.0)
    return gradient.lerp(mean.expand_as(gradient), share * sky)


def no_lighter(gradient: Tensor, places: Tensor) -> Tensor:
    """The gradient (N,3,H,W) without what leads lighter at some places, (N,1,H,W) in [0,1]: of its
    grey part; see `PGD.dark`."""
    lighter = gradient.mean(dim=1, keepdim=True).clamp_max_(0.0)
    return gradient.addcmul(lighter, places, value=-1)


def variation_slope(x: Tensor) -> Tensor:
    """Gradient of the total variation Σ√(d² + EDGE²) over the differences d of neighbours (Rudin,
    Osher, Fatemi 1992): (N,3,H,W) -> (N,3,H,W)."""
    slope = torch.zeros_like(x)
    for axis in (2, 3):
        count = x.shape[axis] - 1
        near, far = x.narrow(axis, 0, count), x.narrow(axis, 1, count)
        change = far - near
        pull = change.square().add_(EDGE * EDGE).rsqrt_().mul_(change)
        slope.narrow(axis, 1, count).add_(pull)
        slope.narrow(axis, 0, count).sub_(pull)
    return slope
