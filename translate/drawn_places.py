"""Where the eyes of a drawing are, where a domain draws them in places of its own: the squares near
those that the network of close-ups finds most like an eye, at much the same height."""

from __future__ import annotations

import torch
from torch import Tensor

from translate.guide import ScaledEnergy
from translate.squares import mirrors, squares

# All lengths are in sides of a square.
_TRIED = ((3, 1 / 8), (1, 1 / 16), (1, 1 / 32))  # at first, and then around the best of these:
# how many steps to each side, and how long they are
_USUAL = (0.16, 0.19)  # standard deviations of where eyes are, across and down,
_LEVEL = 0.09  # and of how much lower one is than the other
_WEIGHT = 0.5  # of how unusual a place is, in energy


def find_places(x: Tensor, usual: Tensor, energy: ScaledEnergy, size: int) -> Tensor:
    """The left and the right eye of each drawing.

    Args:
        x: (N,3,h,w) float32 in [0,1].
        usual: (N,2,3), where most drawings have them: x, y and the side of the square around, in
            pixels.
        energy: (M,3,size,size) float32 in [0,1] -> (M,), low where an eye is in the middle; as
            seen from one halving away, which costs a third and finds the same.
        size: in pixels.

    Returns:
        (N,2,3), the same of these drawings.
    """
    off = torch.zeros_like(usual[..., :2])  # (N,2,2) from the usual place, of right eyes mirrored
    for steps, length in _TRIED:
        stride = max(1, round(length * size))
        wide = size + 2 * steps * stride
        seen = squares(x, _moved(usual, off, wide / size), wide)
        every = seen.unfold(2, size, stride).unfold(3, size, stride).permute(0, 2, 3, 1, 4, 5)
        energies = energy(every.flatten(0, 2), 1).view(len(x), 2, -1)
        step = torch.arange(-steps, steps + 1, device=x.device) * (stride / size)
        down, across = torch.meshgrid(step, step, indexing="ij")
        tried = off[:, :, None] + torch.stack([across, down], dim=-1).flatten(0, 1)  # (N,2,K,2)
        off = _best(tried, energies)
    return _moved(usual, off, 1.0)


def _best(tried: Tensor, energies: Tensor) -> Tensor:
    """The pair of least energy, and not too unusual: (N,2,K,2) and (N,2,K) -> (N,2,2)."""
    across, down = tried.unbind(dim=-1)
    unusual = (across / _USUAL[0]).square() + (down / _USUAL[1]).square()
    each = energies + _WEIGHT / 2 * unusual
    lower = (down[:, 0, :, None] - down[:, 1, None, :]) / _LEVEL
    pairs = each[:, 0, :, None] + each[:, 1, None, :] + _WEIGHT / 2 * lower.square()  # (N,K,K)
    best, count = pairs.flatten(1).argmin(dim=1), tried.shape[2]
    which = torch.stack([best // count, best % count], dim=1)
    return tried.gather(2, which[:, :, None, None].expand(-1, -1, 1, 2)).squeeze(2)


def _moved(places: Tensor, off: Tensor, times: float) -> Tensor:
    """Squares elsewhere, and so many times as large."""
    side = places[..., 2:]
    mirror = torch.stack([mirrors(places).view(-1, 2), torch.ones_like(off[..., 0])], dim=-1)
    return torch.cat([places[..., :2] + off * mirror * side, side * times], dim=-1)
