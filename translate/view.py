"""What the network sees of a photo, and which of it a walk may change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from translate.faces import find_faces
from translate.framing import Pixels, Window, extract
from translate.glasses import find_glasses
from translate.image_io import to_tensor
from translate.masking import Mask, window_mask
from translate.relighting import brightening


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """N windows of one size: one, unless they are `gathered`.

    Attributes:
        x: (N,3,h,w) float32 in [0,1].
        mask: (N,1,h,w) bool, False where pixels stay as they are; None where all may change.
        brightening: (N,1,h,w) float32, factors of 1 or more: how much lighter than x the picture is
            that a walk sets out from (`translate.relighting`); None where it is x.
    """

    x: Tensor
    mask: Tensor | None = None
    brightening: Tensor | None = None


def look(
    rgb: Pixels,
    window: Window,
    *,
    keep_glasses: bool,
    relit: bool = False,
    mask: Mask | None = None,
) -> View:
    """A window of a photo.

    Args:
        rgb: (H,W,3) uint8.
        window: of it.
        keep_glasses: leave glasses before the window's face as they are.
        relit: see `Domain.face_relit`.
        mask: (H,W) bool; where it is False, pixels stay as they are, too.
    """
    seen, face = extract(rgb, window), window.seen_face
    free = factors = None
    if mask is not None:
        free = window_mask(mask, window.box, window.out_width, window.out_height)
    if keep_glasses and face is not None:
        worn = find_glasses(seen, face)
        if worn is not None:
            free = ~worn if free is None else free & ~worn
    if relit and face is not None:
        factors = brightening(seen, face)
    maps = (None if m is None else torch.from_numpy(m)[None, None] for m in (free, factors))
    return View(to_tensor(seen), *maps)


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


def gathered(views: Sequence[View]) -> View:
    """Windows of one size as a batch."""
    x = torch.cat([view.x for view in views])
    return View(
        x,
        _together([view.mask for view in views], torch.ones(1, 1, *x.shape[2:], dtype=torch.bool)),
        _together([view.brightening for view in views], torch.ones(1, 1, *x.shape[2:])),
    )


def _together(maps: Sequence[Tensor | None], neutral: Tensor) -> Tensor | None:
    """(N,1,h,w) of N maps or Nones; None if there is none."""
    if all(each is None for each in maps):
        return None
    return torch.cat([neutral if each is None else each for each in maps])


def brightenings(pictures: Iterable[Pixels]) -> Tensor:
    """`View.brightening` of pictures that were cut out before: around the largest face in each.

    Args:
        pictures: N times (h,w,3) uint8, of one size.

    Returns:
        (N,1,h,w) float32, 1 where no face is found.
    """
    factors: list[Tensor] = []
    for rgb in pictures:
        faces = find_faces(rgb, every=False)
        found = brightening(rgb, faces[0]) if faces else None
        factors.append(torch.ones(rgb.shape[:2]) if found is None else torch.from_numpy(found))
    return torch.stack(factors)[:, None]
