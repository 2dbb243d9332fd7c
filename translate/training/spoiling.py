"""Targets with something wrong in them: counterexamples nearer to the domain than any photo is
(Sinha et al. 2021, "Negative data augmentation")."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from translate.device import placed
from translate.smooth import slow_part, smoothed

WARPED, WHOLE = 0.5, 0.3  # share of pictures that are bent; of pictures without a gap
BEND = (0.01, 0.045)  # standard deviation of the bending, as a share of the side
KNOTS = 7  # of the field that bends, per side
GAPS = 6  # per picture at most
DULL = 0.4  # share of pictures whose gaps are blurred, not filled from around
ACROSS, DOWN = (0.2, 0.8), (0.25, 0.85)  # where gaps are, and how large: half axes of ellipses
WIDTH, HEIGHT = (0.04, 0.12), (0.03, 0.09)


def spoilt(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each picture bent, or with parts missing, or both.

    A network that only ever compares targets with attacked photos hardly minds a missing mouth: in
    light, colour and lines they differ by so much more. These differ in nothing else.

    Args:
        x: (N,3,H,W) float32 in [0,1], targets.
        generator: on the CPU, whatever x is on.

    Returns:
        (N,3,H,W) float32 in [0,1], on the device of x, as `placed`.
    """
    device = x.device
    if device.type == "mps":  # torch samples no bicubic grid there up to 2.12
        x = x.cpu()
    kind = _uniform(x, (0.0, 1.0), generator)
    x = torch.where(kind < WARPED, _warped(x, generator), x)
    missing = _gaps(x, generator) * (kind > WHOLE)
    around = slow_part(x * (1 - missing), x.shape[-1] / 20)
    weight = slow_part((1 - missing).expand_as(x), x.shape[-1] / 20).clamp_min(1e-3)
    dull = _uniform(x, (0.0, 1.0), generator) < DULL
    filling = torch.where(dull, smoothed(x, x.shape[-1] / 48), around / weight)
    soft = smoothed(missing, x.shape[-1] / 170)
    return placed(torch.lerp(x, filling, soft.expand_as(x)).clamp_(0.0, 1.0), device)


def _uniform(x: Tensor, between: tuple[float, float], generator: torch.Generator) -> Tensor:
    """(N,1,1,1) random numbers, one per picture."""
    low, high = between
    return (torch.rand(len(x), 1, 1, 1, generator=generator) * (high - low) + low).to(x.device)


def _warped(x: Tensor, generator: torch.Generator) -> Tensor:
    """Each picture moved along a smooth random field."""
    n, _, height, width = x.shape
    knots = torch.randn(n, 2, KNOTS, KNOTS, generator=generator).to(x.device)
    field = F.interpolate(knots, size=(height, width), mode="bicubic", align_corners=True)
    field *= 2 * _uniform(x, BEND, generator)  # a side is 2 long in a grid
    same = torch.eye(2, 3, device=x.device).expand(n, 2, 3)
    grid = F.affine_grid(same, list(x.shape), align_corners=False) + field.permute(0, 2, 3, 1)
    moved = F.grid_sample(x, grid, mode="bicubic", padding_mode="border", align_corners=False)
    return moved.clamp_(0.0, 1.0)


def _gaps(x: Tensor, generator: torch.Generator) -> Tensor:
    """(N,1,H,W), 1 in one to `GAPS` ellipses per picture, 0 elsewhere."""
    height, width = x.shape[-2:]
    down = ((torch.arange(height, device=x.device) + 0.5) / height).view(-1, 1)
    across = (torch.arange(width, device=x.device) + 0.5) / width
    count = _uniform(x, (1.0, 1.0 + GAPS), generator).floor()
    missing = torch.zeros(len(x), 1, height, width, device=x.device)
    for index in range(GAPS):
        left, top = _uniform(x, ACROSS, generator), _uniform(x, DOWN, generator)
        wide, high = _uniform(x, WIDTH, generator), _uniform(x, HEIGHT, generator)
        inside = ((across - left) / wide).square() + ((down - top) / high).square() < 1
        missing = torch.maximum(missing, (inside & (count > index)).float())
    return missing
