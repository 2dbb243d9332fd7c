"""The energy model: a network with one logit per image, its weights, and the way to the Hub."""

from __future__ import annotations

import copy
import hashlib
import itertools
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Self, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save  # pyright: ignore[reportUnknownVariableType]
from torch import Tensor, nn

from translate.device import memory_format
from translate.domain import CARD_FILE, WEIGHTS_FILE, Domain, one_line
from translate.errors import DomainError, SettingsError
from translate.files import atomic_path
from translate.hub import open_domain
from translate.hub.page import domain_page
from translate.hub.remote import README_FILE
from translate.hub.upload import target, upload
from translate.networks.config import NetworkConfig
from translate.networks.levels import Downsample, Head, Level
from translate.networks.resnet50 import ResNet50
from translate.networks.stargan_v2 import StarGANv2


class EnergyModel(nn.Module):
    """f: picture -> logit, with energy −f (Yin, Li, Rohde 2022, eq. 1).

    Args:
        config: arch, size, channels (finest level first), blocks, head, input statistics, members.

    Attributes:
        others: the members but the first, which is this network itself.
        closeup: the network of close-ups (`translate.closeups`), if there is one.
        card: of the domain the weights are from; None until `from_pretrained` or a caller sets it.
    """

    mean: Tensor
    std: Tensor
    card: Domain | None = None

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.channels
        self.network: StarGANv2 | ResNet50 | None = None
        if config.arch == "stargan-v2":
            self.network = StarGANv2(channels, config.coarsest)
        elif config.arch == "resnet50":
            self.network = ResNet50(channels)
        else:
            self.levels = nn.ModuleList(
                Level(c, following, blocks, config.swish)
                for (c, following), blocks in zip(
                    itertools.pairwise(channels), config.depths, strict=True
                )
            )
            aligned = config.head == "aligned"
            self.head = Head(channels[-1], config.coarsest, aligned=aligned, swish=config.swish)
            self.down = Downsample(3)
        self.others = nn.ModuleList(EnergyModel(config.alone) for _ in range(config.members - 1))
        self.closeup: EnergyModel | None = None
        if config.closeup is not None:
            self.closeup = EnergyModel(config.closeup)
        self.register_buffer("mean", _of_channels(config.mean), persistent=False)
        self.register_buffer("std", _of_channels(config.std), persistent=False)

    @property
    def networks(self) -> tuple[EnergyModel, ...]:
        """All members."""
        return (self, *cast("Iterable[EnergyModel]", self.others))

    def alone(self) -> EnergyModel:
        """A copy of this network without the other members and close-ups."""
        model = self.with_closeup(None)
        model.others = nn.ModuleList()
        model.config = self.config.alone
        return model

    def with_closeup(self, closeup: EnergyModel | None) -> EnergyModel:
        """A copy with another network of close-ups and no card, or without one."""
        model = copy.deepcopy(self)
        model.closeup = copy.deepcopy(closeup)
        config = None if closeup is None else closeup.config
        model.config = self.config.model_copy(update={"closeup": config})
        if closeup is not None or model.card is None:
            model.card = None  # it knows no such close-ups
        else:
            model.card = model.card.model_copy(update={"closeup": None, "network": model.config})
        return model

    def logit(self, x: Tensor, halvings: int = 0, member: int | None = None) -> Tensor:
        """Raw scalar per image; sigmoid(logit) = P(x from p_data).

        Args:
            x: (N,3,H,W) float in [0,1]; H = W = `config.size` for an aligned head, else any
                multiples of `config.stride`.
            halvings: how many of the finest levels look away: the judgement on the picture as
                seen from that much further off, whose gradient is smooth at that scale.
            member: which network judges, from 0; None takes the mean of all.

        Returns:
            (N,) float32, high for images like p_data.

        Raises:
            SettingsError: a shape, a number of halvings or a member that it does not have.
        """
        if x.ndim != 4 or x.shape[1] != 3:
            raise SettingsError(f"the network takes (N,3,H,W) pictures, not {tuple(x.shape)}")
        self.config.check_shape(x.shape[-2], x.shape[-1])
        if not 0 <= halvings <= self.config.furthest:
            raise SettingsError(f"halvings is {halvings}; use 0 to {self.config.furthest}")
        if member is not None and not 0 <= member < self.config.members:
            raise SettingsError(f"member is {member}; use 0 to {self.config.members - 1}")
        if member is None and len(self.others):
            judged = [self.logit(x, halvings, index) for index in range(self.config.members)]
            return torch.stack(judged).mean(dim=0)
        if member:
            return self.networks[member].logit(x, halvings)
        rgb = (x - self.mean) / self.std
        if self.network is not None:
            return self.network(rgb)
        features: Tensor | None = None
        for depth, level in enumerate(self.levels):
            if depth >= halvings:
                features = level(rgb, features)
            rgb = self.down(rgb)
        return self.head(rgb, features)

    def energy(self, x: Tensor, halvings: int = 0, member: int | None = None) -> Tensor:
        """(N,3,H,W) float in [0,1] -> (N,) float32 = −logit."""
        return -self.logit(x, halvings, member)

    def forward(self, x: Tensor, halvings: int = 0) -> Tensor:
        """Same as `logit`."""
        return self.logit(x, halvings)

    def on(self, device: torch.device) -> Self:
        """Move to a device, in the memory order its convolutions are fastest in."""
        self.to(device)
        return self.to(memory_format=memory_format(device))  # pyright: ignore[reportCallIssue, reportArgumentType, reportUnknownVariableType]

    def frozen(self, device: torch.device, dtype: torch.dtype) -> EnergyModel:
        """A copy for descending: the same function in fewer passes over memory.

        Features are β times as large, so that their Swish has a β of 1 (which its `config` says,
        too), and convolutions hold their weights in the dtype that autocast would give them anew
        in every move; those of other `arch` stay as they are.

        Args:
            device: to compute on.
            dtype: of the convolutions.
        """
        model = copy.deepcopy(self)
        model.closeup = None
        if self.config.swish not in (0, 1):
            for part in model.modules():
                if isinstance(part, Level | Head):
                    part.absorb_swish()
            for network in model.networks:
                network.config = network.config.model_copy(update={"swish": 1.0})
        for part in model.modules() if self.network is None else ():
            if isinstance(part, nn.Conv2d | Downsample):
                part.to(dtype)
        if self.closeup is not None:
            model.closeup = self.closeup.frozen(device, dtype)
        return model.on(device).requires_grad_(False)

    def grow(self, channels: Iterable[int], blocks: tuple[int, ...] | None = None) -> EnergyModel:
        """A new model with finer levels in front, each doubling the size.

        The new levels' outputs start at zero, so `grown` gives a picture the logit that `self`
        gives its half-sized copy, halved as inside the network (normalised, then `Downsample`).

        Args:
            channels: of the new levels, finest first.
            blocks: of the new levels; None takes as many as the finest one has.

        Raises:
            SettingsError: the network is another than one of levels, or there are several.
        """
        grown = EnergyModel(self.config.grown(tuple(channels), blocks))
        added = len(grown.levels) - len(self.levels)
        for old, new in zip(self.levels, grown.levels[added:], strict=True):
            new.load_state_dict(old.state_dict())
        grown.head.load_state_dict(self.head.state_dict())
        level = grown.levels[added - 1]
        assert isinstance(level, Level)
        level.silence()
        return grown.to(self.mean.device)

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str],
        *,
        revision: str | None = None,
        local_files_only: bool = False,
    ) -> EnergyModel:
        """The checked model of a domain, as `load_energy_model` gives it: strict, never a pickle.

        Args:
            pretrained_model_name_or_path: bundled name, folder, or `org/repo[@revision]`.
            revision: branch, tag or commit on the Hub.
            local_files_only: use the Hub's cache and open no connection.

        Raises:
            DomainError: the domain is unknown, incomplete or damaged, or the Hub does not give it.
        """
        name = os.fspath(pretrained_model_name_or_path)
        card, weights = open_domain(name, revision=revision, offline=local_files_only)
        model = load_energy_model(card.network, weights)
        model.card = card
        return model

    def save_pretrained(
        self, save_directory: str | os.PathLike[str], *, card: Domain | None = None
    ) -> None:
        """Write a whole domain: `config.json`, `model.safetensors` and `README.md`.

        Args:
            save_directory: made if it is not there; files of these names are replaced.
            card: None takes the model's own; network and sha256 are filled in.

        Raises:
            DomainError: there is no card.
            OSError: as the file system does.
        """
        folder = Path(save_directory)
        for name, data in self._files(card, folder.name).items():
            with atomic_path(folder / name) as temporary:
                temporary.write_bytes(data)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        card: Domain | None = None,
        revision: str | None = None,
        private: bool | None = None,
        commit_message: str = "Upload an energy model",
    ) -> str:
        """Put what `save_pretrained` writes on the Hub, in one commit; returns its address.

        Raises:
            DomainError: there is no card, or the Hub does not take it.
        """
        address = target(repo_id, revision)
        files = self._files(card, address.repo)
        return upload(address, files, private=private, message=commit_message)

    def _files(self, card: Domain | None, name: str) -> dict[str, bytes]:
        card = card or self.card
        if card is None:
            raise DomainError(
                "this model has no domain card (calibration, terms, …); give one with card="
            )
        weights = save({k: v.cpu().contiguous() for k, v in self.state_dict().items()})
        stated = {WEIGHTS_FILE: hashlib.sha256(weights).hexdigest()}
        card = card.model_copy(update={"network": self.config, "sha256": stated})
        return {  # the card last: it vouches for the rest
            WEIGHTS_FILE: weights,
            README_FILE: domain_page(card, name).encode(),
            CARD_FILE: card.model_dump_json(indent=1).encode(),
        }


