"""Sample grids: the same held-out photos, walked into the domain by the averaged weights."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from translate.device import autocast
from translate.energy import EnergyModel
from translate.grid import image_grid
from translate.image_io import write_image
from translate.pgd import PGD, attack


def translations(
    model: EnergyModel, x: Tensor, *, steps: int, travel: float, dtype: torch.dtype
) -> Tensor:
    """PGD from x.

    Args:
        model: frozen.
        x: (N,3,H,W) float32 in [0,1], on the model's device.
        steps: PGD steps.
        travel: step size × steps, as a share of √(3HW).
        dtype: of the convolutions.

    Returns:
        (N,3,H,W) float32 in [0,1].
    """

    def energy(images: Tensor) -> Tensor:
        with autocast(images.device, dtype):
            return model.energy(images)

    length = travel * math.sqrt(x[0].numel()) / steps
    return attack(energy, x, PGD(steps=steps, step_size=length))


def write_samples(
    model: EnergyModel,
    x: Tensor,
    file: Path,
    *,
    steps: int,
    travel: float,
    dtype: torch.dtype,
) -> None:
    """Write a PNG: rows of sources, below each its translation."""
    device = next(model.parameters()).device
    x = x.to(device).contiguous(memory_format=torch.channels_last)
    result = translations(model, x, steps=steps, travel=travel, dtype=dtype)
    columns = min(12, len(x))
    rows = [
        torch.cat([x[i : i + columns], result[i : i + columns]])
        for i in range(0, len(x) - len(x) % columns, columns)
    ]
    write_image(image_grid(torch.cat(rows), columns=columns), file, overwrite=True)
