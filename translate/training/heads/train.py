"""The finder of heads, trained.

Nobody has to mark any: it learns from heads that their colours cut out of photos with another
background, and from the same heads before other backgrounds. A first, short training tells where
more of them can be cut out, which the second learns from.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from translate.errors import InputError
from translate.imageset import Fit, decoded, open_images
from translate.networks.segmenter import Segmenter
from translate.training.heads.cutouts import (
    Cutout,
    Floats,
    Pixels,
    by_colour_alone,
    cut_as_told,
    cut_by_colour,
    intersection_over_union,
    looked_at,
    reduced,
)
from translate.training.heads.scenes import GROUND, scene
from translate.training.segmenting import Random, save_segmenter, train_segmenter

SOURCES = (("portraits-cc0-512.zip", 40), ("selfies-256.zip", 200))  # and how many are held out
GROUNDS = (("natural-160.zip", 300), ("day-256.zip", 100), ("night-256.zip", 100))
ROUNDS = (1500, 5000)  # updates
BATCH = 24
SCENES = 10  # of each held-out head, that figures are of
PORTRAITS = 0.5  # share of heads from the first source, whose outlines are best

Cutouts = list[list[Cutout]]  # of each source


def faces(root: Path, *, held_out: bool = False) -> list[list[Pixels]]:
    """Those of each source, (256,256,4) uint8: all but the held-out, or these."""

    def largest(image: Image.Image, _: int) -> Pixels:
        face = looked_at(np.asarray(image))
        return np.zeros((0, 0, 4), np.uint8) if face is None else face

    return [[*filter(np.size, _pictures(root, *source, held_out, largest))] for source in SOURCES]


def grounds(root: Path, *, held_out: bool = False) -> Pixels:
    """(N,160,160,3) uint8: all but the held-out, or these."""
    return np.stack([ground for source in GROUNDS for ground in _pictures(root, *source, held_out)])


def _pictures(
    root: Path, file: str, last: int, held_out: bool, fitted: Fit | None = None
) -> Iterator[Pixels]:
    names, read = open_images(root / file)
    part = names[-last:] if held_out else names[:-last]
    return decoded(root / file, part, read, GROUND, fitted=fitted)


def batch(cutouts: Cutouts, grounds: Pixels, random: Random) -> tuple[Tensor, Tensor]:
    """Pictures, (N,3,128,128) float32 levels, and how much of them heads are, (N,128,128)."""
    pictures: list[Pixels] = []
    heads: list[Floats] = []
    for _ in range(BATCH):
        source = cutouts[0 if random.random() < PORTRAITS else 1]
        picture, head = scene(source[random.integers(len(source))], grounds, random)
        pictures.append(picture)
        heads.append(head)
    x = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()
    return x, torch.from_numpy(np.stack(heads))


@torch.inference_mode()
def likely(model: Segmenter, face: Pixels) -> Floats:
    """(128,128) in [0,1]: what a network marks in a face and in its mirror image."""
    x = torch.from_numpy(reduced(face)[..., :3].copy()).permute(2, 0, 1)[None].float()
    there, mirrored = model(torch.cat([x, x.flip(3)])).sigmoid()
    return ((there + mirrored.flip(1)) / 2).numpy()


def train_twice(root: Path, out: Path) -> None:
    """Train twice and write the weights in half precision.

    Args:
        root: folder of the `SOURCES` and `GROUNDS`.
        out: folder for `model.safetensors`.

    Raises:
        InputError: a file is missing, is no set of pictures, or holds no head to learn from.
    """
    seen, behind = faces(root), grounds(root)
    by_colour = _cut(seen, cut_by_colour)
    first = train_segmenter(partial(batch, by_colour, behind), ROUNDS[0], seed=0)
    told = _cut(seen, lambda face: cut_as_told(face, likely(first, face)))
    del seen
    model = train_segmenter(partial(batch, told, behind), ROUNDS[1], seed=1)
    save_segmenter(model, out)
    held_out = [
        cut for seen in faces(root, held_out=True) for cut in map(cut_by_colour, seen) if cut
    ]
    if held_out:
        alike = measured(model, held_out, grounds(root, held_out=True))
        sys.stderr.write("intersection over union {:.3f}, by colours alone {:.3f}\n".format(*alike))


def measured(model: Segmenter, cutouts: list[Cutout], grounds: Pixels) -> tuple[float, float]:
    """How alike heads in `SCENES` of each are to what is found, and to what colours alone find.

    Returns:
        Intersection over union, of the network and of colours, means in [0,1].
    """
    random, alike = np.random.default_rng(0), np.zeros(2)
    for cutout in cutouts * SCENES:
        picture, head = scene(cutout, grounds, random)
        with torch.inference_mode():
            logits = model(torch.from_numpy(picture).permute(2, 0, 1)[None].float())[0]
        found = (logits.numpy() > 0, by_colour_alone(picture))
        alike += [intersection_over_union(head > 0.5, each) for each in found]
    ours, colours = alike / (SCENES * len(cutouts))
    return float(ours), float(colours)


def _cut(seen: list[list[Pixels]], cut: Callable[[Pixels], Cutout | None]) -> Cutouts:
    cutouts = [[found for found in map(cut, faces) if found] for faces in seen]
    for (file, _), faces, found in zip(SOURCES, seen, cutouts, strict=True):
        if not found:
            raise InputError(f"{file}: no head stands out from its background")
        sys.stderr.write(f"{file}: {len(found)} of {len(faces)} heads are cut out\n")
    return cutouts
