"""Sample grids: the same held-out photos, walked into the domain by the averaged weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from translate.card_parts import Descent
from translate.device import autocast, placed
from translate.energy import EnergyModel
from translate.grid import image_grid
from translate.guide import ScaledEnergy, seen_from
from translate.image_io import write_image
from translate.options import own_pgd
from translate.pgd import Step, descend
from translate.view import NOTHING, Asked, View, look_at


def walk(
    energy: ScaledEnergy,
    seen: View,
    descent: Descent,
    members: int = 1,
) -> Iterator[Step]:
    """The descent of a recipe, as the program walks it later.

    Args:
        energy: `EnergyModel.energy`, in any precision.
        seen: on the model's device.
        descent: settings.
        members: of the energy.
    """
    pgd = own_pgd(descent, *seen.x.shape[-2:])
    guide = seen_from(
        energy,
        descent.halvings,
        members,
        mirrored=descent.mirrored,
        together=descent.together,
    )
    return descend(
        energy,
        seen.x,
        pgd,
        guide=guide,
        shift=seen.shift,
        bare=seen.bare,
        sky=seen.sky,
        dark=seen.dark,
    )


def write_samples(
    model: EnergyModel,
    x: Tensor,
    file: Path,
    *,
    descent: Descent,
    dtype: torch.dtype,
    asked: Asked = NOTHING,
) -> None:
    """Write a PNG: rows of sources, below each its translation.

    Args:
        model: frozen.
        x: (N,3,H,W) float32 in [0,1].
        file: to write.
        descent: how far and how.
        dtype: of the convolutions.
        asked: of each image and of the face in it, as of photos later.
    """
    device = next(model.parameters()).device
    x = placed(x, device)

    def energy(images: Tensor, halvings: int = 0, member: int | None = None) -> Tensor:
        with autocast(device, dtype):
            return model.energy(images, halvings, member)

    *_, last = walk(energy, look_at(x, asked), descent, model.config.members)
    columns = min(12, len(x))
    rows = [
        torch.cat([x[i : i + columns], last.x[i : i + columns]])
        for i in range(0, len(x) - len(x) % columns, columns)
    ]
    write_image(image_grid(torch.cat(rows), columns=columns), file, overwrite=True)
