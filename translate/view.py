"""What the network sees of a photo, and which of it a walk may change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from translate.framing import Pixels, Window, extract
from translate.glasses import find_glasses
from translate.image_io import to_tensor
from translate.masking import Mask, window_mask


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One window.

    Attributes:
        x: (1,3,h,w) float32 in [0,1].
        mask: (1,1,h,w) bool, False where pixels stay as they are; None where all may change.
    """

    x: Tensor
    mask: Tensor | None = None


def look(rgb: Pixels, window: Window, *, keep_glasses: bool, mask: Mask | None = None) -> View:
    """A window of a photo.

    Args:
        rgb: (H,W,3) uint8.
        window: inside it.
        keep_glasses: leave glasses before the window's face as they are.
        mask: (H,W) bool; where it is False, pixels stay as they are, too.
    """
    seen = extract(rgb, window)
    free = None
    if mask is not None:
        free = window_mask(mask, window.box, window.out_width, window.out_height)
    if keep_glasses and window.seen_face is not None:
        worn = find_glasses(seen, window.seen_face)
        if worn is not None:
            free = ~worn if free is None else free & ~worn
    return View(to_tensor(seen), None if free is None else torch.from_numpy(free)[None, None])


def steady(views: Sequence[View], windows: int) -> list[View]:
    """Frames of a moving picture, where glasses stay in all of them or in none: none blinks.

    Args:
        views: frame by frame, of as many windows each.
        windows: how many.
    """
    worn = [all(view.mask is not None for view in views[i::windows]) for i in range(windows)]
    return [
        view if worn[index % windows] else replace(view, mask=None)
        for index, view in enumerate(views)
    ]


def gathered(views: Sequence[View]) -> tuple[Tensor, Tensor | None]:
    """Windows of one size as a batch: (N,3,h,w), and (N,1,h,w) bool unless all may change."""
    x = torch.cat([view.x for view in views])
    if all(view.mask is None for view in views):
        return x, None
    all_of_it = torch.ones(1, 1, *x.shape[2:], dtype=torch.bool)
    return x, torch.cat([all_of_it if view.mask is None else view.mask for view in views])
