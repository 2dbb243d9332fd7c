"""How long a run will take on this machine, from the time of one gradient per stage."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from translate.device import autocast, placed
from translate.energy import EnergyModel
from translate.pgd import value_and_gradient
from translate.training.config import Recipe, Stage

UPDATE = 3.5  # what an update costs beside its attack, in gradients: losses, penalties, Adam
ROUNDS = 2  # gradients that are timed, after a first one


def forecast(recipe: Recipe, device: torch.device, dtype: torch.dtype) -> list[float]:
    """Seconds that each stage will take, about: a few are spent on gradients at each size.

    Args:
        recipe: to be run.
        device, dtype: to train with. On CUDA, where updates are replayed as graphs, small sizes
            are quicker than this says.
    """
    timed: dict[tuple[int, int, int], list[float]] = {}
    seconds: list[float] = []
    for index, stage in enumerate(recipe.stages):
        key = stage.size, stage.batch_size, len(stage.coarse)
        if key not in timed:
            timed[key] = _gradients(recipe, index, device, dtype)
        seconds.append(expected(recipe, stage, timed[key]))
    return seconds


def expected(recipe: Recipe, stage: Stage, costs: Sequence[float]) -> float:
    """What a stage costs, from what a gradient of all members costs.

    Args:
        recipe: that the stage is of.
        stage: of it.
        costs: of one gradient at full size, and as seen from one, two, … halvings away.
    """
    k = [min(stage.k_max, stage.k_start + n // stage.budget) for n in range(stage.updates)]
    short = _mean(costs, stage.coarse)
    moves = sum(k) / len(k) * short
    whole = recipe.sample_steps * _mean(costs, recipe.sample_coarse[: len(stage.coarse)])
    plain = 1 - stage.translated - stage.spoilt
    attack = (plain + stage.spoilt / 6) * moves  # a third of K at most, half of that on average
    attack = attack / recipe.network.members + stage.translated * whole / _in_turn(recipe)
    learnt = UPDATE * ((1 - stage.translated) * short + stage.translated * costs[0])
    return stage.updates * (attack + learnt)


def _in_turn(recipe: Recipe) -> int:
    """How many networks take turns in leading a translation's moves."""
    return 1 if recipe.sample_together else recipe.network.members


def _mean(costs: Sequence[float], coarse: Sequence[float]) -> float:
    """Of looks that are shared out so."""
    return sum(c * share for c, share in zip(costs, (1 - sum(coarse), *coarse), strict=False))


def _gradients(recipe: Recipe, index: int, device: torch.device, dtype: torch.dtype) -> list[float]:
    """Seconds that a gradient takes at full size, and from each number of halvings away."""
    stage = recipe.stages[index]
    model = EnergyModel(recipe.network_at(index)).on(device).requires_grad_(False)
    x = placed(torch.rand(stage.batch_size, 3, stage.size, stage.size), device)
    seconds: list[float] = []
    for halvings in range(len(stage.coarse) + 1):

        def energy(images: Tensor, halvings: int = halvings) -> Tensor:
            with autocast(device, dtype):
                return model.energy(images, halvings)

        value_and_gradient(energy, x)
        started = time.perf_counter()
        for _ in range(ROUNDS):
            value, _ = value_and_gradient(energy, x)
            value.cpu()
        seconds.append((time.perf_counter() - started) / ROUNDS)
    return seconds
