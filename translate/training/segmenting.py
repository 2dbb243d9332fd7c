"""Networks that mark pixels, trained on pictures that a program makes (`translate.segmenting`)."""

from __future__ import annotations

import copy
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor
from torch.nn import functional as F

from translate.domain import WEIGHTS_FILE
from translate.files import atomic_path
from translate.networks.segmenter import Segmenter

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Random = np.random.Generator
Batch = Callable[[Random], tuple[Tensor, Tensor]]

LEARNING_RATE = 4e-3
AVERAGE = 0.995  # decay of the weights' exponential average


def train_segmenter(batch: Batch, updates: int, *, seed: int, marked: float = 1.0) -> Segmenter:
    """A network without normalisation, of averaged weights.

    Args:
        batch: makes pictures, (N,3,H,W) float32 levels, and what is marked, (N,H,W) in [0,1].
        updates: of the optimiser.
        seed: of all that is random.
        marked: weight of marked pixels.
    """
    torch.manual_seed(seed)
    random, model = np.random.default_rng(seed), Segmenter(normalised=True)
    mean = copy.deepcopy(model).requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, LEARNING_RATE, updates, pct_start=0.05, cycle_momentum=False
    )
    started = time.perf_counter()
    for update in range(updates):
        pictures, masks = batch(random)
        value = _loss(model(pictures), masks, marked)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        schedule.step()
        decay = min(AVERAGE, (1 + update) / (10 + update))
        for kept, new in zip(mean.state_dict().values(), model.state_dict().values(), strict=True):
            if kept.is_floating_point():
                kept.lerp_(new, 1 - decay)
        if update % 100 == 99:
            seconds = time.perf_counter() - started
            sys.stderr.write(f"{update + 1}/{updates} loss {value.item():.3f}, {seconds:.0f} s\n")
    return mean.folded()


def save_segmenter(model: Segmenter, out: Path) -> None:
    """Write its weights, in half precision, into a folder."""
    weights = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    with atomic_path(out / WEIGHTS_FILE) as temporary:
        temporary.write_bytes(save(weights))


def _loss(logits: Tensor, masks: Tensor, marked: float) -> Tensor:
    """Cross entropy per pixel and half a soft Dice per picture, (N,H,W) both -> ()."""
    likely, pixels = logits.sigmoid(), (1, 2)
    both = (likely * masks).sum(pixels)
    dice = 1 - (2 * both + 10) / (likely.sum(pixels) + masks.sum(pixels) + 10)
    weight = torch.tensor(marked)
    return F.binary_cross_entropy_with_logits(logits, masks, pos_weight=weight) + dice.mean() / 2


def photographed(picture: Pixels, random: Random) -> Pixels:
    """Another light, contrast and colour; blur, grain and JPEG on some."""
    x = picture.astype(np.float64)
    if random.random() < 0.15:
        x = np.repeat(x.mean(axis=2, keepdims=True), 3, axis=2)
    x = 255 * (x / 255) ** float(np.exp(random.normal(0, 0.25)))
    x = (x - 128) * np.exp(random.normal(0, 0.2)) + 128 + random.normal(0, 14)
    if random.random() < 0.7:
        x = x * np.exp(random.normal(0, 0.07, 3))
    if random.random() < 0.4:
        x = cast(Floats, cv2.GaussianBlur(x, (0, 0), random.uniform(0.3, 1.5)))
    if random.random() < 0.4:
        x = x + random.normal(0, math.exp(random.uniform(0, math.log(40))), x.shape)
    shown = np.clip(x, 0, 255).astype(np.uint8)
    if random.random() < 0.3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(30, 90))]
        shown = cast(Pixels, cv2.imdecode(cv2.imencode(".jpg", shown, quality)[1], 1))
    return shown
