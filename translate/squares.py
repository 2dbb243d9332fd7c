"""Squares around the eyes of pictures: cut out, the right one in the mirror, and put back."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from translate.shaping import TINY

# Radii in halves of a square's side: up to the first it is what is put back, beyond the other not.
_BLEND = (0.55, 1.0)


def squares(x: Tensor, eyes: Tensor, size: int) -> Tensor:
    """The squares around eyes: (N,3,h,w) -> (2N,3,size,size), the left and the right one of each.

    Args:
        x: float32.
        eyes: (N,2,3), see `translate.closeups.Closeups`.
        size: in pixels.
    """
    height, width = x.shape[-2:]
    cx, cy, side = eyes.flatten(0, 1).unbind(-1)
    mirror = mirrors(eyes)
    theta = torch.zeros(len(cx), 2, 3, device=x.device)
    theta[:, 0, 0], theta[:, 0, 2] = mirror * side / width, 2 * cx / width - 1
    theta[:, 1, 1], theta[:, 1, 2] = side / height, 2 * cy / height - 1
    grid = F.affine_grid(theta, [len(theta), 3, size, size], align_corners=False)
    each = x.repeat_interleave(2, dim=0)
    return _seen(each, grid)


def put_back(x: Tensor, walked: Tensor, eyes: Tensor) -> Tensor:
    """Pictures with squares in their places again, fading out to their rims.

    Args:
        x: (N,3,h,w) in [0,1].
        walked: (2N,3,size,size) in [0,1], see `squares`.
        eyes: (N,2,3), see `translate.closeups.Closeups`.

    Returns:
        (N,3,h,w) in [0,1].
    """
    height, width = x.shape[-2:]
    column = torch.arange(width, device=x.device) + 0.5
    row = torch.arange(height, device=x.device) + 0.5
    mirror = mirrors(eyes).view(-1, 2)
    for index in range(2):
        cx, cy, side = eyes[:, index].unbind(-1)
        half = (side / 2).clamp_min(TINY)
        across = (column - cx[:, None]) / half[:, None] * mirror[:, index, None]
        down = (row - cy[:, None]) / half[:, None]
        across = across[:, None, :].expand(-1, height, -1)
        down = down[:, :, None].expand(-1, -1, width)
        grid = torch.stack([across, down], dim=-1)
        seen = _seen(walked[index::2], grid)
        weight = fading(torch.hypot(across, down), _BLEND)[:, None]
        x = x.lerp(seen, weight)
    return x.clamp(0.0, 1.0)


def mirrors(eyes: Tensor) -> Tensor:
    """(2N,): 1 for left eyes, −1 for right ones."""
    return 1.0 - 2.0 * (torch.arange(2 * len(eyes), device=eyes.device) % 2)


def fading(radius: Tensor, ends: tuple[float, float]) -> Tensor:
    """1 up to the first radius, 0 from the second on, without a kink."""
    share = ((radius - ends[0]) / (ends[1] - ends[0])).clamp(0.0, 1.0)
    return 0.5 + 0.5 * torch.cos(math.pi * share)


def _seen(x: Tensor, grid: Tensor) -> Tensor:
    """`grid_sample` that repeats edges, as not every device has it."""
    most_across, most_down = 1 - 1 / x.shape[-1], 1 - 1 / x.shape[-2]
    across = grid[..., 0].clamp(-most_across, most_across)
    down = grid[..., 1].clamp(-most_down, most_down)
    return F.grid_sample(x, torch.stack([across, down], dim=-1), align_corners=False)
