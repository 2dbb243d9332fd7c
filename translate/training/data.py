"""Training images: folders and zips decoded once per size, random batches by update number."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from translate.device import placed
from translate.errors import InputError, TrainingError
from translate.framing import DEFAULT_SQUARE, FaceSquare, find_window
from translate.image_io import to_array
from translate.imageset import Fit, Images, Reader, decoded, face_fit, fit, open_images
from translate.shaping import dimming
from translate.smooth import smoothed
from translate.training.data_settings import Augment, Source
from translate.view import Asked, look

BURNT = (0.15, 0.5)  # light of starts whose bright parts have sunk: `Augment.burning`
BURNING = 0.8  # how far, place by place, as `PGD.burning`


def load_images(
    source: Source,
    root: Path,
    size: int,
    cache: Path,
    *,
    held_out: bool = False,
    square: FaceSquare = DEFAULT_SQUARE,
    eyes: float = 1.0,
) -> Images:
    """All images of a source at one size: centre squares, or squares around faces.

    Decoded images are kept under `cache` as one memory-mapped array, so that a resumed run starts
    at once and sets larger than the memory work.

    Args:
        source: folder or zip.
        root: that its path is relative to.
        size: height and width in pixels.
        cache: folder for decoded arrays.
        held_out: give the held-out images instead of the training images.
        square: what the squares around faces look like.
        eyes: with framing `relit`, see `translate.domain.Domain.face_eyes`.

    Returns:
        (N,size,size,3) uint8, read-only.

    Raises:
        TrainingError: the source is missing, holds no images, or one cannot be read.
    """
    path = root / source.path
    try:
        names, read = open_images(path)
    except InputError as error:
        raise TrainingError(f"{error}; --data names where paths start") from None
    if source.hold_out >= len(names):
        raise TrainingError(
            f"{path}: {len(names)} images, none left to train on with hold_out = {source.hold_out}"
        )
    split = len(names) - source.hold_out
    names = names[split:] if held_out else names[:split]
    if not names:
        raise TrainingError(f"{path}: nothing is held out; set hold_out in the recipe")
    stamp = f"{path.resolve()}|{path.stat().st_mtime_ns}|{size}|{names[0]}|{names[-1]}|{len(names)}"
    if source.framing != "crop":
        stamp += f"|{source.framing} {square.margin} {square.centre}"
    if source.framing == "relit":
        stamp += f" {eyes}"
    if path.is_dir():  # pictures replaced in place leave the folder's own time as it is
        stats = [(path / name).stat() for name in names]
        stamp += "".join(f"|{s.st_size},{s.st_mtime_ns}" for s in stats)
    file = cache / f"{path.stem}-{size}-{hashlib.sha256(stamp.encode()).hexdigest()[:12]}.npy"
    if not file.is_file():
        fitted = {"crop": fit, "face": face_fit(square), "relit": _relit_fit(square, eyes)}
        _decode_all(path, names, read, size, file, fitted[source.framing])
    return np.load(file, mmap_mode="r")


def _relit_fit(square: FaceSquare, eyes: float) -> Fit:
    def fit_relit(image: Image.Image, size: int) -> Images:
        rgb = np.asarray(image)
        window = find_window(rgb, framing="face", size=size, square=square)
        view = look(rgb, window, keep_glasses=False, asked=Asked(relit=True, eyes=eyes))
        return to_array(view.start)[0]

    return fit_relit


def _decode_all(
    path: Path, names: Sequence[str], read: Reader, size: int, file: Path, fitted: Fit
) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        array = np.lib.format.open_memmap(
            temporary, mode="w+", dtype=np.uint8, shape=(len(names), size, size, 3)
        )
        for index, pixels in enumerate(decoded(path, names, read, size, fitted=fitted)):
            array[index] = pixels
        array.flush()
        temporary.replace(file)
    except InputError as error:
        raise TrainingError(str(error)) from None
    finally:
        temporary.unlink(missing_ok=True)


class Mix:
    """A weighted mix of image sets; batch n is a pure function of the seed and n.

    Nothing has to be saved to resume: asking for the same number gives the same batch.

    Args:
        sets: (N,size,size,3) uint8 each, one size.
        weights: relative shares.
        augment: random changes.
        seed: of this mix.
    """

    def __init__(
        self, sets: Sequence[Images], weights: Sequence[float], augment: Augment, seed: int
    ) -> None:
        self.sets = sets
        self.weights = torch.tensor(weights, dtype=torch.float64)
        self.augment = augment
        self.seed = seed

    def batch(self, number: int, count: int, device: torch.device) -> Tensor:
        """Batch `number`: (count,3,size,size) float32 in [0,1], as `placed`."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + number)
        which = torch.multinomial(self.weights, count, replacement=True, generator=generator)
        where = torch.rand(count, generator=generator, dtype=torch.float64)
        chosen = cast("list[tuple[int, float]]", torch.stack([which.double(), where], 1).tolist())
        picked: list[Images] = []
        for index, share in chosen:
            images = self.sets[int(index)]
            picked.append(images[int(share * len(images))])
        x = torch.from_numpy(np.stack(picked))
        if device.type != "mps":  # torch samples no bicubic grid there up to 2.12
            x = x.to(device)
        x = x.permute(0, 3, 1, 2).float().div_(255.0)
        return placed(augmented(x, self.augment, generator), device)


