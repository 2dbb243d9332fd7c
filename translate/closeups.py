"""Eyes close up: the squares around a face's eyes walk on, each with a network that sees no more.

To a network of whole faces an eye is a few pixels of many, and what it draws there is strokes that
mean one. In a close-up it is the whole picture. The photo's own eye is put back into the drawing
first, in the light of the drawn skin, and that walks, with the drawing around it: an eye of that
size, place and colour. The right eye is seen in a mirror, so a network learns left ones only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from translate.card_parts import Descent
from translate.guide import ScaledEnergy, seen_from
from translate.options import own_pgd
from translate.pgd import Run, Step, attack, project_ball
from translate.pgd_settings import PGD
from translate.shaping import TINY

# Radii in halves of a square's side:
_GRAFT = (0.6, 0.86)  # up to the first it is the photo that is put back, beyond the other nothing
_BLEND = (0.55, 1.0)  # the same of what has walked, put into the drawing
_AROUND = 0.45  # skin is looked for from here on,
_ALIKE = 0.2  # where a drawing's least colour is within this of what it is at half of the places
_GAIN = (0.5, 2.0)  # of the photo's light to the drawing's


@dataclass(frozen=True, slots=True, kw_only=True)
class Closeups:
    """The close-ups of a domain.

    Attributes:
        energy: of their network, (2N,3,size,size) float32 in [0,1] -> (2N,).
        size: in pixels.
        descent: their whole walk.
        bends: what is asked of the shape of moves against the descent's own, see `Options.bends`.
        run: see `translate.pgd.descend`.
    """

    energy: ScaledEnergy
    size: int
    descent: Descent
    bends: Mapping[str, float] = field(default_factory=dict[str, float])
    run: Run | None = None

    def __call__(self, x: Tensor, start: Tensor, eyes: Tensor, share: Tensor | float) -> Tensor:
        """A batch with its eyes drawn close up, each image its own way.

        Args:
            x: (N,3,h,w) float32 in [0,1], a state of a walk.
            start: (N,3,h,w) float32 in [0,1], what that set out from.
            eyes: (N,2,3), of the left and the right one x, y and the side of the square around it,
                in pixels; a side of 0 is no eye.
            share: how much of the whole walk, in [0,1]; one number or (N,), which the host reads.

        Returns:
            (N,3,h,w) float32 in [0,1].
        """
        if not isinstance(share, Tensor):
            count = round(share * self.descent.steps)
            return self._drawn(x, start, eyes, count) if count else x
        result = x.clone()
        counts = cast("list[int]", share.mul(self.descent.steps).round().int().tolist())
        for count in sorted(set(counts) - {0}):
            chosen = [i for i, own in enumerate(counts) if own == count]
            result[chosen] = self._drawn(x[chosen], start[chosen], eyes[chosen], count)
        return result

    def _drawn(self, x: Tensor, start: Tensor, eyes: Tensor, count: int) -> Tensor:
        drawing, photo = (squares(part, eyes, self.size) for part in (x, start))
        own = replace(own_pgd(self.descent, self.size, self.size), **self.bends)
        walked = grafted(drawing, photo)
        guide = seen_from(self.energy, self.descent.halvings)
        pgd = part_of(own, count)
        return put_back(x, attack(self.energy, walked, pgd, guide=guide, run=self.run), eyes)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CloseUp:
    """Close-ups of the states of one walk.

    Attributes:
        closeups: of the domain.
        source, start: (N,3,h,w) float32 in [0,1], the pictures, and what the walk set out from.
        eyes: (N,2,3), see `Closeups`.
        mask: (N,1,h,w) bool, False where pixels stay as they are; None where all may change.
        pgd: of the walk, whose ball holds for eyes, too.
        travel: L2 length of all moves to strength 1 on pictures of this size.
    """

    closeups: Closeups
    source: Tensor
    start: Tensor
    eyes: Tensor
    mask: Tensor | None
    pgd: PGD
    travel: float

    def __call__(self, step: Step, active: Sequence[Tensor] = ()) -> Step:
        """The state with close-ups as far on their way as the walk is on its own.

        Args:
            step: of the walk.
            active: `Step.active` of all states before, where some images may have ended.
        """
        lengths = [self.pgd.length(index) / self.travel for index in range(step.index)]
        share: Tensor | float = min(sum(lengths), 1.0)
        if active:
            moved = [each * length for each, length in zip(active, lengths, strict=True)]
            share = torch.stack(moved).sum(dim=0).clamp_max(1.0)
        x = self.closeups(step.x, self.start, self.eyes, share)
        if self.mask is not None:
            x = torch.where(self.mask, x, step.x)
        x = project_ball(x, self.source, self.pgd.eps, self.pgd.norm).clamp(0.0, 1.0)
        return replace(step, x=x)


def part_of(pgd: PGD, count: int) -> PGD:
    """The first moves of a walk."""
    return replace(pgd, steps=count, decay=pgd.decay * count / pgd.steps)


def squares(x: Tensor, eyes: Tensor, size: int) -> Tensor:
    """The squares around eyes: (N,3,h,w) -> (2N,3,size,size), the left and the right one of each.

    Args:
        x: float32.
        eyes: see `Closeups`.
        size: in pixels.
    """
    height, width = x.shape[-2:]
    cx, cy, side = eyes.flatten(0, 1).unbind(-1)
    mirror = _mirror(eyes)
    theta = torch.zeros(len(cx), 2, 3, device=x.device)
    theta[:, 0, 0], theta[:, 0, 2] = mirror * side / width, 2 * cx / width - 1
    theta[:, 1, 1], theta[:, 1, 2] = side / height, 2 * cy / height - 1
    grid = F.affine_grid(theta, [len(theta), 3, size, size], align_corners=False)
    each = x.repeat_interleave(2, dim=0)
    return _seen(each, grid)


def put_back(x: Tensor, walked: Tensor, eyes: Tensor) -> Tensor:
    """Pictures with squares in their places again, fading out to their rims.

    Args:
        x: (N,3,h,w) in [0,1].
        walked: (2N,3,size,size) in [0,1], see `squares`.
        eyes: see `Closeups`.

    Returns:
        (N,3,h,w) in [0,1].
    """
    height, width = x.shape[-2:]
    column = torch.arange(width, device=x.device) + 0.5
    row = torch.arange(height, device=x.device) + 0.5
    mirror = _mirror(eyes).view(-1, 2)
    for index in range(2):
        cx, cy, side = eyes[:, index].unbind(-1)
        half = (side / 2).clamp_min(TINY)
        across = (column - cx[:, None]) / half[:, None] * mirror[:, index, None]
        down = (row - cy[:, None]) / half[:, None]
        across = across[:, None, :].expand(-1, height, -1)
        down = down[:, :, None].expand(-1, -1, width)
        grid = torch.stack([across, down], dim=-1)
        seen = _seen(walked[index::2], grid)
        weight = _within(torch.hypot(across, down), _BLEND)[:, None]
        x = x.lerp(seen, weight)
    return x.clamp(0.0, 1.0)


def grafted(drawing: Tensor, photo: Tensor) -> Tensor:
    """The photo's eye within a drawing of it, in the light of the drawn skin.

    Args:
        drawing, photo: (M,3,size,size) in [0,1], squares around eyes.

    Returns:
        (M,3,size,size) in [0,1].
    """
    size = drawing.shape[-1]
    radius = _radius(size, drawing.device)
    around = (radius > _AROUND) & (radius < 1)
    least = drawing.amin(dim=1).masked_fill(~around, math.inf)  # to sort last
    middle = least.flatten(1).sort(dim=1).values[:, _places_around(size) // 2]
    skin = (least - middle[:, None, None]).abs() < _ALIKE
    light, own = ((part * skin[:, None]).sum(dim=(2, 3), keepdim=True) for part in (drawing, photo))
    gain = (light / own.clamp_min(TINY)).clamp(*_GAIN)
    return drawing.lerp((photo * gain).clamp(0.0, 1.0), _within(radius, _GRAFT))


def _seen(x: Tensor, grid: Tensor) -> Tensor:
    """`grid_sample` that repeats edges, as not every device has it."""
    most_across, most_down = 1 - 1 / x.shape[-1], 1 - 1 / x.shape[-2]
    across = grid[..., 0].clamp(-most_across, most_across)
    down = grid[..., 1].clamp(-most_down, most_down)
    return F.grid_sample(x, torch.stack([across, down], dim=-1), align_corners=False)


def _radius(size: int, device: torch.device) -> Tensor:
    """(size,size): how far from the middle of a square, in halves of its side."""
    place = (torch.arange(size, device=device) + 0.5) * (2 / size) - 1
    return torch.hypot(place[None, :], place[:, None])


@cache
def _places_around(size: int) -> int:
    radius = _radius(size, torch.device("cpu"))
    return int(((radius > _AROUND) & (radius < 1)).sum())


def _mirror(eyes: Tensor) -> Tensor:
    """(2N,): 1 for left eyes, −1 for right ones."""
    return 1.0 - 2.0 * (torch.arange(2 * len(eyes), device=eyes.device) % 2)


def _within(radius: Tensor, ends: tuple[float, float]) -> Tensor:
    """1 up to the first radius, 0 from the second on, without a kink."""
    fading = ((radius - ends[0]) / (ends[1] - ends[0])).clamp(0.0, 1.0)
    return 0.5 + 0.5 * torch.cos(math.pi * fading)
