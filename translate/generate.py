"""Samples of a domain: noise or any pictures, walked in."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from translate.errors import InputError
from translate.framing import extract
from translate.grid import image_grid
from translate.image_io import read_photo, to_array, to_pil, to_tensor, write_image
from translate.inking import calmed, inked
from translate.options import DEFAULTS, Options
from translate.translator import Translator
from translate.view import View

BATCH = 16
CLOUDS = 4  # positions of noise per side: finer noise stays visible in the result
NOISE_MOVES, NOISE_LENGTH = 1.7, 0.84  # times the calibrated ones
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


def generate(
    translator: Translator,
    count: int,
    options: Options = DEFAULTS,
    *,
    seed: int = 0,
    start: Path | None = None,
) -> Tensor:
    """Walk `count` start images downhill.

    Args:
        translator: of the domain.
        count: how many.
        options: how far.
        seed: of the noise, or of the choice of pictures.
        start: folder of pictures; None is smooth noise, walked further, in more
            and shorter moves.

    Returns:
        (count,3,size,size) float32 in [0,1] on the CPU; drawings with clear lines (`inked`).

    Raises:
        InputError: the folder holds no pictures, or one cannot be read.
    """
    generator = torch.Generator().manual_seed(seed)
    size = translator.domain.network.size
    if start is None:
        x = _clouds(count, size, generator)
        options = replace(  # nor any light or colour to keep
            options, tone_lock=options.tone_lock or 0.0, colour_lock=options.colour_lock or 0.0
        )
        if options.steps is None:  # there is no photo to stay near
            own, length = translator.domain.pgd, options.step_size
            options = replace(
                options,
                steps=math.ceil(NOISE_MOVES * own.steps),
                step_size=NOISE_LENGTH * own.step_size if length is None else length,
            )
    else:
        x = _pictures(translator, start, count, generator, options)
    results: list[Tensor] = []
    for start_index in range(0, count, BATCH):
        part = x[start_index : start_index + BATCH]
        *_, (step, _last) = translator.descend(View(part), options, measured=False)
        results.append(step.x.cpu())
    images = torch.cat(results)
    if translator.domain.face_drawn:
        drawn = [inked(calmed(rgb), (size, size)) for rgb in to_array(images)]
        images = torch.cat([to_tensor(rgb) for rgb in drawn])
    return images


def write_generated(images: Tensor, out: Path, *, overwrite: bool) -> Path:
    """Write 000.png … and grid.png into a folder; returns the grid's path."""
    for index, pixels in enumerate(to_array(images)):
        write_image(to_pil(pixels), out / f"{index:03d}.png", overwrite=overwrite)
    columns = max(1, round(len(images) ** 0.5))
    write_image(image_grid(images, columns=columns), out / "grid.png", overwrite=overwrite)
    return out / "grid.png"


def _clouds(count: int, size: int, generator: torch.Generator) -> Tensor:
    coarse = torch.rand(count, 3, CLOUDS, CLOUDS, generator=generator)
    return F.interpolate(coarse, size=(size, size), mode="bicubic").clamp(0.0, 1.0)


def _pictures(
    translator: Translator, folder: Path, count: int, generator: torch.Generator, options: Options
) -> Tensor:
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    if not files:
        raise InputError(f"{folder}: no pictures ({', '.join(SUFFIXES)}) in it")
    order = torch.randperm(len(files), generator=generator)
    windows: list[Tensor] = []
    for index in range(count):
        photo = read_photo(files[order[index % len(files)]], max_pixels=options.max_pixels)
        windows.append(to_tensor(extract(photo.rgb, translator.windows(photo, options)[0])))
    return torch.cat(windows)
