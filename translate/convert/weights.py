"""A published state dict -> the weights of an `EnergyModel`, each parameter checked."""

from __future__ import annotations

import torch
from torch import Tensor

from translate.energy import EnergyModel
from translate.errors import DomainError
from translate.networks.config import NetworkConfig

UNUSED = "num_batches_tracked"  # counted by batch normalisation, read by nothing here


def fit_weights(state: dict[str, Tensor], config: NetworkConfig, file: str) -> dict[str, Tensor]:
    """Rename, keep output 0, and check every name, shape and number.

    Args:
        state: as `translate.convert.checkpoint.read_state_dict` gives it.
        config: of an arch of `translate.networks`.
        file: where the state comes from, for messages.

    Returns:
        float32, contiguous, with the names of `EnergyModel(config).state_dict()`.

    Raises:
        DomainError: a parameter is missing, unknown, of another shape or kind, or not finite.
    """
    with torch.device("meta"):  # shapes alone
        expected = EnergyModel(config).state_dict()
    expected = {name.removeprefix("network."): value for name, value in expected.items()}
    state = _renamed(state) if config.arch == "resnet50" else state
    last = last_layer(config)
    network = f"{config.arch} at {config.size} px"
    if strangers := sorted(state.keys() - expected.keys()):
        raise DomainError(
            f"{file}: parameter {strangers[0]!r} does not belong to {network} "
            f"(of {len(strangers)} such)"
        )
    if missing := [name for name in expected if name not in state]:
        raise DomainError(
            f"{file}: parameter {missing[0]!r} of {network} is missing (of {len(missing)} such)"
        )
    weights: dict[str, Tensor] = {}
    for name, place in expected.items():
        value, shape = state[name], tuple(place.shape)
        if not value.is_floating_point() or value.layout != torch.strided or value.is_meta:
            raise DomainError(f"{file}: parameter {name!r} holds no plain floating-point numbers")
        if name.rpartition(".")[0] == last and value.ndim == place.ndim and len(value) > 1:
            value = value[:1]
        if tuple(value.shape) != shape:
            raise DomainError(
                f"{file}: parameter {name!r} is {tuple(state[name].shape)}, {network} needs {shape}"
            )
        value = value.float().contiguous().clone()
        if not value.isfinite().all():
            raise DomainError(f"{file}: parameter {name!r} holds numbers that are not finite")
        weights[f"network.{name}"] = value
    return weights


def last_layer(config: NetworkConfig) -> str:
    """Name of the layer whose first output is the logit."""
    return "linear" if config.arch == "resnet50" else f"main.{len(config.channels) + 3}"


def _renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """One spelling instead of two; a name that would be there twice stays, to be refused."""
    renamed: dict[str, Tensor] = {}
    for name, value in state.items():
        if name.endswith(UNUSED):
            continue
        new = name.replace(".downsample.", ".shortcut.")
        if name.startswith("fc."):
            new = "linear." + name.removeprefix("fc.")
        renamed[name if new in state else new] = value
    return renamed
