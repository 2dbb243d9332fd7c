"""APGD in an L2 ball (Croce and Hein 2020, algorithm 1): the worst case of a detector."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from translate.errors import SettingsError
from translate.guide import Energy
from translate.pgd import project_ball, value_and_gradient
from translate.shaping import l2_norm

MOMENTUM = 0.75  # α: share of the new move; the rest is the last one
PROGRESS = 0.75  # ρ: share of moves that must have lowered the energy, or the length is halved
REFERENCE_SIZE = 256  # pixels at which eps is given
TINY = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """How hard to attack.

    Attributes:
        eps: L2 radius in [0,1] pixels of a `REFERENCE_SIZE` image; scaled with √(3HW).
        iterations: moves per restart.
        restarts: the first starts at the image itself, each other one at a random point of the
            ball.

    Raises:
        SettingsError: a value is out of range.
    """

    eps: float = 7.0
    iterations: int = 100
    restarts: int = 5

    def __post_init__(self) -> None:
        if not 0 < self.eps < math.inf:
            raise SettingsError(f"eps is {self.eps}; use a positive number")
        if self.iterations < 1:
            raise SettingsError(f"iterations is {self.iterations}; use 1 or more")
        if self.restarts < 0:
            raise SettingsError(f"restarts is {self.restarts}; use 0 (no attack) or more")

    def radius(self, height: int, width: int) -> float:
        """The ball's radius on images of this size."""
        return self.eps * math.sqrt(height * width) / REFERENCE_SIZE


@dataclass(frozen=True, slots=True)
class Attacked:
    """State of an attack after `index` moves.

    Attributes:
        energy: (N,) the lowest so far.
        x: (N,3,H,W) float32 in [0,1] where it was.
    """

    index: int
    energy: Tensor
    x: Tensor


def checkpoints(iterations: int) -> list[int]:
    """The moves after which the step length is looked at."""
    shares = [0.0, 0.22]
    while shares[-1] < 1:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 0.03, 0.06))
    return sorted({math.ceil(s * iterations - 1e-9) for s in shares if 0 < s <= 1})


def apgd(
    energy: Energy, source: Tensor, radius: float, iterations: int, start: Tensor | None = None
) -> Iterator[Attacked]:
    """Lower the energy of each image as far as it goes inside the ball and the box.

    Args:
        energy: (N,3,H,W) float32 in [0,1] -> (N,).
        source: (N,3,H,W) float32 in [0,1].
        radius: of the ball around it, L2.
        iterations: moves.
        start: (N,3,H,W) where to begin, projected first; None is the source.

    Yields:
        `iterations` + 1 states, the start first.
    """

    def project(x: Tensor) -> Tensor:
        return project_ball(x, source, radius, "l2").clamp(0.0, 1.0)

    def wide(values: Tensor) -> Tensor:
        return values.view(-1, 1, 1, 1)

    x = before = project(source if start is None else start)
    value, gradient = value_and_gradient(energy, x)
    best, best_x, best_gradient = value, x, gradient
    length = torch.full_like(value, 2 * radius)
    improved = torch.zeros_like(value)
    old_best, old_length = best, length
    marks, last_mark = set(checkpoints(iterations)), 0
    yield Attacked(0, best, best_x)
    for index in range(1, iterations + 1):
        gradient = gradient.float().nan_to_num(0.0, 0.0, 0.0)
        direction = gradient / wide(l2_norm(gradient).clamp_min(TINY))
        target = project(x - wide(length) * direction)
        share = 1.0 if index == 1 else MOMENTUM
        moved = project(x + share * (target - x) + (1 - share) * (x - before))
        before, x, last = x, moved, value
        value, gradient = value_and_gradient(energy, x)
        improved = improved + (value < last)
        better = value < best
        best = torch.where(better, value, best)
        best_x = torch.where(wide(better), x, best_x)
        best_gradient = torch.where(wide(better), gradient, best_gradient)
        if index in marks:
            few = improved < PROGRESS * (index - last_mark)
            stuck = (length == old_length) & (best == old_best)
            halve = few | stuck
            old_length, old_best, last_mark = length, best, index
            length = torch.where(halve, length / 2, length)
            x = torch.where(wide(halve), best_x, x)
            before = torch.where(wide(halve), best_x, before)
            value = torch.where(halve, best, value)
            gradient = torch.where(wide(halve), best_gradient, gradient)
            improved = torch.zeros_like(improved)
        yield Attacked(index, best, best_x)
