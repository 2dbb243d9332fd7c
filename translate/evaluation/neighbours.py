"""Memorisation: how near generated images are to the nearest training images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from translate.evaluation.job import Arrays
from translate.evaluation.sets import ImageSet, as_tensor
from translate.imageset import Images, fit

SIZE = 64  # pixels at which pictures are compared; a training set's `read_set` size
SHOWN = 3  # neighbours beside each picture on the sheet
ROW = 512  # training images compared at a time
CLOSE = 0.01  # quantile of real images' distances below which a generated one counts as close

Distances = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Neighbours:
    """What was found.

    Attributes:
        figures: medians, and the share of generated images that are suspiciously near.
        values: every distance.
        sheet: (N·`group`,3,SIZE,SIZE) each picture, its neighbours and a gap.
        group: tiles per picture.
    """

    figures: dict[str, Any]
    values: Arrays
    sheet: Tensor
    group: int


def nearest_training_images(
    generated: Images, held_out: ImageSet, training: ImageSet, sheet: int
) -> Neighbours:
    """Compare generated and real unseen images with all training images and their mirror images.

    Args:
        generated: (N,SIZE,SIZE,3) uint8.
        held_out: real images of the domain, not trained on: how near strangers are.
        training: at `SIZE` pixels.
        sheet: pictures shown with their neighbours.
    """
    real = np.stack([fit(Image.fromarray(p), SIZE) for p in held_out.pixels])
    distance, index, mirrored = nearest(generated, training.pixels)
    baseline, *_ = nearest(real, training.pixels)
    limit = float(np.quantile(baseline[:, 0], CLOSE))
    cpu = torch.device("cpu")
    tiles: list[Tensor] = []
    for row in range(min(sheet, len(generated))):
        tiles.append(as_tensor(generated[row : row + 1], cpu))
        for i, flip in zip(index[row], mirrored[row], strict=True):
            tile = as_tensor(training.pixels[i : i + 1], cpu)
            tiles.append(tile.flip(3) if flip else tile)
        tiles.append(torch.ones(1, 3, SIZE, SIZE))
    return Neighbours(
        figures={
            "size": SIZE,
            "median_rms_generated": float(np.median(distance[:, 0])),
            "median_rms_held_out": float(np.median(baseline[:, 0])),
            "nearest_rms_generated": float(distance[:, 0].min()),
            "close_limit": limit,
            "share_close": float((distance[:, 0] < limit).mean()),
        },
        values={"neighbour_rms": distance[:, 0], "held_out_rms": baseline[:, 0]},
        sheet=torch.cat(tiles) if tiles else torch.empty(0, 3, SIZE, SIZE),
        group=index.shape[1] + 2,
    )


def nearest(pictures: Images, training: Images) -> tuple[Distances, Indices, npt.NDArray[np.bool_]]:
    """The `SHOWN` nearest training images of each picture, nearest first.

    Args:
        pictures, training: (N,S,S,3) and (M,S,S,3) uint8.

    Returns:
        Root mean square difference of pixels in [0,1] (N,k), index (N,k), whether the mirror image
        of the training image is meant (N,k).
    """
    x = torch.from_numpy(pictures).flatten(1).float() / 255
    squares: list[Tensor] = []
    for start in range(0, len(training), ROW):
        block = torch.from_numpy(np.array(training[start : start + ROW])).float() / 255
        both = torch.stack([block, block.flip(2)], dim=1).flatten(0, 1).flatten(1)
        squares.append((x**2).sum(1, keepdim=True) + (both**2).sum(1) - 2 * x @ both.T)
    pairs = torch.cat(squares, dim=1).view(len(x), len(training), 2)
    value, side = pairs.min(dim=2)
    k = min(SHOWN, len(training))
    best, index = value.topk(k, dim=1, largest=False)
    rms = (best.clamp_min(0) / x.shape[1]).sqrt()
    return rms.numpy(), index.numpy(), side.gather(1, index).bool().numpy()
