"""The domain card: `config.json` as data, checked before anything is allocated. No torch here."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from translate.errors import SettingsError

MAX_SIZE = 1024  # pixels
MAX_PARAMETERS = 200_000_000

Channels = Annotated[int, Field(ge=1, le=2048)]
Unit = Annotated[float, Field(ge=0.0, le=1.0)]


class NetworkConfig(BaseModel):
    """Shape of an `EnergyModel`.

    Attributes:
        size: height and width in pixels that the network was trained at.
        channels: features per level, finest first; each further level halves the resolution.
        blocks: residual 3×3 convolutions per level.
        head: `aligned` (fixed size, positions matter) or `pooled` (any multiple of `stride`).
        mean, std: input statistics per RGB channel, in [0,1] pixel units.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(ge=8, le=MAX_SIZE)
    channels: tuple[Channels, ...] = Field(min_length=2, max_length=9)
    blocks: int = Field(default=1, ge=0, le=8)
    head: Literal["aligned", "pooled"] = "aligned"
    mean: tuple[Unit, Unit, Unit] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.5, 0.5, 0.5)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.size % self.stride:
            raise ValueError(
                f"size {self.size} is no multiple of {self.stride}, "
                f"which {len(self.channels)} levels need"
            )
        if min(self.std) <= 0:
            raise ValueError("std must be positive")
        if self.parameters > MAX_PARAMETERS:
            raise ValueError(f"{self.parameters:,} parameters; at most {MAX_PARAMETERS:,} allowed")
        return self

    @property
    def stride(self) -> int:
        """Pixels of the picture per position of the coarsest level."""
        return 2 ** (len(self.channels) - 1)

    @property
    def coarsest(self) -> int:
        """Height and width of the coarsest level at the training size."""
        return self.size // self.stride

    @property
    def parameters(self) -> int:
        """How many numbers the weights hold; computed without building the network."""
        total = 0
        for c, following in zip(self.channels[:-1], self.channels[1:], strict=True):
            total += c * (27 + 1) + self.blocks * c * (9 * c + 1)
            total += following * (9 * c + 1) + following * c
        last = self.channels[-1]
        extent = self.coarsest if self.head == "aligned" else 3
        return total + last * 28 + last * (last * extent**2 + 1) + last + 1

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

    def grown(self, channels: tuple[int, ...]) -> NetworkConfig:
        """The configuration with finer levels in front, each doubling the size."""
        return NetworkConfig(
            **{
                **self.model_dump(),
                "size": self.size * 2 ** len(channels),
                "channels": (*channels, *self.channels),
            }
        )
