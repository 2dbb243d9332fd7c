"""Dots that no drawing has, dark spots without a length of their own, strokes on bare places."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from translate.smooth import averaged

SPAN = 0.12  # of a picture's side: wider strokes stay on bare places
LYING = 0.7  # of a length, in pixels, is enough for what does not stand: mouths, lids and brows lie

Line = tuple[int, int, int]
"""How many pixels, and how far down and across each is from the one before."""


def despeckled(x: Tensor, length: float) -> Tensor:
    """Each channel with its short dark spots filled and its lines kept.

    The least of its closings by a standing, a lying and two slanting lines, itself a closing
    (Serra 1982; Soille and Talbot 2001): what is as long as such a line in one of the directions
    stays as it is, however thin, and a shorter spot becomes as light as what is around it.

    Args:
        x: (N,C,H,W) float.
        length: of a standing line, in pixels; of the others `LYING` of it, a slanting one from
            corner to corner. Where that is a single pixel everything stays.

    Returns:
        (N,C,H,W), no value below that of x, all within its range.
    """
    standing, lying = max(1, round(length)), max(1, round(LYING * length))
    if lying == 1:
        return x
    mirrored = x.flip(-1)
    found = torch.minimum(_filled(x, (standing, 1, 0)), _filled(x, (lying, 0, 1)))
    found = torch.minimum(found, _filled(x, (lying, 1, 1)))
    return torch.minimum(found, _filled(mirrored, (lying, 1, 1)).flip(-1))


def cleared(x: Tensor, places: Tensor) -> Tensor:
    """Each channel without its dark strokes at some places: closed there by a square of `SPAN`, and
    averaged over half as much, so that what fills them has no corners.

    Args:
        x: (N,C,H,W) float.
        places: (N,1,H,W) in [0,1], how much of them goes.

    Returns:
        (N,C,H,W), no value below that of x, all within its range.
    """
    side = max(1, round(SPAN * x.shape[-2]))
    closed = _filled(x, (side, 1, 0), (side, 0, 1))
    return x.lerp(averaged(closed, side // 4).maximum(x), places)


def _filled(x: Tensor, *lines: Line) -> Tensor:
    """The closing by what lines span together; the border is continued with its own pixels."""
    down, across = (sum((line[0] - 1) * line[axis] for line in lines) for axis in (1, 2))
    x = F.pad(x, (across, across, down, down), mode="replicate")
    for pick in (torch.maximum, torch.minimum):
        for line in lines:
            x = _along(pick, x, *line)
    return x


def _along(
    pick: Callable[[Tensor, Tensor], Tensor], x: Tensor, count: int, down: int, across: int
) -> Tensor:
    """What is picked of `count` pixels in a line, for each line that lies in the picture; two lines
    at a time, so a few operations do."""
    done = 1
    while done < count:
        more = min(done, count - done)
        rows, columns = x.shape[-2] - more * down, x.shape[-1] - more * across
        x = pick(x[..., :rows, :columns], x[..., more * down :, more * across :])
        done += more
    return x
