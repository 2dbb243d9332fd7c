"""Which energy a move follows: from how far away, by which of several networks, in a mirror, off
centre, or a blend."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from translate.errors import SettingsError

Energy = Callable[[Tensor], Tensor]  # (N,3,H,W) in [0,1] -> (N,)
ScaledEnergy = Callable[..., Tensor]  # the same, with `halvings=` and `member=` (`EnergyModel`)
Guide = Callable[[int], Energy | None]  # move -> the energy that it follows; None: the usual one
GOLDEN = math.pi * (3 - math.sqrt(5))  # angle whose multiples are never near each other on a circle


@dataclass(frozen=True, slots=True)
class SeenFrom:
    """An energy as seen from a distance, see `EnergyModel.logit`; equal for equal parts.

    Attributes:
        shift: of the window, rows down and columns to the right, in pixels.
    """

    energy: ScaledEnergy
    halvings: int
    member: int | None = None
    mirrored: bool = False
    shift: tuple[int, int] = (0, 0)

    def __call__(self, x: Tensor) -> Tensor:
        """(N,3,H,W) in [0,1] -> (N,)."""
        for axis, by in zip((-2, -1), self.shift, strict=True):
            x = shifted(x, by, axis)
        if self.mirrored:
            x = x.flip(-1)
        if self.member is None:
            return self.energy(x, halvings=self.halvings)
        return self.energy(x, halvings=self.halvings, member=self.member)


def shifted(x: Tensor, by: int, axis: int) -> Tensor:
    """As seen through a window `by` pixels further along an axis (−2 down, −1 right); beyond the
    border its last row or column goes on, and takes no gradient back: there it would add up to a
    frame around the picture.

    Args:
        x: (N,C,H,W).
        by: pixels; more than there are leave the last row or column alone.
        axis: see above.
    """
    length = x.shape[axis]
    beyond = min(abs(by), length - 1)
    if beyond == 0:
        return x
    kept = x.narrow(axis, beyond if by > 0 else 0, length - beyond)
    edge = x.detach().narrow(axis, length - 1 if by > 0 else 0, 1)
    edge = torch.cat([edge] * beyond, dim=axis)
    return torch.cat([kept, edge] if by > 0 else [edge, kept], dim=axis)


def seen_from(
    energy: ScaledEnergy,
    halvings: Callable[[int], int],
    members: int = 1,
    *,
    mirrored: bool = False,
    jitter: float = 0.0,
) -> Guide:
    """A guide that follows one energy as seen from a distance which depends on the move.

    At each distance its members take turns (incremental gradients, Bertsekas 2011), and so do the
    picture and its mirror image: what a network gets wrong on one side only cancels out. So does
    with `jitter` what depends on where its pixels fall (Mordvintsev, Olah and Tyka 2015,
    "Inceptionism"): looks from one distance come in pairs, off centre to opposite sides, each pair
    turned from the one before.

    Args:
        energy: (N,3,H,W) in [0,1], a number of halvings and, of several, a member -> (N,).
        halvings: of a move; 0 is the usual energy.
        members: how many; one alone is the energy itself.
        mirrored: whether every second turn of a member looks into the mirror.
        jitter: how far looks are off centre, in pixels of the picture as seen from there.
    """
    halvings = cache(halvings)

    def off_centre(look: int, away: int) -> tuple[int, int]:
        pair, opposite = divmod(look, 2)
        angle, radius = GOLDEN * pair + math.pi * opposite, jitter * 2**away
        return round(radius * math.cos(angle)), round(radius * math.sin(angle))

    def guide(index: int) -> Energy | None:
        away = halvings(index)
        before = sum(halvings(earlier) == away for earlier in range(index))
        turn, member = divmod(before, members)
        seen = SeenFrom(
            energy,
            away,
            member if members > 1 else None,
            mirrored=mirrored and turn % 2 == 1,
            shift=off_centre(before, away),
        )
        return None if seen == SeenFrom(energy, 0) else seen

    return guide


def blend(*terms: tuple[Energy, float]) -> Energy:
    """The weighted sum of several energies as one energy.

    Args:
        terms: (energy, weight) pairs.

    Raises:
        SettingsError: no term is given.
    """
    if not terms:
        raise SettingsError("blend needs at least one energy")

    def blended(x: Tensor) -> Tensor:
        total = terms[0][1] * terms[0][0](x)
        for energy, weight in terms[1:]:
            total = total + weight * energy(x)
        return total

    return blended
