"""The finder of glasses, trained.

It learns from faces without glasses and painted ones on them, so nobody has to mark any. Faces that
already wear some would teach it to overlook those: a first, short training finds them, and they are
left out of the second.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from translate.faces import find_faces
from translate.glasses import SEEN, near
from translate.imageset import decoded, open_images
from translate.networks.segmenter import Segmenter
from translate.training.glasses.clutter import without_glasses
from translate.training.glasses.painted import with_glasses
from translate.training.glasses.photos import moved
from translate.training.segmenting import photographed, save_segmenter, train_segmenter

Pixels = npt.NDArray[np.uint8]

SOURCES = (("selfies-256.zip", 200), ("portraits-cc0-512.zip", 40))  # and how many are held out
ROUNDS = (1000, 4500)  # updates
BATCH = 24
MARKED = 2.0  # weight of the marked pixels, which are few
# Shares of painted faces, of faces as they are, and of places where no face may be
WORN, PLAIN, ELSEWHERE = 0.45, 0.15, 0.1
CLUTTERED = 0.2  # share of the painted ones that have something else before them, too
SUSPECTED = 100  # pixels marked in a face by the first round; with more it may wear glasses


def faces(root: Path) -> Pixels:
    """(N,2,128,192,3) uint8: those of the sources but the held-out, and places beside them."""
    found: list[Pixels] = []

    def largest(image: Image.Image, _: int) -> Pixels:
        rgb = np.asarray(image)
        boxes = find_faces(rgb, every=False)
        if not boxes:
            return np.zeros((0, *SEEN[::-1], 3), np.uint8)
        random = np.random.default_rng(round(1000 * sum(boxes[0])))
        x, y = random.uniform(0, image.size)
        elsewhere = (x, y, boxes[0][2] * random.uniform(0.4, 1.2))
        return np.stack([near(rgb, boxes[0]), near(rgb, elsewhere)])

    for file, held_out in SOURCES:
        names, read = open_images(root / file)
        pictures = decoded(root / file, names[:-held_out], read, SEEN[0], fitted=largest)
        found += [picture for picture in pictures if len(picture)]
    return np.stack(found)


def batch(faces: Pixels, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Pictures, (N,3,128,192) float32 levels, and what glasses hide of them, (N,128,192)."""
    pictures: list[Pixels] = []
    masks: list[npt.NDArray[np.bool_]] = []
    for index in random.integers(len(faces), size=BATCH):
        picture, mask = faces[index, 0], np.zeros(SEEN[::-1], bool)
        kind = random.random()
        if kind < WORN:
            if random.random() < CLUTTERED:
                picture = without_glasses(picture, random)
            picture, mask = with_glasses(picture, random)
        elif kind < WORN + ELSEWHERE:
            picture = faces[index, 1]
        elif kind < 1 - PLAIN:
            picture = without_glasses(picture, random)
        picture, mask = moved(picture, mask, random)
        pictures.append(photographed(picture, random))
        masks.append(mask)
    x = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()
    return x, torch.from_numpy(np.stack(masks)).float()


@torch.inference_mode()
def marked(model: Segmenter, faces: Pixels) -> npt.NDArray[np.int64]:
    """(N,): pixels that it marks in each face."""
    counts: list[int] = []
    for face in faces:
        logits = model(torch.from_numpy(face).permute(2, 0, 1)[None].float())
        counts.append(int((logits > 0).sum()))
    return np.array(counts)


def train_twice(root: Path, out: Path) -> None:
    """Train twice and write the weights in half precision.

    Args:
        root: folder of the `SOURCES`.
        out: folder for `model.safetensors`.

    Raises:
        InputError: a source is missing or holds what is no picture.
    """
    all_faces = faces(root)
    first = train_segmenter(partial(batch, all_faces), ROUNDS[0], seed=0, marked=MARKED)
    bare = all_faces[marked(first, all_faces[:, 0]) < SUSPECTED]
    sys.stderr.write(f"{len(bare)} of {len(all_faces)} faces seem to wear no glasses\n")
    save_segmenter(train_segmenter(partial(batch, bare), ROUNDS[1], seed=1, marked=MARKED), out)