def _of_channels(values: tuple[float, float, float]) -> Tensor:
    """(3,1,1), or () where they are alike, which a CPU subtracts in a tenth of the time."""
    if len(set(values)) == 1:
        return torch.tensor(values[0])
    return torch.tensor(values).view(3, 1, 1)


def load_energy_model(config: NetworkConfig, file: Path) -> EnergyModel:
    """A network with the weights of a safetensors file, strictly: each parameter once, no other.

    Args:
        config: shape of the network.
        file: float32, float16 or bfloat16 weights; computed with in float32.

    Returns:
        The model on the CPU with its parameters frozen.

    Raises:
        DomainError: the file is no safetensors file, or holds other parameters or shapes.
    """
    with torch.device("meta"):  # nothing is allocated before the file is seen to hold it
        expected = EnergyModel(config).state_dict()
    try:
        weights = load_file(file)
    except (OSError, SafetensorError, ValueError) as error:
        reason = one_line(str(error))
        raise DomainError(f"{file}: not a readable safetensors file ({reason})") from None
    if strangers := sorted(weights.keys() ^ expected.keys()):
        fault = "is missing" if strangers[0] in expected else "does not belong to the network"
        raise DomainError(f"{file}: parameter {strangers[0]!r} {fault} (of {len(strangers)} such)")
    for name, value in weights.items():
        if value.shape != expected[name].shape or not value.is_floating_point():
            raise DomainError(
                f"{file}: parameter {name!r} is {tuple(value.shape)} {value.dtype}, "
                f"the card's network needs {tuple(expected[name].shape)} floats"
            )
    model = EnergyModel(config)
    model.load_state_dict(weights)
    return model.requires_grad_(False)
