"""Energies of held-out images: what a card's calibration is made of."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from translate.device import placed
from translate.errors import InputError
from translate.framing import Framing, extract, find_window
from translate.guide import Energy
from translate.image_io import read_photo, to_tensor

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
BATCH = 16


def quantiles(energy: Tensor) -> tuple[float, ...]:
    """(N,) -> the 21 quantiles from 0 to 1 in steps of 0.05, rounded to four digits."""
    values = torch.quantile(energy.double(), torch.linspace(0, 1, 21, dtype=torch.float64))
    return tuple(round(float(v), 4) for v in values)


def folder_energies(
    energy: Energy, folder: Path, *, size: int, framing: Framing, device: torch.device
) -> Tensor:
    """The energy of every picture below a folder, in the order of their names.

    Args:
        energy: of a model on `device`.
        folder: searched with all folders in it.
        size: height and width that the pictures are seen at.
        framing: `face` or `crop`.
        device: where to compute.

    Returns:
        (N,) float32 on the CPU.

    Raises:
        InputError: the folder holds no pictures, or one cannot be read.
    """
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not files:
        raise InputError(f"{folder}: no pictures ({', '.join(SUFFIXES)}) in it")
    energies: list[Tensor] = []
    for start in range(0, len(files), BATCH):
        windows: list[Tensor] = []
        for file in files[start : start + BATCH]:
            photo = read_photo(file)
            window = find_window(photo.rgb, framing=framing, size=size)
            windows.append(to_tensor(extract(photo.rgb, window)))
        x = placed(torch.cat(windows), device)
        with torch.no_grad():
            energies.append(energy(x).float().cpu())
    return torch.cat(energies)
