"""The parts of a domain card: how it walks, what its energies are, whose images it learned from."""

from __future__ import annotations

import itertools
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"  # of a domain
Name = Annotated[str, Field(pattern=NAME)]
Unit = Annotated[float, Field(ge=0.0, le=1.0)]
Drawn = tuple[
    Annotated[float, Field(ge=0.0, le=0.5)], Unit, Annotated[float, Field(gt=0.0, le=1.0)]
]


class Descent(BaseModel):
    """The domain's own PGD defaults: what strength 1.0 is.

    Attributes:
        steps: how many moves.
        step_size: L2 length of one move, in [0,1] pixels at the network's size.
        decay: see `pgd_settings.PGD`.
        coarse: shares of the moves that follow the energy as seen from one, two, … halvings away
            (`EnergyModel.logit`); they take turns with those at full size, the furthest first.
        mirrored: whether moves follow the energies of the picture and of its mirror image in turn
            (`translate.guide.seen_from`): for targets that are the same in a mirror.
        together: whether each move follows the mean energy of all members; else they take turns.
        smooth: sigma of the blur that the walk sets out from, in pixels at the network's size.
        exposure, burning: see `pgd_settings.PGD`.
        tone_lock, colour_lock, shade, headroom, footroom, total_variation: see `pgd_settings.PGD`;
            what is slow there is wider than `TONE` of the picture.
        flatten: see `pgd_settings.PGD`.
        despeckle: see `pgd_settings.PGD`; in pixels at the network's size.
        bare: see `pgd_settings.PGD`; around faces only.
        sky: see `pgd_settings.PGD`.
        dark: see `pgd_settings.PGD`; around faces only.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    steps: int = Field(ge=1, le=10_000)
    step_size: float = Field(gt=0, allow_inf_nan=False)
    decay: float = Field(default=0.0, ge=0, le=1)
    coarse: tuple[Unit, ...] = Field(default=(), max_length=7)
    mirrored: bool = False
    together: bool = False
    smooth: float = Field(default=0.0, ge=0, le=64)
    exposure: float = Field(default=1.0, gt=0, le=1)
    burning: Unit = 0.0
    tone_lock: Unit = 0.0
    colour_lock: Unit = 0.0
    shade: Unit = 0.0
    headroom: Unit = 0.0
    footroom: Unit = 0.0
    total_variation: float = Field(default=0.0, ge=0, lt=1)
    flatten: Unit = 0.0
    despeckle: float = Field(default=0.0, ge=0, le=64)
    bare: Unit = 0.0
    sky: Unit = 0.0
    dark: Unit = 0.0

    @model_validator(mode="after")
    def _check(self) -> Self:
        if sum(self.coarse) > 1:
            raise ValueError(f"coarse is {list(self.coarse)}; its shares may not exceed 1 together")
        return self

    def halvings(self, index: int) -> int:
        """How many halvings away move `index` (0 is the first) looks from.

        In every part of the walk each distance has its share: half a walk is half of everything.
        """
        shares = (1 - sum(self.coarse), *self.coarse)
        due, chosen = [0.0] * len(shares), 0
        for _ in range(index + 1):
            due = [d + s for d, s in zip(due, shares, strict=True)]
            chosen = max(range(len(due)), key=lambda k: (round(due[k], 6), k))
            due[chosen] -= 1
        return chosen

    @property
    def in_words(self) -> str:
        """How many moves of which length, for people."""
        last = self.step_size * (1 - self.decay * (self.steps - 1) / self.steps)
        slower = f", the last of {last:.3g}" if self.decay else ""
        return f"{self.steps} steps of {self.step_size:.3g}{slower}"

    @property
    def travel(self) -> float:
        """Summed length of all moves, in [0,1] pixels."""
        return self.step_size * self.steps * (1 - self.decay * (self.steps - 1) / (2 * self.steps))


class Calibration(BaseModel):
    """Energies of held-out images, as 21 quantiles from 0 to 1 in steps of 0.05.

    Attributes:
        data: of p_data images.
        source: of the photos that PGD is meant to start from.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    data: tuple[FiniteFloat, ...] = Field(min_length=21, max_length=21)
    source: tuple[FiniteFloat, ...] = Field(min_length=21, max_length=21)

    @model_validator(mode="after")
    def _check(self) -> Self:
        for name, values in (("data", self.data), ("source", self.source)):
            if any(b < a for a, b in itertools.pairwise(values)):
                raise ValueError(f"{name} quantiles must not fall")
        return self

    @property
    def target(self) -> float:
        """Median energy of p_data images: where `auto` stops."""
        return self.data[10]

    @property
    def hardly(self) -> float:
        """A tenth of the median way from photos to p_data: a smaller fall is worth a word."""
        return 0.1 * (self.source[10] - self.target)

    def percentile(self, energy: float) -> float:
        """Share of p_data images, in percent, whose energy is above `energy`.

        50 is a typical image of the domain, 0 one less in-domain than all held-out ones.
        """
        values = self.data
        if energy <= values[0]:
            return 100.0
        for index, (low, high) in enumerate(itertools.pairwise(values)):
            if energy < high:
                return 100.0 - 5.0 * (index + (energy - low) / (high - low))
        return 0.0


class Images(BaseModel):
    """Where images came from and what may be done with them."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str
    terms: str = ""
    count: int = Field(default=0, ge=0)


class Closeup(BaseModel):
    """What a domain's close-ups are (`translate.closeups`): squares around a face's eyes, which the
    network `NetworkConfig.closeup` sees, the right one in the mirror.

    Attributes:
        side: of a square around the photo's eyes, in widths of the face.
        drawn: where the domain draws them, of the square around left ones x, y and side in sides of
            the window, on the average; right ones in the mirror. None: where the photo has them.
        graft: whether the photo's eyes are put into the drawing first; else what is drawn walks on.
        pgd: their walk at strength 1.0.
        p_data, p_0, training, metrics: as of a `Domain`.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    side: float = Field(gt=0, le=2)
    drawn: Drawn | None = None
    graft: bool = True
    pgd: Descent
    p_data: tuple[Images, ...] = ()
    p_0: tuple[Images, ...] = ()
    training: dict[str, Any] = {}
    metrics: dict[str, Any] = {}

    @property
    def moves(self) -> dict[str, Any]:
        """What decides what they draw, as plain data. Of what older cards do not say no default."""
        told = {"side", "pgd"}
        if self.drawn:
            told.add("drawn")
        if not self.graft:
            told.add("graft")
        return self.model_dump(mode="json", include=told)
