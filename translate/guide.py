"""Which energy a move follows: from how far away, by which of several networks, in a mirror, or a
blend."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from torch import Tensor

from translate.errors import SettingsError

Energy = Callable[[Tensor], Tensor]  # (N,3,H,W) in [0,1] -> (N,)
ScaledEnergy = Callable[..., Tensor]  # the same, with `halvings=` and `member=` (`EnergyModel`)
Guide = Callable[[int], Energy | None]  # move -> the energy that it follows; None: the usual one


@dataclass(frozen=True, slots=True)
class SeenFrom:
    """An energy as seen from a distance, see `EnergyModel.logit`; equal for equal parts."""

    energy: ScaledEnergy
    halvings: int
    member: int | None = None
    mirrored: bool = False

    def __call__(self, x: Tensor) -> Tensor:
        """(N,3,H,W) in [0,1] -> (N,)."""
        if self.mirrored:
            x = x.flip(-1)
        if self.member is None:
            return self.energy(x, halvings=self.halvings)
        return self.energy(x, halvings=self.halvings, member=self.member)


def seen_from(
    energy: ScaledEnergy,
    halvings: Callable[[int], int],
    members: int = 1,
    *,
    mirrored: bool = False,
    together: bool = False,
) -> Guide:
    """A guide that follows one energy as seen from a distance which depends on the move.

    At each distance its members take turns (incremental gradients, Bertsekas 2011) or move
    together, and the picture and its mirror image take turns: what a network gets wrong by itself,
    or on one side only, cancels out.

    Args:
        energy: (N,3,H,W) in [0,1], a number of halvings and, of several, a member -> (N,).
        halvings: of a move; 0 is the usual energy.
        members: how many; one alone is the energy itself.
        mirrored: whether every second turn of a member looks into the mirror.
        together: whether each move follows all members, the mean of their energies: as many
            gradients, and none of them leads alone.
    """
    halvings = cache(halvings)
    members = 1 if together else members

    def guide(index: int) -> Energy | None:
        away = halvings(index)
        before = sum(halvings(earlier) == away for earlier in range(index))
        turn, member = divmod(before, members)
        seen = SeenFrom(
            energy, away, member if members > 1 else None, mirrored=mirrored and turn % 2 == 1
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
