"""Projected gradient steps on an energy: the one loop behind preview, training and tests."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from translate.errors import SettingsError
from translate.guide import Energy, Guide
from translate.pgd_settings import DIMMING, PGD
from translate.shaping import (
    TINY,
    as_one,
    dimming,
    l2_norm,
    no_lighter,
    room,
    scale_to,
    unlocked,
    variation_slope,
)
from translate.smooth import flattened, smoothed
from translate.specks import cleared, despeckled

Run = Callable[..., tuple[Tensor, Tensor]]  # a `_Move` and the tensors that it takes -> its result


@dataclass(frozen=True, slots=True)
class Step:
    """One state of the descent; `index` 0 is the source itself.

    Attributes:
        x: (N,3,H,W) float32 in [0,1], detached.
        energy: (N,) energy of x.
        distance: (N,) L2 distance of x to the source.
        active: (N,) bool, False for images that have reached the stop energy.
    """

    index: int
    x: Tensor
    energy: Tensor
    distance: Tensor
    active: Tensor


def descend(
    energy: Energy,
    source: Tensor,
    pgd: PGD,
    *,
    guide: Guide | None = None,
    mask: Tensor | None = None,
    shift: Tensor | None = None,
    bare: Tensor | None = None,
    sky: Tensor | None = None,
    dark: Tensor | None = None,
    stop: Tensor | float | None = None,
    generator: torch.Generator | None = None,
    measured: bool = True,
    run: Run | None = None,
) -> Iterator[Step]:
    """Walk every image of a batch downhill (Yin, Li, Rohde 2022, section 3; Madry et al. 2018).

    Nothing is read back to the host inside a step, no grad mode is held across a `yield`, and each
    image goes its own way whatever else is in the batch. Closing the generator stops the descent.

    Args:
        energy: (N,3,H,W) float32 in [0,1] -> (N,); any callable that autograd can follow.
        source: (N,3,H,W) float32 in [0,1].
        pgd: settings.
        guide: says which energy a move follows, as coarse before fine; `Step.energy` and `stop`
            stay with `energy`.
        mask: bool, broadcastable to source; pixels where it is False stay bit-equal.
        shift: broadcastable to source; added to the picture that the first move sets out from, as
            far as ball, box and mask let it.
        bare: (N,1,H,W) in [0,1], where nothing is to be drawn: see `PGD.bare`.
        sky: (N,1,H,W) in [0,1], where there is sky: see `PGD.sky`.
        dark: (N,1,H,W) in [0,1], where something stays dark: see `PGD.dark`.
        stop: energy, one number or (N,), at or below which an image stays where it is.
        generator: source of randomness for `pgd.random_start`.
        measured: whether every state's energy is wanted. Without it, and without `stop`, a state
            in between whose move follows another energy than its own holds NaN: it costs a look.
        run: what computes the moves, a `Replay` for a device; None computes them as they are.

    Yields:
        `pgd.steps` + 1 states, the source (after any random start) first.

    Raises:
        SettingsError: a random start without a generator.
    """
    source = source.detach()
    x = _start(source, pgd, mask, generator)
    active = torch.ones(len(x), dtype=torch.bool, device=x.device)
    given = (("bare", bare, pgd.bare), ("sky", sky, pgd.sky), ("dark", dark, pgd.dark))
    maps = {name: map_ for name, map_, share in given if map_ is not None and share > 0}
    masks = () if mask is None else (mask,)
    run = run or _directly
    for index in range(pgd.steps + 1):
        moved = None
        if index == pgd.steps:
            value = _value(energy, x)
        else:
            asked = measured or index == 0 or stop is not None
            followed = (guide(index) if guide else None) or energy
            place = x
            if index == 0 and shift is not None:
                place = _project(x + shift, source, pgd, mask)
            move = _Move(energy, followed, pgd.at(index), asked and place is x, tuple(maps))
            length = _length(x, pgd, index)
            value, moved = run(move, place, source, length, *masks, *maps.values())
            if place is not x:
                value = _value(energy, x)
        if stop is not None:
            active = active & (value > stop)
        yield Step(index, x, value, l2_norm(x - source), active)
        if moved is not None:
            x = moved if stop is None else torch.where(active.view(-1, 1, 1, 1), moved, x)


def attack(
    energy: Energy,
    source: Tensor,
    pgd: PGD,
    *,
    guide: Guide | None = None,
    run: Run | None = None,
) -> Tensor:
    """Only the end point of `descend`, without any state's energy: the inner loop of training.

    Args:
        energy: (N,3,H,W) float32 in [0,1] -> (N,).
        source: (N,3,H,W) float32 in [0,1].
        pgd: settings; `random_start`, `bare`, `sky` and `dark` are not used.
        guide: says which energy a move follows.
        run: see `descend`.

    Returns:
        (N,3,H,W) float32 in [0,1], detached.
    """
    source = x = source.detach()
    run = run or _directly
    for index in range(pgd.steps):
        followed = (guide(index) if guide else None) or energy
        move = _Move(energy, followed, pgd.at(index), asked=False)
        _, x = run(move, x, source, _length(x, pgd, index))
    return x


def project_ball(x: Tensor, source: Tensor, eps: float, norm: Literal["l2", "linf"]) -> Tensor:
    """argmin over y of ‖y − x‖₂ subject to ‖y − source‖ ≤ eps, per image.

    Args:
        x, source: (N,3,H,W).
        eps: radius, may be infinite.
        norm: of the ball.
    """
    if eps == math.inf:
        return x
    delta = x - source
    if norm == "linf":
        return source + delta.clamp(-eps, eps)
    scale = (eps / l2_norm(delta).clamp_min(TINY)).clamp_max(1.0)
    return source + delta * scale.view(-1, 1, 1, 1)


def _start(
    source: Tensor, pgd: PGD, mask: Tensor | None, generator: torch.Generator | None
) -> Tensor:
    if pgd.random_start == 0:
        return source
    if generator is None:
        raise SettingsError("a random start needs a generator; pass generator=")
    shape = (1, *source.shape[1:])  # the same for all, so that an image's batch does not matter
    noise = torch.rand(shape, generator=generator, device=generator.device) * 2 - 1
    noise = noise.to(source) * pgd.random_start
    if pgd.norm == "l2":
        noise = noise * (pgd.random_start / l2_norm(noise).clamp_min(TINY)).view(-1, 1, 1, 1)
    return _project(source + noise, source, pgd, mask)


def _value(energy: Energy, x: Tensor) -> Tensor:
    with torch.no_grad():
        return energy(x)


def value_and_gradient(energy: Energy, x: Tensor) -> tuple[Tensor, Tensor]:
    """Energies (N,) and their gradients with respect to x (N,3,H,W), both detached."""
    with torch.inference_mode(False), torch.enable_grad():
        x = (x.clone() if x.is_inference() else x.detach()).requires_grad_()
        value = energy(x)
        with torch.autograd.set_multithreading_enabled(False):  # no thread without CUDA's context
            (gradient,) = torch.autograd.grad(value.sum(), x)
    return value.detach(), gradient


@dataclass(frozen=True, slots=True)
class _Move:
    """One move as a function of the pictures and its length; equal ones launch the same kernels.

    Attributes:
        energy: the one that is asked for.
        followed: the one that leads.
        pgd: see `PGD.at`; of its lengths none is read.
        asked: whether the energy of x is wanted where it costs a look.
        given: names of the maps that it is called with, in their order; a mask may come first.
    """

    energy: Energy
    followed: Energy
    pgd: PGD
    asked: bool
    given: tuple[str, ...] = ()

    def __call__(
        self, x: Tensor, source: Tensor, length: Tensor, *maps: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Energy of x, if it is asked for or known anyway, and where the move leads from there."""
        count = len(maps) - len(self.given)
        mask = maps[0] if count else None
        given = dict(zip(self.given, maps[count:], strict=True))
        energy, followed = self.energy, self.followed
        place = _place(x, source, self.pgd, mask, given)
        value, gradient = value_and_gradient(followed, place)
        if followed != energy or place is not x:
            value = _value(energy, x) if self.asked else torch.full_like(value, math.nan)
        return value, _moved(place, gradient, length, source, self.pgd, mask, given)


