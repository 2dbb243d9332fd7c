"""How long a run will take on this machine, from the time of one gradient per stage."""

from __future__ import annotations

import time

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
    seconds: list[float] = []
    timed: dict[tuple[int, int], float] = {}
    for index, stage in enumerate(recipe.stages):
        key = stage.size, stage.batch_size
        if key not in timed:
            timed[key] = _seconds(recipe, index, device, dtype)
        seconds.append(timed[key] * gradients(recipe, stage))
    return seconds


def gradients(recipe: Recipe, stage: Stage) -> float:
    """What a stage costs, in gradients of all members at full size."""
    k = [min(stage.k_max, stage.k_start + n // stage.budget) for n in range(stage.updates)]
    short = _share_of_size(stage.coarse)
    moves = sum(k) / len(k) * short
    whole = recipe.sample_steps * _share_of_size(recipe.sample_coarse[: len(stage.coarse)])
    plain = 1 - stage.translated - stage.spoilt
    attack = (plain + stage.spoilt / 6) * moves  # a third of K at most, half of that on average
    attack = attack / recipe.network.members + stage.translated * whole / _in_turn(recipe)
    learnt = UPDATE * ((1 - stage.translated) * short + stage.translated)
    return stage.updates * (attack + learnt)


def _in_turn(recipe: Recipe) -> int:
    """How many networks take turns in leading a translation's moves."""
    return 1 if recipe.sample_together else recipe.network.members


def _share_of_size(coarse: tuple[float, ...]) -> float:
    """Mean cost of a gradient whose looks are shared out so, in gradients at full size."""
    return 1 - sum(coarse) + sum(share / 4**n for n, share in enumerate(coarse, 1))


def _seconds(recipe: Recipe, index: int, device: torch.device, dtype: torch.dtype) -> float:
    stage = recipe.stages[index]
    model = EnergyModel(recipe.network_at(index)).on(device).requires_grad_(False)
    x = placed(torch.rand(stage.batch_size, 3, stage.size, stage.size), device)

    def energy(images: Tensor) -> Tensor:
        with autocast(device, dtype):
            return model.energy(images)

    value_and_gradient(energy, x)
    started = time.perf_counter()
    for _ in range(ROUNDS):
        value, _ = value_and_gradient(energy, x)
        value.cpu()
    return (time.perf_counter() - started) / ROUNDS
