"""Eyes close up: the squares around a face's eyes walk on, each with a network that sees no more.

To a network of whole faces an eye is a few pixels of many, and what it draws there is strokes that
mean one. In a close-up it is the whole picture. The photo's own eye is put back into the drawing
first, in the light of the drawn skin, and that walks, with the drawing around it: an eye of that
size and colour, where the photo has it. Where a domain draws eyes in places of its own
(`translate.drawn_places`) only irises are put back, or nothing, as its card says. The right eye is
seen in a mirror, so a network learns left ones only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import cast

import torch
from torch import Tensor

from translate.card_parts import Closeup
from translate.drawn_places import find_places
from translate.guide import ScaledEnergy, seen_from
from translate.options import own_pgd
from translate.pgd import Run, Step, attack, project_ball
from translate.pgd_settings import PGD
from translate.shaping import TINY
from translate.squares import fading, put_back, squares

# Radii in halves of a square's side:
GRAFT = (0.6, 0.86)  # up to the first it is the photo that is put back, beyond the other nothing;
IRIS = (0.3, 0.6)  # the same where lids are drawn in places of their own
_AROUND = 0.45  # skin is looked for from here on,
_ALIKE = 0.2  # where a drawing's least colour is within this of what it is at half of the places
_GAIN = (0.5, 2.0)  # of the photo's light to the drawing's


@dataclass(frozen=True, slots=True, kw_only=True)
class Closeups:
    """The close-ups of a domain.

    Attributes:
        energy: of their network, (2N,3,size,size) float32 in [0,1] -> (2N,).
        size: in pixels.
        card: what the domain says of them.
        bends: what is asked of the shape of moves against their walk's own, see `Options.bends`.
        run: see `translate.pgd.descend`.
    """

    energy: ScaledEnergy
    size: int
    card: Closeup
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
            count = round(share * self.card.pgd.steps)
            return self._drawn(x, start, eyes, count) if count else x
        result = x.clone()
        counts = cast("list[int]", share.mul(self.card.pgd.steps).round().int().tolist())
        for count in sorted(set(counts) - {0}):
            chosen = [i for i, own in enumerate(counts) if own == count]
            result[chosen] = self._drawn(x[chosen], start[chosen], eyes[chosen], count)
        return result

    def _drawn(self, x: Tensor, start: Tensor, eyes: Tensor, count: int) -> Tensor:
        places = self._places(x, eyes)
        walked = squares(x, places, self.size)
        if self.card.graft:
            ends = GRAFT if self.card.drawn is None else IRIS
            walked = grafted(walked, squares(start, eyes, self.size), ends)
        own = replace(own_pgd(self.card.pgd, self.size, self.size), **self.bends)
        guide = seen_from(self.energy, self.card.pgd.halvings)
        pgd = part_of(own, count)
        return put_back(x, attack(self.energy, walked, pgd, guide=guide, run=self.run), places)

    def _places(self, x: Tensor, eyes: Tensor) -> Tensor:
        """Where in a state the photo's eyes are drawn: (N,2,3), with a side of 0 for no eye."""
        if self.card.drawn is None:
            return eyes
        (across, down, side), (height, width) = self.card.drawn, x.shape[-2:]
        one = torch.ones_like(eyes[:, 0, 0])  # numbers that no copy brings to the device
        left, right = (
            torch.stack([one * place * width, one * down * height, one * side * width], dim=-1)
            for place in (across, 1 - across)
        )
        usual = torch.stack([left, right], dim=1)
        return find_places(x, usual, self.energy, self.size) * (eyes[..., 2:] > 0)


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


def grafted(drawing: Tensor, photo: Tensor, ends: tuple[float, float]) -> Tensor:
    """The photo's eye within a drawing of it, in the light of the drawn skin.

    Args:
        drawing, photo: (M,3,size,size) in [0,1], squares around eyes.
        ends: `GRAFT` or `IRIS`.

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
    return drawing.lerp((photo * gain).clamp(0.0, 1.0), fading(radius, ends))


def _radius(size: int, device: torch.device) -> Tensor:
    """(size,size): how far from the middle of a square, in halves of its side."""
    place = (torch.arange(size, device=device) + 0.5) * (2 / size) - 1
    return torch.hypot(place[None, :], place[:, None])


@cache
def _places_around(size: int) -> int:
    radius = _radius(size, torch.device("cpu"))
    return int(((radius > _AROUND) & (radius < 1)).sum())