def _length(x: Tensor, pgd: PGD, index: int) -> Tensor:
    """Of a move, () on the pictures' device, so that moves of all lengths are one function."""
    return x.new_full((), pgd.length(index))


def _directly(move: _Move, *tensors: Tensor) -> tuple[Tensor, Tensor]:
    return move(*tensors)


def _place(
    x: Tensor, source: Tensor, pgd: PGD, mask: Tensor | None, given: Mapping[str, Tensor]
) -> Tensor:
    """Where a move sets out from: x, or x smoothed, flattened, without specks or strokes where
    there is nothing to draw, or darker."""
    place = x
    if pgd.smooth > 0:
        place = smoothed(place, pgd.smooth)
    if pgd.flatten > 0:
        place = flattened(place, pgd.flatten)
    if pgd.despeckle > 0:
        place = despeckled(place, pgd.despeckle)
    if "bare" in given:
        place = cleared(place, pgd.bare * given["bare"])
    if pgd.exposure < 1:
        place = place * dimming(source, pgd.exposure, pgd.burning) ** (1 / DIMMING)
    return x if place is x else _project(place, source, pgd, mask)


def _moved(
    x: Tensor,
    gradient: Tensor,
    length: Tensor,
    source: Tensor,
    pgd: PGD,
    mask: Tensor | None,
    given: Mapping[str, Tensor],
) -> Tensor:
    gradient = torch.empty_like(x).copy_(gradient).nan_to_num_(0.0, 0.0, 0.0)  # ordered as x is
    speed = None
    if pgd.headroom > 0 or pgd.footroom > 0:
        speed = room(x, pgd.headroom, pgd.footroom).sqrt_()  # half before the locks, half after
        gradient = gradient * speed
    gradient = unlocked(
        gradient,
        x,
        tone=pgd.tone_lock,
        colour=pgd.colour_lock,
        shade=pgd.shade,
        sigma=pgd.tone_sigma,
    )
    if "sky" in given:
        gradient = as_one(gradient, given["sky"], pgd.sky)
    if "dark" in given:
        gradient = no_lighter(gradient, pgd.dark * given["dark"])
    if speed is not None:
        gradient = gradient * speed
    if mask is not None:
        gradient = gradient * mask
    if pgd.total_variation > 0:
        slope = variation_slope(x) if mask is None else variation_slope(x) * mask
        steepness = l2_norm(gradient).view(-1, 1, 1, 1)  # 0 where the energy has no gradient
        gradient = gradient.addcmul(slope, steepness * scale_to(slope, pgd.total_variation))
    if pgd.norm == "l2":
        moved = x.addcmul(gradient, scale_to(gradient, length), value=-1)
    else:
        moved = x.addcmul(gradient.sign(), length, value=-1)
    return _project(moved, source, pgd, mask)


def _project(x: Tensor, source: Tensor, pgd: PGD, mask: Tensor | None) -> Tensor:
    if mask is not None:
        x = torch.where(mask, x, source)
    return project_ball(x, source, pgd.eps, pgd.norm).clamp(0.0, 1.0)