def augmented(x: Tensor, augment: Augment, generator: torch.Generator) -> Tensor:
    """Flip, crop, light and blur, each image its own way, in one resampling.

    Args:
        x: (N,3,H,W) float32 in [0,1].
        augment: probabilities and ranges.
        generator: on the CPU, whatever x is on.

    Returns:
        (N,3,H,W) float32 in [0,1].
    """
    n = len(x)

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(n, generator=generator) * (high - low) + low

    cropped = uniform(0, 1) < augment.crop
    area, ratio = uniform(*augment.crop_scale), uniform(*augment.crop_ratio)
    width = torch.where(cropped, (area * ratio).sqrt().clamp_max(1.0), torch.ones(n))
    height = torch.where(cropped, (area / ratio).sqrt().clamp_max(1.0), torch.ones(n))
    shift_x, shift_y = uniform(-1, 1) * (1 - width), uniform(-1, 1) * (1 - height)
    mirror = torch.where(uniform(0, 1) < augment.flip, -1.0, 1.0)
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 0, 2] = width * mirror, shift_x
    theta[:, 1, 1], theta[:, 1, 2] = height, shift_y
    factor = uniform(*augment.brightness).view(-1, 1, 1, 1).to(x.device)
    grid = F.affine_grid(theta.to(x.device), list(x.shape), align_corners=False)
    x = F.grid_sample(x, grid, mode="bicubic", padding_mode="border", align_corners=False)
    if augment.burning > 0:
        x = x.clamp_(0.0, 1.0)
        burnt = (uniform(0, 1) < augment.burning).view(-1, 1, 1, 1).to(x.device)
        light = uniform(*BURNT).view(-1, 1, 1, 1).to(x.device)
        x = torch.where(burnt, x * dimming(x, light, BURNING), x)
    x = (x * factor).clamp_(0.0, 1.0)
    if augment.blur > 0:
        blurred = (uniform(0, 1) < augment.blur).view(-1, 1, 1, 1).to(x.device)
        x = torch.where(blurred, smoothed(x, x.shape[-1] / 64), x)
    return x


def first_images(images: Images, count: int) -> Tensor:
    """The first `count` images as (count,3,H,W) float32 in [0,1]."""
    x = torch.from_numpy(np.array(images[:count]))
    return x.permute(0, 3, 1, 2).float().div_(255.0)


def batches(x: Tensor, size: int) -> Iterator[Tensor]:
    """Consecutive slices of at most `size` images."""
    for start in range(0, len(x), size):
        yield x[start : start + size]
