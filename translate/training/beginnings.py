"""The weights that a run or a stage begins with: another domain's, or those of a smaller size."""

from __future__ import annotations

import copy

import torch

from translate.energy import EnergyModel
from translate.errors import TrainingError
from translate.networks.config import NetworkConfig


def take_over(model: EnergyModel, domain: EnergyModel) -> None:
    """Give a model the weights of another domain's.

    One smaller than that takes its coarse end. Blocks that the levels have more than that
    network's start at zero, so they change nothing at first. A head of another shape (`aligned` for
    `pooled`, say) stays as it is.

    Raises:
        TrainingError: the levels are no coarse end of that network, or it has another number of
            members.
    """
    config, other = model.config, domain.config
    offset = len(other.channels) - len(config.channels)
    same = offset >= 0 and other.channels[offset:] == config.channels
    if other.members != config.members:
        raise TrainingError(
            f"start: it has {other.members} members, the recipe's network {config.members}"
        )
    pairs = zip(config.depths, other.depths[max(offset, 0) :], strict=False)
    if not same or other.arch != config.arch or any(mine < theirs for mine, theirs in pairs):
        raise TrainingError(
            f"start: the network's channels {list(other.channels)} do not end in those of the "
            f"first stage, {list(config.channels)}, or it has more blocks"
        )
    same_head = (other.head, other.coarsest) == (config.head, config.coarsest)
    for own, given in zip(model.networks, domain.networks, strict=True):
        for mine, theirs in zip(own.levels, given.levels[offset:], strict=True):
            more = {name: torch.zeros_like(value) for name, value in mine.state_dict().items()}
            mine.load_state_dict(more | theirs.state_dict())
        if same_head:
            own.head.load_state_dict(given.head.state_dict())


def grown(
    model: EnergyModel, ema: EnergyModel, config: NetworkConfig, seed: int
) -> tuple[EnergyModel, EnergyModel]:
    """Both with a finer level, the same one, that changes nothing at first.

    Args:
        model, ema: of one size.
        config: of the next size.
        seed: of the new level's weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = model.grow(config.channels[:1], config.depths[:1])
    mean = copy.deepcopy(model)
    added = len(mean.levels) - len(ema.levels)
    kept = {f"levels.{i}": f"levels.{i + added}" for i in range(len(ema.levels))}
    state = mean.state_dict()
    for key, value in ema.state_dict().items():
        prefix = ".".join(key.split(".")[:2])
        state[key.replace(prefix, kept.get(prefix, prefix), 1)] = value
    mean.load_state_dict(state)
    return model, mean
