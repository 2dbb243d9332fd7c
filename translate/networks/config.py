"""The shape of an energy network, its limits and its cost, known before it is built. No torch."""

from __future__ import annotations

import itertools
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from translate.errors import SettingsError
from translate.networks.sizes import EXPANSION, resnet50_parameters, stargan_v2_parameters

MAX_SIZE = 1024  # pixels
MAX_PARAMETERS = 200_000_000
MAX_FEATURES = 2**28  # 1 GB in float32

Channels = Annotated[int, Field(ge=1, le=2048)]
Count = Annotated[int, Field(ge=0, le=8)]
Arch = Literal["levels", "stargan-v2", "resnet50"]
Unit = Annotated[float, Field(ge=0.0, le=1.0)]
Deviation = Annotated[float, Field(ge=1e-3, le=1.0)]


class NetworkConfig(BaseModel):
    """Shape of an `EnergyModel`.

    Attributes:
        arch: `levels`, this project's own network, or one of `translate.networks`.
        size: height and width in pixels that the network was trained at.
        channels: features per level, finest first; each further level halves the resolution.
            ResNet-50 has the inner widths of its blocks here.
        blocks: residual 3×3 convolutions per level, one number for all levels or one for each but
            the head, finest first; of `levels` only.
        swish: β of the Swish, x·σ(βx), that stands in for the ReLU in every leaky ReLU, so that
            slopes change smoothly with the picture; 0: the kinked one. Of `levels` only.
        members: networks of this shape, each trained on its own, whose mean is the model. Of
            `levels` only.
        head: `aligned` (fixed size, positions matter) or `pooled` (any multiple of `stride`).
        mean, std: input statistics per RGB channel, in [0,1] pixel units.
        closeup: the network of a domain's close-ups (`translate.closeups`), beside this one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    arch: Arch = "levels"
    size: int = Field(ge=8, le=MAX_SIZE)
    channels: tuple[Channels, ...] = Field(min_length=2, max_length=9)
    blocks: Count | tuple[Count, ...] = 1
    swish: float = Field(default=0.0, ge=0, le=1000)
    members: int = Field(default=1, ge=1, le=8)
    head: Literal["aligned", "pooled"] = "aligned"
    mean: tuple[Unit, Unit, Unit] = (0.5, 0.5, 0.5)
    std: tuple[Deviation, Deviation, Deviation] = (0.5, 0.5, 0.5)
    closeup: NetworkConfig | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.arch != "levels":
            self._check_foreign()
        if isinstance(self.blocks, tuple) and len(self.blocks) != len(self.channels) - 1:
            raise ValueError(
                f"blocks has {len(self.blocks)} numbers for {len(self.channels) - 1} levels"
            )
        if self.size % self.stride:
            raise ValueError(
                f"size {self.size} is no multiple of {self.stride}, "
                f"which {len(self.channels)} levels need"
            )
        if self.closeup is not None and (self.closeup.closeup or self.closeup.head != "aligned"):
            raise ValueError("a network of close-ups has an aligned head and none of its own")
        if self.parameters > MAX_PARAMETERS:
            raise ValueError(f"{self.parameters:,} parameters; at most {MAX_PARAMETERS:,} allowed")
        if self.features > MAX_FEATURES:
            raise ValueError(f"{self.features:,} features; at most {MAX_FEATURES:,} allowed")
        return self

    def _check_foreign(self) -> None:
        head = "aligned" if self.arch == "stargan-v2" else "pooled"
        if self.head != head or self.blocks != 1 or self.swish or self.members > 1:
            raise ValueError(
                f"arch {self.arch} has a {head} head, no number of blocks, no swish and one member"
            )
        if self.arch == "resnet50" and len(self.channels) != 4:
            raise ValueError(f"arch resnet50 has 4 channels, not {len(self.channels)}")

    @model_serializer(mode="wrap")
    def _leave_out_defaults(self, fields: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Older formats do not know them, so a card that means them does not say them."""
        defaults = {"arch": "levels", "swish": 0.0, "members": 1, "closeup": None}
        return {k: v for k, v in fields(self).items() if k not in defaults or v != defaults[k]}

    @property
    def stride(self) -> int:
        """Pixels of the picture per position of the coarsest level."""
        return 2 ** (len(self.channels) - 1)

    @property
    def depths(self) -> tuple[int, ...]:
        """Residual convolutions of each level, finest first."""
        if isinstance(self.blocks, tuple):
            return self.blocks
        return (self.blocks,) * (len(self.channels) - 1)

    @property
    def coarsest(self) -> int:
        """Height and width of the coarsest level at the training size."""
        return self.size // self.stride

    @property
    def furthest(self) -> int:
        """From how many halvings away the network can judge (`EnergyModel.logit`)."""
        return len(self.channels) - 2 if self.arch == "levels" else 0

    @property
    def parameters(self) -> int:
        """How many numbers the weights hold; computed without building the network."""
        closeup = self.closeup.parameters if self.closeup else 0
        return closeup + self.members * self._each

    @property
    def _each(self) -> int:
        """Of one member."""
        if self.arch == "stargan-v2":
            return stargan_v2_parameters(self.channels, self.coarsest)
        if self.arch == "resnet50":
            return resnet50_parameters(self.channels)
        total = 0
        pairs = itertools.pairwise(self.channels)
        for (c, following), blocks in zip(pairs, self.depths, strict=True):
            total += c * (27 + 1) + blocks * c * (9 * c + 1)
            total += following * (9 * c + 1) + following * c
        last = self.channels[-1]
        extent = self.coarsest if self.head == "aligned" else 3
        return total + last * 28 + last * (last * extent**2 + 1) + last + 1

    @property
    def extent(self) -> str:
        """What it is made of, in words."""
        if self.members == 1:
            return f"{self.alone.parameters / 1e6:.2f} million parameters"
        return f"{self.members} networks, {self._each / 1e6:.2f} million parameters each,"

    @property
    def alone(self) -> NetworkConfig:
        """One member, without close-ups."""
        return self.model_copy(update={"members": 1, "closeup": None})

    @property
    def features(self) -> int:
        """How many numbers one map per level takes, for a picture of the training size."""
        width = EXPANSION if self.arch == "resnet50" else 1
        maps = (c * (self.size >> level) ** 2 for level, c in enumerate(self.channels))
        return self.members * width * sum(maps)

    @property
    def weights_limit(self) -> int:
        """Largest size in bytes of a weights file: all in float32, and room for names."""
        return 4 * self.parameters + 1_000_000

    def check_shape(self, height: int, width: int) -> None:
        """Raise `SettingsError` unless the network takes pictures of this shape."""
        if self.head == "aligned" and (height, width) != (self.size, self.size):
            raise SettingsError(
                f"this network takes {self.size}×{self.size} pixels, not {width}×{height}"
            )
        if height % self.stride or width % self.stride:
            raise SettingsError(
                f"height and width must be multiples of {self.stride}, not {width}×{height}"
            )

    def grown(
        self, channels: tuple[int, ...], blocks: tuple[int, ...] | None = None
    ) -> NetworkConfig:
        """The configuration with finer levels in front, each doubling the size.

        Args:
            channels: of the new levels, finest first.
            blocks: of the new levels; None takes as many as the finest one has.

        Raises:
            SettingsError: the network has no levels.
        """
        if self.arch != "levels":
            raise SettingsError(f"a network of arch {self.arch} cannot grow")
        if self.members > 1:
            raise SettingsError(f"a model of {self.members} networks cannot grow")
        if self.closeup is not None:
            raise SettingsError("a model with close-ups cannot grow")
        size = self.size * 2 ** len(channels)
        fields = {**self.model_dump(), "size": size, "channels": (*channels, *self.channels)}
        depths = (self.depths[:1] * len(channels) if blocks is None else blocks) + self.depths
        fields["blocks"] = self.blocks if set(depths) == {self.blocks} else depths
        return NetworkConfig.model_validate(fields)
